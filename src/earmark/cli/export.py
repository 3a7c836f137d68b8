"""`earmark export`: the command, and what it says when the file is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.export import Exported, Source
    from earmark.remote import Place

_ALWAYS = ("model", "form", "output", "quantize", "as_json")  # what is read with and without --quantize
_aside = click.Group()  # `app` puts the command in its place


@command("export", "earmark export model.earmark --to onnx -o model.onnx", _aside)
@click.argument("model", type=options.PLACE, metavar="MODEL.earmark")
@click.option("--to", "form", default="onnx", show_default=True, metavar="NAME", help="onnx or mlflow.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="Where it goes: a file, or a folder for mlflow.",
)
@click.option(
    "--quantize",
    is_flag=True,
    help="Of onnx: weights of 8 bits. What that costs is measured on clips that the model has not learnt from.",
)
@click.option("--data", "dataset", metavar="DATASET", help="Of --quantize: where these clips are.")
@options.data
@options.where
@options.as_json
def export(
    model: Place, form: str, output: Path, quantize: bool, dataset: str | None, engine: str, address: str | None,
    workers: int | None, progress: str, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Write a model in a form that others run.

    With --to onnx, one file for ONNX Runtime, onnxruntime-web and OpenVINO: sound in, probabilities out, the front end
    inside. With --to mlflow, a folder that MLflow serves. It is compared with the model on sounds of 0.1 to 60
    seconds; where they differ, nothing is written.
    """
    from earmark.cli import ready
    from earmark.export import EXPORTERS, Source, known

    known(form)
    left_by_us = EXPORTERS[form].left_by_us
    if left_by_us is not None:
        ready.can_make(output, left_by_us(output))
    else:
        ready.can_write(output, example="model.onnx")
    if dataset is None and quantize:
        raise SettingError(
            "--quantize measures what it costs, on clips that the model has not learnt from. Say where they are:"
            " --data DATASET"
        )
    if quantize and form != "onnx":
        raise SettingError(f"--quantize is for --to onnx, not for --to {form}. Leave it out.")
    if not quantize:
        _nothing_unread()
    source = Source.read(model)
    if dataset is not None:
        from earmark.engine import open_engine

        shape = options.data_of(choices)
        source = _quantized(source, dataset, shape, progress, open_engine(engine, workers, address))
    written = EXPORTERS[form].write(source, output)
    _show(source, written, as_json)
    return 0


def _nothing_unread() -> None:
    """Refuse an option that only --quantize reads."""
    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
        if given and option.name not in _ALWAYS:
            raise SettingError(f"{option.opts[0]} is for --quantize, which was not given.")


def _quantized(source: Source, dataset: str, shape: dict[str, Any], progress: str, engine: Any) -> Source:
    from earmark.cli import ready

    ready.can_extract()
    from earmark import pipeline
    from earmark.cli.events import watcher
    from earmark.export.quantize import quantize

    recipe = options.make_recipe("default").with_data(dataset, **shape)
    small = quantize(source.bundle)
    with watcher(progress) as terminal:
        before = pipeline.evaluate_bundle(source.path, recipe, terminal, engine)
        after = pipeline.evaluate_bundle(source.path, recipe, None, engine, small)
    reports = [result.judged.report for result in (before, after)]
    told = {
        "weights": "int8",
        "data": before.prepared.dataset.name,
        "fingerprint": before.prepared.table.dataset_fingerprint,
        "clips": reports[0].clips,
        "groups": reports[0].groups,
        "measure": reports[0].main,
        "before": reports[0].score,
        "after": reports[1].score,
    }
    return replace(source, bundle=small, quantized=told)


def _show(source: Source, written: Exported, as_json: bool) -> None:
    from earmark.cli.show import console, print_json
    from earmark.files import size_text

    bundle, told = source.bundle, source.quantized
    count, shortest, longest = written.tried
    if as_json:
        print_json({
            "model": str(source.path), "to": written.form, "output": str(written.path), "bytes": written.size,
            "labels": list(bundle.labels), "sample_rate": bundle.feature.sample_rate,
            "difference": written.difference, "sounds": count, "seconds": [shortest, longest],
            "quantized": told or None,
        })  # fmt: skip
        return
    out = console()
    out.print(on_one_line(f"Wrote  {written.path} ({size_text(written.size)})"), markup=False)
    out.print(
        f"Takes sound at {bundle.feature.sample_rate:,} Hz, gives the probabilities of {len(bundle.labels)} labels."
        if written.form == "onnx"
        else f"Takes sound files, gives what `earmark predict` says of them: {len(bundle.labels)} labels."
    )
    out.print(
        f"Compared with the model on {count} sounds of {shortest:g} to {longest:g} s, silence among them: probabilities"
        f" differ by at most {written.difference:.1g}."
    )
    if told:
        measure = {"map": "mAP"}.get(told["measure"], told["measure"])
        out.print(
            on_one_line(
                f"8-bit weights: {measure} {told['before']:.4f} before, {told['after']:.4f} after"
                f" ({told['after'] - told['before']:+.4f}), on {told['clips']:,} clips of {told['data']} that the model"
                " has not learnt from."
            ),
            markup=False,
        )
