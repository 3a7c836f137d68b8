"""What is peculiar to Azure's Blob storage: how long its client goes on trying, and what its refusals mean."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

HINT = (
    "Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and, unless you are logged in with az login, "
    "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN."
)
# In the order in which they are looked at.
_KEYS = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN")

# As it comes, the client waits 15 seconds or more before each of three further tries, whatever went wrong, and 20 for
# a machine that does not answer: two minutes pass before somebody without a network hears of it. Here it tries again
# where the store asks for it (503, when an account is asked for more than it gives), after 0.5, 2.5, 4.5 and 8.5
# seconds; a connection that fails, or a sign-in, is `earmark.remote.ask`'s.
_CONNECT = 2.5  # seconds
_RETRIES = {
    "total_retries": 4,
    "status_retries": 4,
    "initial_backoff": 0.5,
    "increment_base": 2,
    "random_jitter_range": 0.25,
}

_UNSIGNED = re.compile("(?i)credential|authent")


def settle(system: Any) -> None:
    """Make the client behind an adlfs file system try as long as `earmark.remote` means to.

    Its options are not to be had through adlfs, hence the private names; where a later one has no such names, the
    client stays as it comes.
    """
    client = getattr(system, "service_client", None)
    policy: Any = getattr(getattr(client, "_config", None), "retry_policy", None)
    if hasattr(policy, "increment") and not hasattr(policy, "earmark"):
        policy.earmark = again = policy.increment
        policy.increment = lambda *a, error=None, **k: error is None and again(*a, error=error, **k)
        for name, value in _RETRIES.items():
            setattr(policy, name, value)
    transport = getattr(getattr(client, "_pipeline", None), "_transport", None)
    connection: Any = getattr(transport, "connection_config", None)
    if hasattr(connection, "timeout"):
        connection.timeout = _CONNECT
    # Whoever set up logging still gets it; else each way to sign in that fails would print its lines.
    azure = logging.getLogger("azure")
    if not azure.handlers:
        azure.addHandler(logging.NullHandler())


def refusal(error: BaseException) -> str:
    """Say what a refusal means and what to look at; empty for what is no refusal by Azure.

    Examples
    --------
    >>> class ClientAuthenticationError(Exception):
    ...     status_code, error_code = 403, "AuthorizationPermissionMismatch"
    >>> refusal(ClientAuthenticationError())
    'the key or token that we have does not allow it: AuthorizationPermissionMismatch'
    """
    if type(error).__name__ == "AzureSigningError":
        return f"the account's key is none: see {_key()}"
    code = str(getattr(getattr(error, "error_code", ""), "value", getattr(error, "error_code", "")) or "")
    if code in ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"):
        return f"the storage account does not accept {_key()}: {code}"
    if code.startswith("Authorization") or code == "InsufficientAccountPermissions":
        return f"the key or token that we have does not allow it: {code}"
    module = type(error).__module__.partition(".")[0]
    if module == "azure" and not code and _UNSIGNED.search(type(error).__name__):
        return f"nobody is signed in to Azure. Type: az login. Or set {_KEYS[0]}"
    return ""


def _key() -> str:
    """Return the name of what was taken for a key."""
    return next((name for name in _KEYS if os.environ.get(name)), "who is signed in")
