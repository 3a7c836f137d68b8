"""The main ratios as a picture: a small SVG, written by hand; light or dark as the reader's screen is."""

from __future__ import annotations

from html import escape

from table import Row, Section, number

WIDTH, LABELS, LINE = 860, 470, 26  # points
_BAR, _TOP = 14, 64
_ROOM = 64  # for the number behind the longest bar
_LONGEST = 64  # letters of a label

STYLE = """\
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .section { font-weight: 600; }
  .quiet { fill: #656d76; }
  .bar { fill: #2f7ebc; }
  .line { stroke: #afb8c1; stroke-width: 1; }
  .least { stroke: #24292f; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #8d96a0; }
    .bar { fill: #58a6d6; }
    .line { stroke: #484f58; }
    .least { stroke: #e6edf3; }
  }"""


def drawing(sections: list[Section]) -> str:
    """Return the SVG: a bar for each ratio that must reach a bar, which is a stroke across it."""
    chosen = [(s.title, [r for r in s.rows if r.at_least is not None]) for s in sections]
    chosen = [(title, rows) for title, rows in chosen if rows]
    longest = max((row.median for _, rows in chosen for row in rows), default=1.0)
    scale = (WIDTH - LABELS - _ROOM) / longest
    y, body = _TOP, []
    for title, rows in chosen:
        body.append(f'<text class="section" x="16" y="{y}">{escape(title)}</text>')
        y += LINE - 4
        for row in rows:
            body += _bar(row, y, scale)
            y += LINE
        y += 10
    axis = f'<line class="line" x1="{LABELS}" x2="{LABELS}" y1="{_TOP - 12}" y2="{y - 22}"/>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" role="img">',
            "<title>How many times as fast as others</title>",
            f"<style>\n{STYLE}\n</style>",
            '<text class="title" x="16" y="28">How many times as fast</text>',
            f'<text class="quiet" x="{WIDTH - 16}" y="28" text-anchor="end">'
            "medians of one run; the stroke is what is promised</text>",
            axis,
            *body,
            "</svg>",
            "",
        ]
    )


def _bar(row: Row, y: int, scale: float) -> list[str]:
    length, least = row.median * scale, (row.at_least or 0) * scale
    middle, tick = y - 4, LABELS + least
    return [
        f'<text x="{LABELS - 12}" y="{y}" text-anchor="end">{escape(_label(row))}</text>',
        f'<rect class="bar" x="{LABELS}" y="{middle - _BAR / 2:g}" width="{length:.1f}" height="{_BAR}" rx="2"/>',
        f'<line class="least" x1="{tick:.1f}" x2="{tick:.1f}" y1="{middle - 9}" y2="{middle + 9}"/>',
        f'<text x="{max(LABELS + length, tick) + 8:.1f}" y="{y}">{number(row.median)} ×</text>',
    ]


def _label(row: Row) -> str:
    """Return what the ratio is of; the corpus, where there are several, stands before."""
    corpus, found, _ = row.figure.partition(": ")
    short = row.what.replace("the tutorial's function (librosa, kaiser_fast)", "the tutorial").replace(
        ", kaiser_fast", ""
    )
    label = f"{corpus}: {short}" if found else short
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
