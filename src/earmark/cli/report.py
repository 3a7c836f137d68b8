"""What `earmark report` says when the page is written."""

from __future__ import annotations

from earmark.cli.show import console, print_json
from earmark.cli.words import on_one_line
from earmark.files import size_text
from earmark.report import Written


def show(written: Written, with_audio: bool, as_json: bool) -> None:
    """Show where the page is."""
    if as_json:
        print_json(written.to_dict())
        return
    out = console()
    out.print(on_one_line(f"Report {written.report} ({size_text(written.size)})"), markup=False)
    if written.missing:
        out.print(on_one_line(f"Without waveforms and spectrograms: {written.missing}"), markup=False)
    elif written.clips and not with_audio:
        out.print("Sound is not in it; --with-audio embeds that of the clips shown.", style="dim")
