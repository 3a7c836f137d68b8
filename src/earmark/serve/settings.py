"""`Settings`: where a server listens, who may ask, and how much."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from earmark.errors import SettingError

LEAST_TOKEN = 16  # characters; a shorter one can be guessed
MIB = 2**20
# Name, least, most, what it counts.
_BOUNDS: tuple[tuple[str, float, float, str], ...] = (
    ("port", 0, 65_535, ""),
    ("workers", 1, 256, ""),
    ("body", 1, 4096, " MiB"),
    ("files", 1, 1000, ""),
    ("seconds", 1, 3600, " s"),
    ("timeout", 1, 3600, " s"),
    ("memory", 64, 65_536, " MiB"),
    ("queue", 0, 10_000, ""),
    ("streams", 0, 1000, ""),
    ("patience", 1, 3600, " s"),
    ("grace", 0, 3600, " s"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is served.

    Parameters
    ----------
    host, port
        Where to listen. Anything but this machine itself needs a token, or ``no_auth``. Port 0 is any free one.
    token
        What a client must send as ``Authorization: Bearer TOKEN``; empty asks for nothing.
    no_auth
        Answer everybody, at any address.
    workers
        Processes that decode and score; ``None`` is one a core, and one more.
    body
        MiB that a request may have.
    files
        How many files a request may have.
    seconds
        Of sound that a file may have.
    timeout
        Seconds that a file may take its worker, which is ended then.
    memory
        MiB that a worker may take for a file, beyond the model.
    queue
        Requests that may wait for a worker; others are told to come back.
    streams
        Live streams at once.
    patience
        Seconds for a client's headers, and for a body that does not come.
    grace
        Seconds that requests have to finish when the server is told to end.

    Raises
    ------
    SettingError
        For a value that cannot be, and for an open address without a token.

    Examples
    --------
    >>> Settings(host="0.0.0.0")
    Traceback (most recent call last):
    earmark.errors.SettingError: Others can reach 0.0.0.0. Set EARMARK_TOKEN, or type --no-auth to answer everybody.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    no_auth: bool = False
    workers: int | None = None
    body: int = 64
    files: int = 32
    seconds: float = 600.0
    timeout: float = 30.0
    memory: int = 1024
    queue: int = 64
    streams: int = 8
    patience: float = 30.0
    grace: float = 30.0

    def __post_init__(self) -> None:
        for name, least, most, unit in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise SettingError(
                    f"--{name} is {value:g}{unit}, but must be from {least:g} to {most:g}{unit}."
                )
        if self.token and not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise SettingError("The token may have no spaces and only ASCII characters.")
        if self.token and len(self.token) < LEAST_TOKEN:
            raise SettingError(
                f"The token has {len(self.token)} characters, but needs {LEAST_TOKEN} or more."
                " Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if self.token and self.no_auth:
            raise SettingError("--no-auth and a token do not go together. Leave one of them out.")
        if not self.is_local and not self.token and not self.no_auth:
            raise SettingError(
                f"Others can reach {self.host}. Set EARMARK_TOKEN, or type --no-auth to answer everybody."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine itself can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name, which may mean anything
            return False
