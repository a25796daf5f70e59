"""How the emulator writes values, against literal bytes that neither side's encoder made."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.instruments.methodscript.parser import parse_literal
from emulator.instruments.methodscript.wire import encode_metadata, encode_value
from emulator.instruments.models import MODELS, ModelName

VECTORS = (Path(__file__).parents[1] / "wire" / "methodscript" / "vectors.wire").read_text().splitlines()
POWERS = dict(zip("afpnum kMGTPE", range(-18, 21, 3), strict=True))
FAMILIES: dict[str, ModelName] = {"espico": "espico", "es4": "es4_hr", "nexus": "nexus1"}


def cases(kind: str) -> list[list[str]]:
    return [line.removeprefix(f"{kind} ").rsplit(" => ", 1) for line in VECTORS if line.startswith(f"{kind} ")]


def decoded(text: str) -> float | None:
    """The manual's rule, worked out here on its own: (hex − 0x8000000) × 10^prefix."""
    if text == "     nan":
        return None
    mantissa = int(text[:7], 16) - 0x8000000
    return mantissa if text[7] == "i" else mantissa * 10.0 ** POWERS[text[7]]


@pytest.mark.parametrize(("line", "meaning"), cases("package"))
def test_encoder_writes_the_captured_packages(line: str, meaning: str) -> None:
    """Each variable of each vector is written byte for byte as the instrument wrote it."""
    written = []
    for variable in json.loads(meaning):
        value = math.nan if variable["value"] is None else variable["value"]
        whole = re.search(variable["type"] + r"[0-9A-F]{7}i", line) is not None
        text = variable["type"] + encode_value(int(value) if whole else value)
        if "status" in variable:
            text += encode_metadata(variable["status"], variable["range"])
        written.append(text + (",40" if variable.get("noise") == 0 else ""))
    assert "P" + ";".join(written) == line


@pytest.mark.parametrize(("text", "number"), cases("scalar"))
def test_encoder_keeps_the_value_of_every_scalar(text: str, number: str) -> None:
    """Whatever prefix the encoder chooses, the number it wrote is the vector's number."""
    assert decoded(text) == pytest.approx(float(number), rel=1e-7)
    assert decoded(encode_value(float(number))) == pytest.approx(float(number), rel=1e-7)


@pytest.mark.parametrize(("number", "text"), cases("literal"))
def test_parser_reads_every_literal(number: str, text: str) -> None:
    """The literals of the vectors mean their numbers."""
    assert parse_literal(text) == pytest.approx(float(number), rel=1e-9, abs=1e-18)


@pytest.mark.parametrize(("name", "number"), cases("range"))
def test_models_have_the_ranges_of_the_manuals(name: str, number: str) -> None:
    """A range id of the tables that an emulated model has means the tables' current."""
    family, wire_id = name.split()
    ranges = {item.wire_id: item.nominal for model in (FAMILIES[family],) for item in MODELS[model].current_ranges}
    if int(wire_id) in ranges:
        assert ranges[int(wire_id)] == pytest.approx(float(number))
    else:
        assert family in ("espico", "nexus") or float(number) < 1e-7


@given(st.floats(-1e20, 1e20))
def test_encoder_uses_the_finest_prefix(value: float) -> None:
    """A finite value comes back within half a unit of a mantissa that could not have been finer."""
    text = encode_value(value)
    assert re.fullmatch(r"[0-9A-F]{7}[afpnum kMGTPE]", text)
    back = decoded(text)
    assert back is not None
    power = POWERS[text[7]]
    assert back == pytest.approx(value, abs=0.5001 * 10.0**power)
    if value != 0.0 and power > -18:
        assert round(abs(value) / 10.0 ** (power - 3)) >= 2**27 - 1000


@given(st.integers(-(2**27) + 1, 2**27 - 1))
def test_encoder_keeps_whole_numbers(value: int) -> None:
    """Whole numbers come back exactly, marked as such."""
    text = encode_value(value)
    assert (decoded(text), text[7]) == (value, "i")


def test_encoder_marks_what_is_not_a_number() -> None:
    """NaN and infinities are the eight characters the manual gives."""
    assert [encode_value(value) for value in (math.nan, math.inf, -math.inf)] == ["     nan"] * 3
