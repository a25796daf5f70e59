"""A report as HTML: whole in itself, escaped, and the same for the same content."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.service.figures import house_style, new_figure
from harness.service.report.document import Document, Grid, Headline, Picture, Section, picture, render, write


def drawn(caption: str) -> Picture:
    figure, axes = new_figure("A", width_inch=3.0, height_inch=2.0)
    with house_style():
        axes["A"].plot([1.0, 2.0], [3.0, 4.0])
    return picture(figure, caption)


def document(name: str = "cu-01") -> Document:
    narrow = Grid(("what", "how much"), [("R", "5 Ω")], frozenset({0}))
    sections = [Section("One", ("A sentence.",), [drawn("A line.")], narrow), Section("Two", folded=True)]
    return Document(name, "12 cycles", [("build", "<b>bare</b>")], [Headline("CE", "97 %", "of 3")], sections, ["ce-2"])


def test_report_loads_nothing() -> None:
    """No script, no style sheet, no picture and no font from anywhere else."""
    html = render(document())
    assert "<script" not in html
    assert "<link" not in html
    assert "@import" not in html
    assert html.count("src=") == 0
    assert "url(http" not in html


def test_words_of_people_are_escaped() -> None:
    """A name that looks like a tag stays text, in the title, too."""
    html = render(document("<script>alert(1)</script>"))
    assert "<script>" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "&lt;b&gt;bare&lt;/b&gt;" in html


def test_same_content_gives_the_same_bytes() -> None:
    """Nothing of the time or the machine is in a page."""
    assert render(document()) == render(document())


def test_a_narrow_table_stands_beside_its_only_picture() -> None:
    """Inside the row of pictures; a wide one, or one with more pictures, below."""
    section = document().sections[0]
    assert section.is_beside
    wide = Grid(tuple("abcd"), [])
    assert not Section("One", (), section.pictures, wide).is_beside
    assert not Section("One", (), [*section.pictures, drawn("Another.")], section.grid).is_beside


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A folder that is not there."""
    with pytest.raises(BadInput, match=r"--out: .*page.html cannot be written"):
        write(document(), tmp_path / "nowhere" / "page.html")
