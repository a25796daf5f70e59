import ast
import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiostat_drivers.errors import WireError
from potentiostat_drivers.lines import LONGEST_LINE_BYTE, LineSplitter
from potentiostat_drivers.methodscript.models import RANGES
from potentiostat_drivers.methodscript.wire import (
    Ack,
    Blank,
    ErrorReply,
    Event,
    LoopEnded,
    LoopStarted,
    Package,
    RepeatEnded,
    RepeatStarted,
    Reply,
    RuntimeFault,
    ScanEnded,
    ScanStarted,
    Text,
    Variable,
    integer_literal,
    literal,
    parse_line,
    parse_scalar,
    parse_variable,
)

WIRE = Path(__file__).parents[1] / "wire" / "methodscript"
PREFIXES = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, " ": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def vectors(kind: str) -> list[tuple[str, str]]:
    """The left and right sides of every vector of one kind, in all files."""
    found = []
    for path in sorted(WIRE.glob("*.wire")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{kind} "):
                left, _, right = line.removeprefix(f"{kind} ").rpartition(" => ")
                found.append((left, right))
    assert found, f"no {kind} vectors"
    return found


def bytes_received(path: Path) -> bytes:
    """Everything an instrument says in a transcript."""
    lines = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("< ")]
    return b"".join(ast.literal_eval(f'b"{line}"') for line in lines)


LINES: list[tuple[bytes, Event]] = [
    (b"", Blank()),
    (b"e", Ack("e")),
    (b"r", Ack("r")),
    (b"l", Ack("l")),
    (b"Z", Ack("Z")),
    (b"Y", Ack("Y")),
    (b"h", Ack("h")),
    (b"*", LoopEnded()),
    (b"-", ScanEnded()),
    (b"L", RepeatStarted()),
    (b"+", RepeatEnded()),
    (b"M0007", LoopStarted(0x7)),
    (b"M000A", LoopStarted(0xA)),
    (b"M000D", LoopStarted(0xD)),
    (b"C0001", ScanStarted(1)),
    (b"Tcycle 1/2 ", Text("cycle 1/2 ")),
    (b"tes4_hr1500#Mar 12 2026 14:28:01", Reply("tes4_hr1500#Mar 12 2026 14:28:01")),
    (b"R*", Reply("R*")),
    (b"iES4LR20B0008", Reply("iES4LR20B0008")),
    (b"v01.09.00", Reply("v01.09.00")),
    (b"C3FFFFBFE8FFFFF", Reply("C3FFFFBFE8FFFFF")),
    (b"Z!0006", ErrorReply("Z", "0006")),
    (b"t!0006", ErrorReply("t", "0006")),
    (b"e!4001: Line 1, Col 5", ErrorReply("e", "4001", 1, 5)),
    (b"!0032: Line 17", RuntimeFault("0032", 17)),
    (b"!7fff", RuntimeFault("7FFF")),
    (b"Peb8000000 ", Package((Variable("eb", 0.0),))),
    (b"Pja8000001i;ab     nan,10,42", Package((Variable("ja", 1.0), Variable("ab", None, 0, None, 2)))),
    (b"Pba8000001u,12,215,7FF", Package((Variable("ba", 1e-6, 2, 0x15),))),
]


@pytest.mark.parametrize(("line", "event"), LINES)
def test_line_means_its_event(line: bytes, event: Event) -> None:
    """Every kind of line is understood."""
    assert parse_line(line) == event


@pytest.mark.parametrize("line", [line for line, _ in LINES])
def test_line_arrives_whole_however_cut(line: bytes) -> None:
    """A line is the same whole, byte by byte, and with the start of the next line behind it, which is kept."""
    whole, bytewise, trailing = LineSplitter(), LineSplitter(), LineSplitter()
    assert whole.feed(line + b"\n") == [line]
    pieces = [cut for byte in line + b"\n" for cut in bytewise.feed(bytes([byte]))]
    assert pieces == [line]
    assert trailing.feed(line + b"\nPeb80") == [line]
    assert trailing.partial == b"Peb80"
    assert trailing.feed(b"00000 \n") == [b"Peb8000000 "]


def test_splitter_drops_flow_control_anywhere() -> None:
    """XON and XOFF in the middle of a line are not part of it."""
    assert LineSplitter().feed(b"\x11t\x13es4\x11_hr\n\x11\n") == [b"tes4_hr", b""]


def test_splitter_refuses_endless_lines() -> None:
    """Noise without a line feed is an error and does not fill the memory."""
    splitter = LineSplitter()
    with pytest.raises(WireError, match=f"no line feed within {LONGEST_LINE_BYTE} bytes"):
        splitter.feed(b"x" * (LONGEST_LINE_BYTE + 1))
    assert splitter.partial == b""
    assert splitter.feed(b"e\n") == [b"e"]


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\n\r\x11\x13"))), st.data())
def test_splitter_gives_back_what_was_joined(lines: list[bytes], data: st.DataObject) -> None:
    """However a stream is cut, the lines are the same."""
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter = LineSplitter()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    assert found == lines
    assert splitter.partial == b""


