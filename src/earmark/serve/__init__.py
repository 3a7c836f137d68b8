"""A model over HTTP: parse, call, answer. What is said about a sound is what `earmark.predict` says.

The server's own process only moves bytes; sound is decoded and scored in worker processes, which may be lost.
"""

from __future__ import annotations

from collections.abc import Callable

from earmark.errors import MissingExtraError
from earmark.remote import Place
from earmark.serve.settings import Settings

__all__ = ["Settings", "serve"]


def serve(model: Place, settings: Settings, started: Callable[[str], None] = lambda address: None) -> bool:
    """Serve a model until this process is told to end, by SIGINT or SIGTERM.

    Parameters
    ----------
    model
        A bundle.
    settings
        Where, to whom, and how much.
    started
        Called with the address when requests are answered.

    Returns
    -------
    bool
        Whether everything that was begun was finished.

    Raises
    ------
    MissingExtraError
        When what the server is made of is not installed.
    BundleError, OSError
        When the model cannot be used.
    SettingError
        When nobody can listen at the address.
    """
    try:
        from earmark.serve.running import run
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name == "earmark":
            raise
        raise MissingExtraError("earmark serve", "serve", name) from None
    return run(model, settings, started)
