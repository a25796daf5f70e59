"""A report as nouns (headlines, sections, pictures, tables) and as one HTML file that needs nothing else. Computes nothing.

The file holds its style and its pictures; it loads nothing, runs no script and prints on paper. Everything that comes from a
person (names, descriptions, flags) is escaped by the template.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import BadInput
from harness.service.figures import house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATE = "document.html.jinja"
STYLE = "document.css"


@dataclass(frozen=True, slots=True)
class Headline:
    """One number at the top: what it is, the number as text, and what stands behind it in a few words."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure as SVG text, and what is to be seen."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text. Columns in ``words`` are set to the left, all others to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a heading: sentences, pictures and a table, each of which may be missing."""

    title: str
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    grid: Grid | None = None
    folded: bool = False

    @property
    def is_beside(self) -> bool:
        """Whether the table is narrow enough to stand beside the only picture."""
        return self.grid is not None and len(self.pictures) == 1 and len(self.grid.columns) <= 3


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. ``facts`` are pairs of a name and a value; ``methods`` name the versions of the formulas."""

    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    headlines: Sequence[Headline]
    sections: Sequence[Section]
    methods: Sequence[str] = field(default=())


def render(document: Document) -> str:
    """``document`` as HTML."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - a command that reports nothing does not wait for it

    here = files("harness.service.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((here / TEMPLATE).read_text(encoding="utf-8"))
    return template.render(document=document, style=(here / STYLE).read_text(encoding="utf-8"))


def write(document: Document, path: Path) -> None:
    """Write ``document`` to the HTML file at ``path``.

    Raises:
        BadInput: the file cannot be written.
    """
    try:
        path.write_text(render(document), encoding="utf-8")
    except OSError as error:
        raise BadInput("--out", f"{path} cannot be written ({error.strerror}); name a folder that is there") from None


def picture(figure: Figure, caption: str) -> Picture:
    """``figure`` as a picture; the same figure with the same caption gives the same text."""
    import matplotlib as mpl  # noqa: PLC0415 - see `harness.service.figures`

    stream = io.StringIO()
    with house_style(), mpl.rc_context({"svg.hashsalt": caption}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return Picture(text[text.index("<svg") :], caption)
