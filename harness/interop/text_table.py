"""A table written as text, whoever wrote it: encoding, separator, decimal mark and lines above the heading are found out.

Reads cells; knows no names and no units. What is no table is one sentence.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harness.errors import BadInput

SEPARATORS = "\t;,"
LINES_ABOVE = 500
"""Programs write settings above their heading; after this many lines there is none."""
LONGEST_LINE = 2**16

_HEAD_BYTE = 2**18
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)|", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\d,\d")
_DECIMAL_POINT = re.compile(r"\d\.\d")


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a text holds its table: lines above the heading, what separates its cells, and whether a comma is the decimal mark.

    ``names`` are the heading's cells, ``None`` where the numbers begin at once.
    """

    above: int
    separator: str
    decimal_comma: bool
    names: tuple[str, ...] | None


def read_text_table(path: Path) -> pl.DataFrame:
    """The table in a text file, with the columns its heading names.

    Raises:
        BadInput: there is no table, no heading, or a line with more cells than the heading.
        OSError: the file cannot be read.
        polars.exceptions.PolarsError: its rows do not fit together.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTE)
    encoding = encoding_of(head, str(path))
    form = text_form(head.decode(encoding, errors="ignore"), str(path))
    if form.names is None:
        raise BadInput(str(path), "its first line holds numbers and no names; write a line with the columns' names above them")
    source: Path | bytes = path
    if encoding != "utf-8-sig" or not _is_utf8(path):
        source = path.read_bytes().decode("cp1252" if encoding == "utf-8-sig" else encoding, errors="replace").encode()
    frame = pl.read_csv(
        source,
        separator=form.separator,
        skip_lines=form.above,
        decimal_comma=form.decimal_comma,
        infer_schema_length=None,
        truncate_ragged_lines=False,
    )
    return frame.select(name for name, heading in zip(frame.columns, form.names, strict=False) if heading.strip())


def encoding_of(head: bytes, where: str) -> str:
    """The encoding of a text by its first bytes: UTF-8, UTF-16 with its mark, else the one of old Western spreadsheets.

    Raises:
        BadInput: there is nothing, or it is no text.
    """
    if not head.strip():
        raise BadInput(where, "it is empty; export the measurement again")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        raise BadInput(where, "it is neither Parquet nor text; name a Parquet, CSV or .ndax file")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def text_form(text: str, where: str) -> TextForm:
    """How a text holds its table, from its first lines.

    Raises:
        BadInput: no line is a heading and none holds numbers alone.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")[:LINES_ABOVE]]
    for place, line in enumerate(lines):
        below = next((other for other in lines[place + 1 :] if other.strip()), "")
        for separator in SEPARATORS:
            cells = _cells(line, separator)
            if len(cells) < 2 or not any(cells):
                continue
            if _numeric(cells) == len(cells):
                return TextForm(place, separator, _decimal_comma(lines[place:], separator), None)
            others = _cells(below, separator)
            named = 2 * _numeric(cells) < len(cells)
            if named and len(others) == len(cells) and 2 * _numeric(others) >= len(others):
                return TextForm(place, separator, _decimal_comma(lines[place + 1 :], separator), tuple(cells))
    heading = next((line for line in lines if line.strip()), "")
    separator = max(SEPARATORS, key=heading.count)
    if heading.count(separator) and len([line for line in lines if line.strip()]) == 1:
        return TextForm(lines.index(heading), separator, decimal_comma=False, names=tuple(_cells(heading, separator)))
    if len(heading.split()) > 1 and all(_NUMBER.fullmatch(cell) for cell in heading.split()):
        raise BadInput(where, "its columns are separated by spaces; separate them by commas, semicolons or tabs")
    raise BadInput(where, "no line names its columns with numbers below them; it is neither Parquet nor CSV")


def _cells(line: str, separator: str) -> list[str]:
    try:
        cells = next(csv.reader([line.lstrip("\ufeff")[:LONGEST_LINE]], delimiter=separator), [])
    except csv.Error:
        return [line]
    return [cell.strip() for cell in cells]


def _numeric(cells: list[str]) -> int:
    """How many cells hold a number or nothing."""
    return sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)


def _decimal_comma(lines: list[str], separator: str) -> bool:
    text = "\n".join(lines[:50])
    return separator != "," and bool(_DECIMAL_COMMA.search(text)) and not _DECIMAL_POINT.search(text)


def _is_utf8(path: Path) -> bool:
    """Whether a whole file is UTF-8, read in pieces: a degree sign may come late."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while piece := stream.read(2**22):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