@pytest.mark.parametrize(("line", "decoded"), vectors("package"))
def test_package_vector_decodes(line: str, decoded: str) -> None:
    """Packages from the manuals and captures decode to the numbers they stand for."""
    event = parse_line(line.encode("ascii"))
    assert isinstance(event, Package)
    expected: list[dict[str, Any]] = json.loads(decoded)
    found = [
        {"type": one.kind, "value": one.value, "status": one.status, "range": one.range_id, "noise": one.noise}
        for one in event.variables
    ]
    assert found == [{"status": None, "range": None, "noise": None} | one for one in expected]


@pytest.mark.parametrize(("text", "number"), vectors("scalar"))
def test_scalar_vector_decodes(text: str, number: str) -> None:
    """Single values decode exactly."""
    assert parse_scalar(text) == float(number)


@pytest.mark.parametrize(("number", "text"), vectors("literal"))
def test_literal_vector_encodes(number: str, text: str) -> None:
    """Numbers are written as the shortest integer and prefix."""
    assert literal(float(number)) == text


@pytest.mark.parametrize(("line", "decoded"), vectors("error"))
def test_error_vector_decodes(line: str, decoded: str) -> None:
    """Refusals and runtime errors give their code and place."""
    event = parse_line(line.encode("ascii"))
    expected = json.loads(decoded)
    if expected["echo"]:
        assert event == ErrorReply(expected["echo"], expected["code"], expected["line"], expected["column"])
    else:
        assert event == RuntimeFault(expected["code"], expected["line"])


@pytest.mark.parametrize(("where", "number"), vectors("range"))
def test_range_vector_is_in_the_table(where: str, number: str) -> None:
    """Range ids mean the currents the manuals give."""
    family, range_id = where.split()
    assert RANGES[family][int(range_id)] == float(number)


@pytest.mark.parametrize("path", sorted(WIRE.glob("*.wire")), ids=lambda path: path.name)
def test_transcripts_are_readable(path: Path) -> None:
    """Every line an instrument sends in a transcript is understood, and every file names its sources."""
    assert "# source: " in path.read_text(encoding="utf-8")
    for line in LineSplitter().feed(bytes_received(path)):
        parse_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b"P",
        b"Pab",
        b"Pab800000 ",
        b"Pab8000000",
        b"Pab8000000x",
        b"Pab80000000 ",
        b"Pab8000000 ;",
        b"Pab8000000 ,",
        b"Pab8000000 ,1",
        b"PAB8000000 ",
        b"Pab800000g ",
        b"Pab    nan",
        b"Pab8000000\xb5",
        b"Peb\x008000000 ",
        b"\xff\xfe",
        b"Pda7F85F3Fu;ba48D5",
    ],
)
def test_damaged_line_is_a_wire_error(line: bytes) -> None:
    """What cannot be read is refused with the bytes themselves, never half understood."""
    with pytest.raises(WireError) as caught:
        parse_line(line)
    assert caught.value.data == line


@given(st.binary(max_size=80))
def test_arbitrary_bytes_raise_nothing_else(line: bytes) -> None:
    """Whatever bytes arrive, the parser answers with an event or a WireError."""
    with contextlib.suppress(WireError):
        parse_line(line)


@given(st.text(st.sampled_from("PabcdejM0123456789ABCDEF;, nanpum!*-+:LineCol"), max_size=60))
def test_almost_packages_raise_nothing_else(text: str) -> None:
    """Text of the right characters in the wrong order raises nothing but WireError."""
    for parser in (parse_variable, parse_scalar):
        with contextlib.suppress(WireError):
            parser(text)


@given(st.integers(-(2**27), 2**27 - 1), st.sampled_from(sorted(PREFIXES)))
def test_value_round_trips(mantissa: int, prefix: str) -> None:
    """Every mantissa and prefix gives the float nearest to the number they write."""
    text = f"{mantissa + 2**27:07X}{prefix}"
    assert parse_scalar(text) == float(f"{mantissa}e{PREFIXES[prefix]}")


@given(st.floats(min_value=-2e15, max_value=2e15, allow_nan=False))
def test_literal_keeps_its_number(value: float) -> None:
    """A literal reads back as its number within 32 bits, in a form the grammar allows."""
    text = literal(value)
    mantissa, prefix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, " ")
    assert abs(int(mantissa)) < 2**31
    read = float(f"{mantissa}e{PREFIXES[prefix]}")
    assert math.isclose(read, value, rel_tol=3e-7, abs_tol=1e-18)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_literal_refuses_what_no_prefix_holds(value: float) -> None:
    """A number that cannot be written is refused, never clipped."""
    with pytest.raises(ValueError, match=r"cannot be written|too large"):
        literal(value)


def test_integer_literal_is_marked() -> None:
    """Integers carry their own mark."""
    assert integer_literal(51) == "51i"
