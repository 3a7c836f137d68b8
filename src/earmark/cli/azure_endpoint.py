"""`earmark azure deploy`, `invoke`, `traffic`, `delete-endpoint`: a model as an address in the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from earmark.cli import options
from earmark.cli.azure import azure, place
from earmark.cli.frame import command
from earmark.errors import SettingError, UnknownNameError

__all__ = ["azure"]  # with all of its commands

FORMATS = ("table", "json", "jsonl", "csv")
_OF_BATCH = ("compute", "mini_batch")  # what only a batch endpoint reads
_OF_ONLINE = ("instance_type", "traffic", "body", "seconds")
_INSTANCE = "Standard_DS3_v2"


@command(
    "deploy", "earmark azure deploy model.earmark city-sounds", azure, short="Put a model behind an address."
)
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.earmark")
@click.argument("name")
@click.option("--instance-type", metavar="SIZE", help=f"The machines; {_INSTANCE} by default.")
@click.option(
    "--instances", type=int, default=1, show_default=True, help="How many; each costs while it stands."
)
@click.option(
    "--traffic",
    type=int,
    metavar="PERCENT",
    help="Of the requests, for this deployment; the one before keeps the others. 100 by default.",
)
@click.option("--body", type=int, metavar="MIB", help="Most of one request; 64 by default.")
@click.option("--seconds", type=float, help="Of sound in one file, at most; 600 by default.")
@click.option("--batch", is_flag=True, help="For many files at once: a batch endpoint on a cluster.")
@click.option("--compute", metavar="CLUSTER", help="Of --batch: where it works.")
@click.option(
    "--mini-batch", type=int, metavar="FILES", help="Of --batch: what a machine is given at a time."
)
@click.option("--earmark", "requirement", metavar="REQUIREMENT", help="By which pip installs Earmark there.")
@place
@options.as_json
def deploy(
    model: Path, name: str, batch: bool, instances: int, requirement: str | None, as_json: bool, where: Any,
    **choices: Any,
) -> int:  # fmt: skip
    """Put a model behind an address that answers with what `earmark predict` says.

    The model is registered and deployed beside the one that answers now, tested, and then given its share of the
    requests. Nothing is deleted; an endpoint costs until `earmark azure delete-endpoint`.
    """
    for option in _OF_ONLINE if batch else _OF_BATCH:
        if choices[option] is not None:
            flag, of = option.replace("_", "-"), "an online" if batch else "a batch"
            raise SettingError(
                f"--{flag} is for {of} endpoint. Leave it out{', or add --batch' * (not batch)}."
            )
    if batch and not choices["compute"]:
        raise SettingError("On which cluster shall it work? Add --compute CLUSTER.")
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.packages import requirement as usual
    from earmark.predict import Predictor

    put = _batch if batch else _online
    work, after = put(model, name, instances, choices)
    Predictor.open(model)  # before anybody is asked
    earmark, note = (requirement, "") if requirement else usual()
    say = sayer()
    if note:
        say("", note)
    done = work(connect(where()), say, earmark)
    if as_json:
        from earmark.cli.show import print_json

        print_json(done.to_dict())
    else:
        click.echo(after)
    return 0


def _online(
    model: Path, name: str, instances: int, choices: dict[str, Any]
) -> tuple[Callable[..., Any], str]:
    """Return what deploys to an online endpoint, and what to say when it is done."""
    from earmark.cloud.azure.endpoint import check, deploy
    from earmark.cloud.azure.scoring import PREFIX, settings_of

    limits = {key: f"{choices[key]:g}" for key in ("body", "seconds") if choices[key] is not None}
    size = choices["instance_type"] or _INSTANCE
    percent = 100 if choices["traffic"] is None else choices["traffic"]
    check(name, instances, percent)
    settings_of({PREFIX + key.upper(): value for key, value in limits.items()})

    def work(ml: Any, say: Any, earmark: str) -> Any:
        return deploy(ml, model, name, say, size, instances, percent, limits, earmark)

    return work, (
        f"Ask it: earmark azure invoke {name} clip.wav. It costs until: earmark azure delete-endpoint {name}"
    )


def _batch(model: Path, name: str, instances: int, choices: dict[str, Any]) -> tuple[Callable[..., Any], str]:
    """Return the same for a batch endpoint."""
    from earmark.cloud.azure.batch import MINI_BATCH, check, deploy_batch

    mini_batch = MINI_BATCH if choices["mini_batch"] is None else choices["mini_batch"]
    check(name, instances, mini_batch)

    def work(ml: Any, say: Any, earmark: str) -> Any:
        return deploy_batch(ml, model, name, say, choices["compute"], instances, mini_batch, earmark)

    return work, f"Give it files: earmark azure invoke {name} --batch azureml:SOUNDS:1"


@command("invoke", "earmark azure invoke city-sounds siren.wav", azure, short="Say what an endpoint hears.")
@click.argument("name")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--deployment", metavar="NAME", help="Which one shall answer, whatever their shares.")
@click.option("--format", "style", default="table", metavar="NAME", help="table, json, jsonl or csv.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--batch",
    metavar="DATA",
    help="Start a job over a data asset, azureml:NAME:VERSION, or a folder azureml://…",
)
@place
def invoke(
    name: str, paths: tuple[str, ...], deployment: str | None, style: str, as_json: bool, batch: str | None,
    where: Any,
) -> int:  # fmt: skip
    """Say what an endpoint hears in files and folders of this machine.

    It prints what `earmark predict` does. A file that cannot be used is named, and the exit code is then 1. With
    --batch, a batch endpoint begins to work through a folder of the workspace's storage, and the job's name is
    printed.
    """
    style = "json" if as_json else style
    if style not in FORMATS:
        raise UnknownNameError("format", style, FORMATS)
    if bool(paths) == (batch is not None):
        raise SettingError(
            "Which files? Name some after the endpoint, or a folder of the workspace with --batch."
        )
    if batch is not None and deployment is not None:
        raise SettingError("--deployment is for files of this machine; a batch endpoint has one default.")
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.names import checked

    checked("endpoint", name)
    if batch is not None:
        from earmark.cloud.azure.batch import start

        click.echo(start(connect(where()), name, batch))
        return 0
    from earmark.cli.predictions import write
    from earmark.cloud.azure.invoke import invoke as ask
    from earmark.predict import expand

    found = expand(paths)
    answers = iter(ask(connect(where()), name, found, deployment))
    first = next(answers, None)  # whose labels a table is as wide as
    labels = list(getattr(first, "scores", {}))

    def results() -> Iterator[Any]:
        if first is not None:
            yield first
            yield from answers

    return write(style, results(), labels)


@command(
    "traffic", "earmark azure traffic city-sounds blue=10 green=90", azure, short="Share out its requests."
)
@click.argument("name")
@click.argument("shares", nargs=-1, required=True, metavar="DEPLOYMENT=PERCENT...")
@place
def traffic(name: str, shares: tuple[str, ...], where: Any) -> int:
    """Give the deployments of an endpoint their shares of the requests."""
    given = {}
    for share in shares:
        deployment, _, percent = share.partition("=")
        if not deployment or not percent.isdecimal():
            raise SettingError(
                f"'{share}' is no share of the requests. Type it as DEPLOYMENT=PERCENT: blue=100"
            )
        given[deployment] = int(percent)
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.endpoint import check_shares, give_traffic

    check_shares(name, given)
    found = give_traffic(connect(where()), name, given, sayer())
    click.echo(", ".join(f"{deployment} {percent} %" for deployment, percent in sorted(found.items())))
    return 0


@command(
    "delete-endpoint", "earmark azure delete-endpoint city-sounds --yes", azure, short="Delete an endpoint."
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@place
def delete_endpoint(name: str, yes: bool, where: Any) -> int:
    """Delete an endpoint with its deployments, so that it costs nothing any more.

    Models stay in the workspace.
    """
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.endpoint import delete

    if not yes and not click.confirm(f"Delete {name}, so that nobody can ask it any more?", err=True):
        click.echo("Nothing was deleted.", err=True)
        return 1
    delete(connect(where()), name, sayer())
    click.echo(f"{name} is deleted.")
    return 0


def sayer() -> Any:
    """Return what says how far it is, a line each, on stderr."""
    from earmark.cli.progress import Terminal

    return Terminal(bar=False).say
