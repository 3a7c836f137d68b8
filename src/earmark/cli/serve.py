"""`earmark serve`: a model over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command

if TYPE_CHECKING:
    from earmark.remote import Place

_aside = click.Group()  # `app` puts the command in its place


@command("serve", "earmark serve model.earmark --port 8000", _aside)
@click.argument("model", type=options.PLACE, metavar="MODEL.earmark")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=int, default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--token",
    envvar="EARMARK_TOKEN",
    default="",
    metavar="TEXT",
    help="What clients must send; better as EARMARK_TOKEN, for others see what was typed.",
)
@click.option("--no-auth", is_flag=True, help="Answer everybody, whatever the address.")
@click.option(
    "--workers", type=int, help="Processes that decode and score; one a core and one more by default."
)
@click.option("--body", type=int, default=64, show_default=True, metavar="MIB", help="Most of one request.")
@click.option("--files", type=int, default=32, show_default=True, help="Most of one request.")
@click.option("--seconds", type=float, default=600, show_default=True, help="Of sound in one file, at most.")
@click.option(
    "--timeout",
    type=float,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="For one file, in a worker.",
)
@click.option(
    "--memory", type=int, default=1024, show_default=True, metavar="MIB", help="For one file, in a worker."
)
@click.option(
    "--queue", type=int, default=64, show_default=True, help="Requests that may wait; others get 503."
)
@click.option("--streams", type=int, default=8, show_default=True, help="Live streams at once.")
@click.option(
    "--patience",
    type=float,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="With a client that sends slowly.",
)
@click.option(
    "--grace",
    type=float,
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="For what is under way at the end.",
)
def serve(model: Place, **choices: Any) -> int:
    """Answer over HTTP what is heard in sound files.

    POST /v1/predict takes a file as the body, or several as a form; GET /openapi.json describes the rest. SIGTERM or
    Ctrl-C ends the server when it has finished what it has begun.
    """
    from earmark.serve import Settings
    from earmark.serve import serve as run

    settings = Settings(**choices)

    def started(address: str) -> None:
        click.echo(f"Serving {model.name} at {address}; Ctrl-C ends it.", err=True)
        if settings.no_auth and not settings.is_local:
            click.secho("warning: ", fg="yellow", bold=True, nl=False, err=True)
            click.echo(
                f"EVERYBODY WHO REACHES {settings.host} IS ANSWERED, for --no-auth was typed.", err=True
            )

    return 0 if run(model, settings, started) else 1
