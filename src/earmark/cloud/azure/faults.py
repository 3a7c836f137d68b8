"""What goes wrong with Azure, as a sentence and an exit code.

The SDK's errors are known by their names here, so that nothing of the SDK is imported to tell them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from earmark.errors import CloudError, EarmarkError, SignInError

_SECRET = re.compile(r"(sig|sv|se|AccountKey|SharedAccessSignature)=[^&\s;\"']+", re.IGNORECASE)
_LONGEST = 400  # characters of what a service says


@contextmanager
def spoken(doing: str) -> Iterator[None]:
    """Turn what the SDK raises in the block into an error of Earmark's.

    Parameters
    ----------
    doing
        What was attempted, as it follows "while": ``"submitting the job"``.
    """
    try:
        yield
    except (EarmarkError, KeyboardInterrupt, OSError, MemoryError):
        raise
    except Exception as error:
        raise translated(error, doing) from error


def translated(error: BaseException, doing: str) -> EarmarkError:
    """Return what an error of the SDK means for a person."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status, code, said = _status(error), _code(error), said_by(error)
    if kinds & {"ClientAuthenticationError", "CredentialUnavailableError"} or status == 401:
        storage = _of_storage(code, said)
        if storage and status != 401:
            return storage
        expired = "expired" in (code + said).lower()
        what = "The sign-in to Azure has expired" if expired else "Azure does not know who is asking"
        return SignInError(f"{what}. Type: az login")
    if kinds & {"ServiceRequestError", "ServiceResponseError", "ConnectionError"}:
        return CloudError(no_network(doing, said))
    if status == 403:
        return _of_storage(code, said) or CloudError(
            f"Azure does not allow it while {doing} ({code or 'Forbidden'}): {said}. Ask the workspace's owner for the"
            " role AzureML Data Scientist."
        )
    if status == 404:
        return CloudError(f"Azure does not find it while {doing}: {said}.")
    if status == 429:
        return CloudError(f"Azure is asked too often while {doing}. Type the same command again in a minute.")
    if storage := _of_storage(code, said):
        return storage
    where = f"Azure refuses while {doing}" if status is not None else f"Azure's SDK refuses while {doing}"
    return CloudError(f"{where}{f' ({code})' if code else ''}: {said}.")


def _of_storage(code: str, said: str) -> CloudError | None:
    """Return the error for storage that does not take our key."""
    known = ("AuthenticationFailed", "KeyBasedAuthenticationNotPermitted", "InvalidAuthenticationInfo")
    named = next((name for name in (*known, "AuthorizationFailure") if name in code or name in said), "")
    if not named:
        return None
    return CloudError(
        f"The workspace's storage refuses the key that it was asked with ({named}). The key may have been changed: type"
        " az ml workspace sync-keys, or ask the workspace's owner."
    )


def _status(error: Any) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _code(error: Any) -> str:
    code = getattr(error, "error_code", None) or getattr(getattr(error, "error", None), "code", None)
    return str(getattr(code, "value", code) or "")


def said_by(error: BaseException) -> str:
    r"""Return the first sentences of what is said, on one line and without a key.

    >>> said_by(ValueError("(NotFound) The run\nwas not found.\nCode: NotFound"))
    'The run was not found'
    """
    text = str(getattr(error, "message", None) or error)
    text = re.split(r"\n(?:Code|Content|RequestId|Message|Time):?", text)[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"^\(\w+\)\s*", "", " ".join(text.split()))
    text = _SECRET.sub(r"\1=…", text).rstrip(". ")
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def no_network(doing: str, said: str) -> str:
    """Return the sentence for a connection that is not had, and why.

    >>> no_network("asking for the workspace", "[Errno 111] Connection refused")
    'Azure cannot be reached while asking for the workspace: the connection is refused. Nothing was changed.'
    """
    return f"Azure cannot be reached while {doing}: {_network(said)}. Nothing was changed."


def _network(said: str) -> str:
    for sign, words in (
        ("resolve", "its name is not known here (is there a network?)"),
        ("Name or service", "its name is not known here (is there a network?)"),
        ("refused", "the connection is refused"),
        ("timed out", "there is no answer"),
        ("CERTIFICATE", "its certificate is not trusted here"),
    ):
        if sign.lower() in said.lower():
            return words
    return said
