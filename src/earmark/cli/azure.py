"""`earmark azure`: the same line on Azure Machine Learning. Each command imports what it needs when it runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import Group, command
from earmark.cli.words import on_one_line

if TYPE_CHECKING:
    from earmark.cloud.azure.place import Place

FOLDER = Path("azure")


@click.group("azure", cls=Group, no_args_is_help=True, epilog="Example: earmark azure init")
def azure() -> None:
    """Train and serve on Azure Machine Learning.

    Jobs there run `earmark run recipe.toml`, and nothing else. Sign in first with: az login
    """


@dataclass(frozen=True, slots=True)
class Where:
    """The workspace that is meant; called, it is found out."""

    subscription: str
    group: str
    workspace: str
    folder: Path

    def __call__(self) -> Place:
        """Return it. Raises `SettingError` where a part of it cannot be found out."""
        from earmark.cloud.azure.place import Place, known_place

        return known_place(Place(self.subscription, self.group, self.workspace), self.folder)


def place(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options that say which workspace; the command is given ``where``, a `Where`."""

    @functools.wraps(function)
    def run(subscription: str, group: str, workspace: str, folder: Path, **arguments: Any) -> int:
        return function(where=Where(subscription, group, workspace, folder), **arguments)

    folder = click.option(
        "--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, metavar="FOLDER",
        help="Where `earmark azure init` wrote its files.",
    )  # fmt: skip
    return folder(_workspace(run))


def _workspace(function: Callable[..., int]) -> Callable[..., int]:
    for name, words in (
        ("workspace", "The workspace's name."),
        ("group", "Its resource group."),
        ("subscription", "The subscription's id."),
    ):
        add = click.option(f"--{name}", default="", metavar="NAME", help=f"{words} Found out by default.")
        function = add(function)
    return function


def say(text: str) -> None:
    """Tell a person how far it is."""
    click.echo(on_one_line(text), err=True)


