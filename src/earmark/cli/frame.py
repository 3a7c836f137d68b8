"""The frame that every command stands in: the group, its help, errors as sentences, exit codes, the start."""

from __future__ import annotations

import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from earmark.cli.words import on_one_line
from earmark.errors import EarmarkError, nearest

Command = Callable[..., int]


class Group(click.Group):
    """The commands in the order of a day's work, and a guess where a name is wrong."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names in the order in which they were added."""
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or say which name may have been meant."""
        name = arguments[0]
        if name not in self.commands and not name.startswith("-"):
            known = ", ".join(self.commands)
            context.fail(f"No command is called '{name}'. There are: {known}.{nearest(name, self.commands)}")
        return super().resolve_command(context, arguments)


@click.group(
    "earmark",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: earmark demo",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="earmark", message="earmark %(version)s")
@click.pass_context
def app(context: click.Context, debug: bool) -> None:
    """From labelled sound to a classifier that people can trust and ship."""
    context.obj = debug


def command(
    name: str, example: str, group: click.Group | None = None, short: str | None = None
) -> Callable[[Command], click.Command]:
    """Register a command: its example closes the help, its errors become one sentence and an exit code."""

    def register(function: Command) -> click.Command:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            context = click.get_current_context()
            context.exit(_guarded(lambda: function(**arguments), debug=context.obj))

        return (group or app).command(name, epilog=f"Example: {example}", short_help=short)(run)

    return register


class Terminated(KeyboardInterrupt):
    """The system, or whoever runs jobs, asks this process to end."""


def _terminate(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # who asks twice means it
    raise Terminated


def _guarded(call: Callable[[], int], debug: bool) -> int:
    try:
        return call()
    except KeyboardInterrupt as interrupt:
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        return 143 if isinstance(interrupt, Terminated) else 130
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (EarmarkError, OSError, MemoryError) as error:
        if debug:
            raise
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(_sentence(error), err=True)
        return error.exit_code if isinstance(error, EarmarkError) else 1


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."
    return (
        "There is not enough memory for this." if isinstance(error, MemoryError) else on_one_line(str(error))
    )


def start() -> None:
    """Run the command line."""
    # Work is spread over cores by our own workers; a BLAS that spreads it again would only slow them down.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    _open_output()
    signal.signal(signal.SIGTERM, _terminate)
    app(prog_name="earmark")


def _open_output() -> None:
    """Make sure that whatever a file is called can be printed, and that there is something to print to."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, as ``>&-`` does
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (for the life of the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
