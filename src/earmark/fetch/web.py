"""One request for one file, over HTTP or HTTPS only: what a server answers, and what its refusals mean."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from typing import IO
from urllib.parse import urljoin, urlsplit

from earmark.errors import FetchError, SettingError

PATIENCE = 30.0  # seconds without a single byte before a connection counts as cut
_LONGEST_WAIT = 120.0  # seconds that a server may ask for before we give up instead
_WEB = ("http", "https")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # it may be otherwise in a moment
_REASONS = {
    401: "It wants a sign-in that Earmark does not have.",
    403: "It does not let us have the file.",
    404: "There is no such file any more.",
    410: "There is no such file any more.",
}


class CutError(Exception):
    """The connection broke, or the server cannot answer just now: to be tried again.

    Parameters
    ----------
    reason
        One phrase for a person.
    wait
        Seconds that the server asks for.
    unreached
        Whether there was no connection at all.
    """

    def __init__(self, reason: str, wait: float = 0.0, unreached: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.unreached = wait, unreached


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Parameters
    ----------
    body
        The bytes from `start` on.
    start
        Where in the file they begin: 0 unless the server goes on in the middle, as asked.
    total
        The whole file's size, as the server says; ``None`` where it does not.
    validator
        A text that changes when the file does, fit for ``If-Range``; empty where there is none.
    """

    body: http.client.HTTPResponse
    start: int
    total: int | None
    validator: str


@dataclass(frozen=True, slots=True)
class Beyond:
    """The server says that the file ends before what was asked for (416), and where, if it says so."""

    total: int | None


def check_address(url: str) -> None:
    """Refuse what is no plain web address.

    Raises
    ------
    SettingError
        For another scheme, an address without a machine, or one with a password in it.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise SettingError(f"'{shown(url)}' is no web address: {error}.") from None
    if parts.scheme not in _WEB or not parts.hostname:
        raise SettingError(f"'{shown(url)}' is no address that begins with http:// or https://.")
    if "@" in parts.netloc:
        raise SettingError(
            f"The address of {parts.hostname} has a user name or password in it, which Earmark does not send."
        )
    if any(c.isspace() or not c.isprintable() for c in url):
        raise SettingError(f"'{shown(url)}' has spaces in it. Write them as %20.")


def shown(url: str) -> str:
    """Return an address without what may be a key.

    >>> shown("https://user:word@host/UrbanSound8K.tar.gz?sig=secret#top")
    'https://host/UrbanSound8K.tar.gz'
    """
    before, _, _ = url.partition("#")[0].partition("?")
    return re.sub(r"(?<=://)[^/@]*@", "", before)


def ask(url: str, start: int = 0, validator: str = "") -> Answer | Beyond:
    """Ask for a file from the byte ``start`` on, provided that it is still what ``validator`` names.

    A server that cannot do that, or has another file by now, sends the whole file: then `Answer.start` is 0.

    Raises
    ------
    CutError
        When it is worth trying again.
    FetchError
        When it is not.
    """
    headers = {"User-Agent": f"earmark/{metadata.version('earmark')}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        body = _opener().open(urllib.request.Request(url, headers=headers), timeout=PATIENCE)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:
                return Beyond(_content_range(error.headers)[1])
            raise _refusal(url, error) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(url, error) from None
    first, total = 0, _length(body.headers)
    if body.status == 206:
        first, total = _content_range(body.headers)
        if not start or first != start:
            body.close()
            raise CutError("the server sent another part than was asked for")
    elif body.status != 200:
        body.close()
        raise FetchError(f"{shown(url)} cannot be fetched: the server answers {body.status} {body.reason}.")
    return Answer(body, first, total, _validator(body.headers))


def cut_while_reading(error: BaseException) -> CutError:
    """Put into words how a connection broke while the file came."""
    if isinstance(error, TimeoutError):
        return CutError(f"nothing came for {PATIENCE:g} s")
    if isinstance(error, http.client.IncompleteRead):
        return CutError("the connection was cut")
    return CutError((getattr(error, "strerror", None) or str(error) or "the connection was cut").lower())


# The request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to web addresses only, and never from an encrypted one to one that is not."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in _WEB or (urlsplit(req.full_url).scheme == "https" and scheme != "https"):
            fp.close()
            raise _not_followed(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens web addresses, through the system's proxy, and no others: no files, no FTP, no log-ins."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _not_followed(url: str, to: str) -> FetchError:
    return FetchError(
        f"{shown(url)} sends us on to {shown(to)}, which is not safe to follow."
        " Take another place with --mirror URL."
    )


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in _PASSING:
        wait = _seconds(error.headers.get("Retry-After", ""))
        if wait <= _LONGEST_WAIT:
            return CutError(f"the server answers {error.code} {error.reason}".rstrip(), wait)
        return FetchError(
            f"{shown(url)} asks us to come back in {wait / 60:,.0f} minutes ({error.code} {error.reason})."
            " Run the same command again then."
        )
    if 300 <= error.code < 400:
        to = urljoin(url, error.headers.get("Location", ""))
        if urlsplit(to).scheme not in _WEB:
            return _not_followed(url, to)
        return FetchError(
            f"{shown(url)} sends us from one address to another without an end."
            " Take another place with --mirror URL."
        )
    why = _REASONS.get(error.code, "That will not change by asking again.")
    return FetchError(
        f"{shown(url)} cannot be fetched: the server answers {error.code} {error.reason}. {why}"
        " Take another place with --mirror URL, or an archive on this machine with --mirror FILE."
    )


def _unreached(url: str, error: Exception) -> Exception:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    host = urlsplit(url).hostname
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(f"{host} cannot prove that it is {host}: {reason.verify_message}.")
    if isinstance(reason, TimeoutError):
        return CutError(f"no answer from {host}")
    if isinstance(reason, socket.gaierror):
        return CutError(f"cannot find {host}: no network, or no such name", unreached=True)
    if isinstance(reason, ConnectionResetError | BrokenPipeError):
        return CutError(f"the connection was closed by {host}")
    if isinstance(reason, OSError):
        return CutError(f"cannot reach {host}: {(reason.strerror or str(reason)).lower()}", unreached=True)
    return CutError(f"no web server answers at {host}")


# The headers


def _seconds(text: str) -> float:
    """Return how long a server asks us to wait. A date counts as a moment: clocks differ.

    >>> _seconds("30"), _seconds("Wed, 21 Oct 2015 07:28:00 GMT")
    (30.0, 0.0)
    """
    return float(text) if re.fullmatch(r"[0-9]{1,9}", text.strip()) else 0.0


def _length(headers: Message) -> int | None:
    text = (headers.get("Content-Length") or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _content_range(headers: Message) -> tuple[int, int | None]:
    """Return where the part begins, -1 where that is not said, and how large the whole is."""
    found = re.fullmatch(
        r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)",
        (headers.get("Content-Range") or "").strip(),
    )
    if not found:
        return -1, None
    return int(found[1]) if found[1] else -1, None if found[2] == "*" else int(found[2])


def _validator(headers: Message) -> str:
    """Return the strong ETag, or else the date of the last change. A weak ETag may stand for other bytes."""
    tag = (headers.get("ETag") or "").strip()
    return tag if tag.startswith('"') else (headers.get("Last-Modified") or "").strip()