@command("init", "earmark azure init", azure, short="Write the files that Azure ML needs.")
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
@_workspace
@click.option("--recipe", metavar="NAME|FILE", default="default", help="The recipe that goes with jobs.")
@click.option(
    "--earmark", metavar="REQUIREMENT", help="By which pip installs Earmark there; found out by default."
)
@click.option("--torch", is_flag=True, help="Install PyTorch there as well, for a cnn.")
@click.option("--force", is_flag=True, help="Write also over files that you have changed.")
@options.as_json
def init(
    folder: Path, subscription: str, group: str, workspace: str, recipe: str, earmark: str | None, torch: bool,
    force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Write the files that Azure ML needs into FOLDER.

    A job, a sweep, a pipeline, environments, computes, data, endpoints with what they run. Nothing is asked: the
    workspace is found out, and what cannot be is left to fill in. What you have changed is not written over.
    """
    from earmark.cli import show
    from earmark.cloud.azure.files import files
    from earmark.cloud.azure.folder import write_folder
    from earmark.cloud.azure.packages import requirement
    from earmark.cloud.azure.place import CONFIG, Place, find_place
    from earmark.recipe import load_recipe

    found, sources = find_place(Place(subscription, group, workspace), folder)
    needed, note = requirement(torch)
    written = write_folder(folder, files(found, load_recipe(recipe).to_toml(), earmark or needed), force)
    if as_json:
        show.print_json({**asdict(written), "place": found.to_dict(), "missing": found.missing})
        return 0
    for title, names in (("Wrote", written.new), ("As it was", written.same)):
        if names:
            click.echo(f"{title:<10}{folder}/: {', '.join(names)}")
    for name in written.kept:
        click.echo(f"Left alone {folder / name}: you have changed it (--force writes over it)")
    for name, value in asdict(found).items():
        if name in found.missing:
            click.echo(f"Fill in   {name} in {folder / CONFIG}: it could not be found out")
        else:
            click.echo(f"{name.capitalize():<13} {on_one_line(value)} ({on_one_line(sources[name])})")
    if note and earmark is None:
        click.echo(f"Note      {note}")
    click.echo("Next      earmark azure validate" + f" {folder}" * (folder != FOLDER))
    return 0


@command("validate", "earmark azure validate", azure, short="Find what Azure would refuse, offline.")
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
@options.as_json
def validate(folder: Path, as_json: bool) -> int:
    """Find what Azure would refuse, without a network.

    Each file is read by Azure's own loaders, and held against rules for what these let pass.
    """
    from earmark.cli import show
    from earmark.cloud.azure.validate import validate as examine

    found = examine(folder)
    if as_json:
        show.print_json({"files": found.files, "problems": [asdict(problem) for problem in found.problems]})
        return 1 if found.problems else 0
    for problem in found.problems:
        click.echo(on_one_line(f"{problem.path}: {problem.detail}"))
    if found.problems:
        click.echo(f"{len(found.problems)} found in {len(found.files)} files.", err=True)
        return 1
    click.echo(f"{len(found.files)} files are as Azure takes them.")
    click.echo("Next      earmark azure submit recipe.toml --dry-run")
    return 0


@command("submit", "earmark azure submit recipe.toml", azure, short="Run a recipe there.")
@click.argument("recipe", metavar="RECIPE.toml")
@click.option(
    "--data", default="", metavar="azureml:NAME:VERSION", help="The data; that of job.yml by default."
)
@click.option("--compute", default="", metavar="NAME", help="The cluster; that of job.yml by default.")
@click.option(
    "--spot", is_flag=True, help="On the cluster of compute-spot.yml; goes on when it was taken away."
)
@options.change
@click.option("--sweep", is_flag=True, help="Several trainings, of which the best is kept.")
@click.option(
    "--vary",
    multiple=True,
    metavar="TABLE.SETTING=A,B|LOW..HIGH",
    help="What a sweep tries; may be repeated.",
)
@click.option("--trials", type=int, default=12, show_default=True, help="Trainings of a sweep.")
@click.option(
    "--pipeline", is_flag=True, help="check, extract, train, evaluate; what has not changed is reused."
)
@click.option("--nodes", type=int, default=1, show_default=True, help="Machines that train one cnn together.")
@click.option("--processes", type=int, default=1, show_default=True, help="On each of them; one a GPU.")
@click.option("--name", default="", metavar="NAME", help="The job's; made up by default.")
@click.option("--no-stream", is_flag=True, help="Do not wait for its end.")
@click.option("--dry-run", is_flag=True, help="Print the job and what it may cost; submit nothing.")
@click.option(
    "--hours", type=float, metavar="H", help="How long you think one training takes, for --dry-run."
)
@click.option("--price-per-hour", type=float, metavar="X", help="Of one machine, for --dry-run.")
@place
def submit(
    recipe: str, where: Where, no_stream: bool, dry_run: bool, hours: float | None,
    price_per_hour: float | None, **asked: Any,
) -> int:  # fmt: skip
    """Run a recipe there, and follow its log.

    The recipe and what it names is uploaded, nothing else. Ctrl-C stops following; the job goes on.
    """
    from earmark.cli import ready
    from earmark.cloud.azure.job import Order
    from earmark.cloud.azure.submit import draft
    from earmark.cloud.azure.submit import submit as send
    from earmark.errors import SettingError
    from earmark.recipe import load_recipe

    for flag, value in (("--hours", hours), ("--price-per-hour", price_per_hour)):
        if value is not None and not 0 <= value < 1e6:
            raise SettingError(f"{flag} is {value:g}, but must be from 0 to a million.")
    ready.can_train()
    order, made = Order(**asked), load_recipe(recipe)
    if dry_run:
        found = draft(made, order, where.folder, hours, price_per_hour)
        click.echo(found.text, nl=False)
        say(f"Would upload  {', '.join(found.uploads)}")
        say(f"Would cost    {found.cost}")
        say(f"The same here {found.here}")
        return 0
    sent = send(made, order, where.folder, where(), say)
    click.echo(f"Job       {sent.name} ({sent.status})")
    click.echo(f"Studio    {sent.studio}")
    if no_stream:
        click.echo(f"Next      earmark azure stream {sent.name}")
        return 0
    return _follow(sent.client, sent.name)


def _follow(client: Any, name: str) -> int:
    from earmark.cloud.azure.follow import stream

    sys.stdout.flush()
    try:
        # ``out`` is this process's own stdout: while the SDK streams, `sys.stdout` leads to us.
        out = sys.stdout
        stream(client, name, lambda line: click.echo(on_one_line(line), file=out))
    except KeyboardInterrupt:
        say(
            f"The job {name} goes on. Follow it again: earmark azure stream {name}   Stop it: earmark azure cancel"
            f" {name}"
        )
        return 130
    click.echo(f"Done      {name} is completed.")
    click.echo(f"Next      earmark azure download {name}")
    return 0


@command("stream", "earmark azure stream calm_bird_x1y2z3", azure, short="Follow a job's log.")
@click.argument("job")
@place
def stream(job: str, where: Where) -> int:
    """Follow the log of a job until it ends.

    Exit code 1 when the job failed; the last it said is shown then. Ctrl-C stops following; the job goes on.
    """
    from earmark.cloud.azure.client import connect

    return _follow(connect(where()), job)


@command("cancel", "earmark azure cancel calm_bird_x1y2z3", azure, short="Stop a job.")
@click.argument("job")
@place
def cancel(job: str, where: Where) -> int:
    """Ask a job to end. What it has written stays; submitted again under another name it begins anew."""
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.follow import cancel as stop

    status = stop(connect(where()), job)
    click.echo(f"The job {job} was asked to end; it is {status} now.")
    return 0


@command("download", "earmark azure download calm_bird_x1y2z3", azure, short="Bring a job's run folder here.")
@click.argument("job")
@options.runs
@place
def download(job: str, runs: Path, where: Where) -> int:
    """Bring the run folder of a job here, as if it had been trained here."""
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.download import download as fetch

    found = fetch(connect(where()), job, runs)
    for path in found:
        click.echo(f"Run       {path}")
    click.echo(f"Next      earmark report {found[0]} -o report.html")
    return 0


@command("data", "earmark azure data sounds --name birds", azure, short="Upload a data set.")
@click.argument("path", metavar="FOLDER|URI")
@click.option("--name", default="sounds", show_default=True, metavar="NAME", help="What it is called there.")
@click.option("--version", default="1", show_default=True, metavar="N", help="Which version of it this is.")
@place
def data(path: str, name: str, version: str, where: Where) -> int:
    """Upload a data set, under a name that jobs call it by.

    Of a URI such as azureml://… or https://…blob.core.windows.net/…, only the address is kept.
    """
    from earmark.cloud.azure.assets import register_data
    from earmark.cloud.azure.client import connect

    called = register_data(connect(where()), name, path, version, say)
    click.echo(f"Data      {called}")
    click.echo(f"Next      earmark azure submit recipe.toml --data {called}")
    return 0


@command("register", "earmark azure register model.earmark", azure, short="Keep a model there.")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.earmark")
@place
def register(model: Path, where: Where) -> int:
    """Keep a model in the workspace, with its labels and its test score as tags.

    Its name there is the file's, and its version follows from what is in it: the same file is kept once.
    """
    from earmark.cloud.azure.client import connect
    from earmark.cloud.azure.serving import register as keep
    from earmark.predict import Predictor

    Predictor.open(model)  # before anybody is asked
    kept = keep(connect(where()), model, lambda stage, text: say(f"{stage:<10}{text}"))
    click.echo(f"Model     {kept.reference}")
    click.echo(f"Next      earmark azure deploy {model} ENDPOINT")
    return 0


@command("compute", "earmark azure compute azure/compute.yml", azure, short="Make a cluster.")
@click.argument("file", type=click.Path(path_type=Path), default=FOLDER / "compute.yml")
@place
def compute(file: Path, where: Where) -> int:
    """Make the cluster that FILE names; it has no machines, and costs nothing, until a job comes."""
    from earmark.cloud.azure.assets import make_compute
    from earmark.cloud.azure.client import connect

    name = make_compute(connect(where()), file)
    click.echo(f"Compute   {name} is there.")
    return 0
