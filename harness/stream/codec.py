"""Records and derived rows as InfluxDB points, and back; batches of them, and their acknowledgement. Pure: no I/O.

Measurements: ``sample``, ``spectrum`` (with the tag ``frequency_index``, zero-padded, so that series sort as numbers), ``event``
(every other record: its name in snake case is the field ``kind``; an incident's own kind is the field ``incident``), ``cell`` (a
second line for each start of a run, with main facts and the verdict of each claim as tags so that dashboards can pick cells, and
the whole build as the field ``anode``), and the derived ``cycle``, ``impedance_fit`` and ``half_cycle``. Tags are those of
`RunContext`. Field names are the dataclasses' own, a field never changes its type, and ``seq`` is always the first field, so that
whoever stores a batch finds it without taking the line apart.

InfluxDB cannot forget a field of a point: a derived row that is written again without a value leaves the older value standing.
So each derived line names the fields it does not have in its field ``absent`` (joined by one space, ``""`` for none), which is
always written: whoever reads a value that ``absent`` names has read one that was withdrawn.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Literal

from harness.errors import HarnessError
from harness.model.anode_facts import UNKNOWN, thickness_band, verdict_words
from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow
from harness.model.records import (
    CycleEnded,
    ImpedancePoint,
    Incident,
    Record,
    RunEnded,
    RunStarted,
    Sample,
    StepEnded,
    StepStarted,
    SweepEnded,
)
from harness.model.run import Role, RunContext, RunFacts
from harness.stream.fields import Plain, dump_json, fields_of, from_plain, load_json, to_plain
from harness.stream.line import Point, field_text, parse_point, split_points, tag_safe, tag_text

BATCH_LINES = 500
BATCH_BYTES = 256 * 1024
ACK_BYTES = 64 * 1024
ABSENT = "absent"
"""The field of a derived line that names those which it does not have."""

Kind = Literal["records", "derived"]

_TAGS = {"station": "station", "channel": "channel", "cell": "cell", "build": "build", "run": "run_id"}
_IDENTITY = frozenset({"run_id", "seq", "unix_time_nanosecond"})
_POINT_IDENTITY = _IDENTITY | {"frequency_index"}
_INCIDENT_IDENTITY = _IDENTITY | {"kind"}
_DERIVED_IDENTITY = frozenset({"run_id", "unix_time_nanosecond"})

_EVENTS: dict[str, type[Record]] = {
    "run_started": RunStarted,
    "step_started": StepStarted,
    "sweep_ended": SweepEnded,
    "step_ended": StepEnded,
    "cycle_ended": CycleEnded,
    "incident": Incident,
    "run_ended": RunEnded,
}
_EVENT_KINDS = {made: kind for kind, made in _EVENTS.items()}
_DERIVED: dict[str, type[DerivedRow]] = {"cycle": CycleRow, "impedance_fit": ImpedanceFitRow, "half_cycle": HalfCycleRow}
_MEASUREMENTS = {made: measurement for measurement, made in _DERIVED.items()}
_CELL_TAGS = ("geometry", "schedule_name", "driver", "instrument_serial")
_FACT_TAGS = ("counter", "electrolyte", "batch", "substrate", "lithium_origin", "layer_count", "co_deposition_gas")
_SampleValues = tuple[float, float, float, float, int, int, str, Role, float | None, str]
_SAMPLE_VALUES = operator.attrgetter(*(field.name for field in fields_of(Sample) if field.name not in _IDENTITY))
_SAMPLE_KINDS = frozenset((*[float] * 4, int, int, str, Role, full, str) for full in (float, NoneType))
_SEQ = re.compile(r"[^\\ ]+(?:\\.[^\\ ]*)* seq=([0-9]{1,18})i[, ]")
_INDEX = re.compile(r"-?[0-9]{3,18}")
_INCIDENT = re.compile(r'event[^\\ ]*(?:\\.[^\\ ]*)* seq=[0-9]+i,kind="incident",')


class CodecError(HarnessError):
    """Something that cannot be written as line protocol, or bytes that are not what this module writes."""


def encode_record(context: RunContext, record: Record) -> str:
    """One line or more (joined by newlines) that hold ``record`` entirely.

    Raises:
        CodecError: a number is not finite, or text is not Unicode or, in a tag, not fit for one.
    """
    try:
        return _encode_record(context, record)
    except ValueError as error:
        raise CodecError(f"run {record.run_id}, seq {record.seq} cannot be written: {error}") from None


def decode_line(line: str) -> tuple[RunContext, Record | None]:
    """The inverse of `encode_record` for one of its lines; ``None`` for a ``cell`` line, whose record is in the ``event`` line.

    Raises:
        CodecError: it is not such a line.
    """
    try:
        point = parse_point(line)
        return _context(point), _record(point)
    except ValueError as error:
        raise CodecError(f"not a record's line: {error}") from None


def encode_derived(context: RunContext, row: DerivedRow, seq: int) -> str:
    """One line that holds ``row``; ``seq`` is its number in the outbox, by which its delivery is confirmed.

    Raises:
        CodecError: a number is not finite, or text is not Unicode.
    """
    try:
        plain = to_plain(row, _DERIVED_IDENTITY)
        absent = " ".join(field.name for field in fields_of(type(row)) if getattr(row, field.name) is None)
        values: list[tuple[str, Plain]] = [("seq", seq), *plain.items(), (ABSENT, absent)]
        return f"{_MEASUREMENTS[type(row)]}{_tags(context)} {field_text(values)} {row.unix_time_nanosecond}"
    except ValueError as error:
        raise CodecError(f"a derived row of run {row.run_id} cannot be written: {error}") from None


def decode_derived(line: str) -> tuple[RunContext, DerivedRow, int]:
    """The inverse of `encode_derived`.

    Raises:
        CodecError: it is not such a line.
    """
    try:
        point = parse_point(line)
        if point.measurement not in _DERIVED:
            raise ValueError(f"{point.measurement!r} is not derived")  # noqa: TRY301 - one place gives the sentence its frame
        context = _context(point)
        rest = {"run_id": context.run_id, "unix_time_nanosecond": point.unix_time_nanosecond}
        seq = _pop_seq(point.fields)
        absent = str(point.fields.pop(ABSENT, "")).split()
        if not point.fields.keys().isdisjoint(absent):
            raise ValueError(f"it has a value for one of {absent}, which are absent")  # noqa: TRY301 - as above
        return context, from_plain(_DERIVED[point.measurement], point.fields, rest), seq
    except ValueError as error:
        raise CodecError(f"not a derived row's line: {error}") from None


def encode_facts(facts: RunFacts) -> str:
    """The facts of a run as one line of JSON. Raises `ValueError`."""
    return dump_json(to_plain(facts))


def decode_facts(text: str) -> RunFacts:
    """The inverse of `encode_facts`. Raises `ValueError`."""
    return from_plain(RunFacts, load_json(text))


def line_seq(line: str) -> int:
    """The ``seq`` of a line, without taking it apart.

    Raises:
        CodecError: its first field is not one.
    """
    found = _SEQ.match(line)
    if found is None:
        raise CodecError(f"{line[:80]!r} has no seq as its first field")
    return int(found[1])


def is_incident(line: str) -> bool:
    """Whether the line holds an `Incident`."""
    return _INCIDENT.match(line) is not None


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one run in the order of their ``seq``, from ``first`` to ``last``."""

    run_id: str
    first: int
    last: int
    lines: tuple[str, ...]

    def payload(self) -> bytes:
        """What goes on the wire."""
        return "\n".join(self.lines).encode()


def split_batches(run_id: str, encoded: Iterable[tuple[int, str]]) -> Iterator[Batch]:
    """Cut lines (one text per ``seq``, ascending) into batches of at most `BATCH_LINES` lines and `BATCH_BYTES` bytes.

    The lines of one ``seq`` stay together, so that one that is larger than a batch is a batch by itself.
    """
    lines: list[str] = []
    first = last = size = 0
    for seq, text in encoded:
        added = split_points(text) if "\n" in text else [text]
        length = len(text.encode()) + 1
        if lines and (len(lines) + len(added) > BATCH_LINES or size + length > BATCH_BYTES):
            yield Batch(run_id, first, last, tuple(lines))
            lines, size = [], 0
        if not lines:
            first = seq
        lines += added
        last = seq
        size += length
    if lines:
        yield Batch(run_id, first, last, tuple(lines))


def decode_batch(run_id: str, payload: bytes) -> Batch:
    """The inverse of `Batch.payload`; the lines themselves are not taken apart.

    Raises:
        CodecError: no lines, a line without ``seq``, or numbers that fall.
    """
    try:
        lines = tuple(split_points(payload.decode()))
    except ValueError as error:
        raise CodecError(f"not a batch of run {run_id}: {error}") from None
    numbers = [line_seq(line) for line in lines]
    if not numbers or any(later < earlier for earlier, later in itertools.pairwise(numbers)):
        raise CodecError(f"not a batch of run {run_id}: its lines are none, or out of order")
    return Batch(run_id, numbers[0], numbers[-1], lines)


@dataclass(frozen=True, slots=True)
class Ack:
    """The lines of one batch from ``first`` to ``last`` are stored, except for ``refused`` ones, which never will be."""

    first: int
    last: int
    refused: tuple[int, ...] = ()
    kind: Kind = "records"

    def payload(self) -> bytes:
        """What goes on the wire."""
        found = {"first": self.first, "last": self.last, "refused": list(self.refused), "kind": self.kind}
        return json.dumps(found, separators=(",", ":")).encode()


def decode_ack(payload: bytes) -> Ack:
    """The inverse of `Ack.payload`; ``kind`` may be absent and means ``records``.

    Raises:
        CodecError: it is anything else.
    """
    try:
        if len(payload) > ACK_BYTES:
            raise ValueError(f"it has {len(payload)} bytes")  # noqa: TRY301 - one place gives the sentence its frame
        found = load_json(payload)
        return _checked_ack(found.get("first"), found.get("last"), found.get("refused", []), found.get("kind", "records"))
    except ValueError as error:
        raise CodecError(f"not an acknowledgement: {error}") from None


def _checked_ack(first: object, last: object, refused: object, kind: object) -> Ack:
    if type(first) is not int or type(last) is not int or not 0 <= first <= last < 2**63:
        raise ValueError(f"{first!r} to {last!r} is not a range")
    if not isinstance(refused, list):
        raise ValueError("refused is not a list")  # noqa: TRY004 - one kind of error for bad content
    numbers = tuple(seq for seq in refused if type(seq) is int and first <= seq <= last)
    if len(numbers) != len(refused):
        raise ValueError("refused holds something else than numbers of the batch")
    if kind == "records" or kind == "derived":  # noqa: PLR1714 - the type checker narrows by comparison
        return Ack(first, last, numbers, kind)
    raise ValueError(f"{kind!r} is neither records nor derived")


def _encode_record(context: RunContext, record: Record) -> str:
    match record:
        case Sample():
            text = _sample_text(record) or field_text(to_plain(record, _IDENTITY).items())
            return f"sample{_tags(context)} seq={record.seq}i,{text} {record.unix_time_nanosecond}"
        case ImpedancePoint(frequency_index=index):
            values = to_plain(record, _POINT_IDENTITY)
            return _line("spectrum", f"{_tags(context)},frequency_index={index:03d}", record, values)
        case RunStarted():
            return _encode_start(context, record)
        case Incident():
            values = {"incident": record.kind, **to_plain(record, _INCIDENT_IDENTITY)}
        case _:
            values = to_plain(record, _IDENTITY)
    return _line("event", _tags(context), record, {"kind": _EVENT_KINDS[type(record)], **values})


def _sample_text(sample: Sample) -> str | None:
    """What `field_text` makes of a sample that needs no conversion, no escape and no refusal; ``None`` for any other.

    Nearly every record is such a sample, and a publisher that catches up does little but write them: this takes a quarter of the
    time of the general way. A sum of floats is finite only if each of them is.
    """
    values: _SampleValues = _SAMPLE_VALUES(sample)
    if tuple(map(type, values)) not in _SAMPLE_KINDS:
        return None
    test_time, step_time, voltage, current, cycle, step, path, role, full, flags = values
    words = path + flags
    finite = math.isfinite(test_time + step_time + voltage + current + (full or 0.0))
    if not finite or not 0 <= cycle < 2**63 or not 0 <= step < 2**63 or not words.isascii() or '"' in words or "\\" in words:
        return None
    full_text = "" if full is None else f"current_range_ampere={full!r},"
    return (
        f"test_time_second={test_time!r},step_time_second={step_time!r},voltage_volt={voltage!r},current_ampere={current!r},"
        f'cycle_count={cycle}i,step_count={step}i,step_path="{path}",role="{role!s}",{full_text}flags="{flags}"'
    )


def _encode_start(context: RunContext, record: RunStarted) -> str:
    plain = to_plain(record.facts)
    text = dump_json(plain)
    event = _line("event", _tags(context), record, {"kind": "run_started", "facts": text})
    tags = {name: tag_safe(str(plain[name])) for name in _CELL_TAGS} | _anode_tags(record.facts)
    numbers = {name: value for name, value in plain.items() if not isinstance(value, str) and name not in _FACT_TAGS}
    documents = {"facts": text} | ({} if record.facts.anode is None else {"anode": record.facts.anode})
    return event + "\n" + _line("cell", _tags(context) + tag_text(tags), record, {**numbers, **documents})


def _anode_tags(facts: RunFacts) -> dict[str, str]:
    """Main facts and verdicts; nothing of a run that pinned none, whose line stays what it always was."""
    if facts.findings is None:
        return {}
    words = {name: getattr(facts, name) for name in _FACT_TAGS} | verdict_words(facts.findings)
    words["lithium_thickness_band"] = thickness_band(facts.lithium_thickness_um)
    return {name: UNKNOWN if word is None else tag_safe(str(word)) or UNKNOWN for name, word in words.items()}


def _line(measurement: str, tags: str, record: Record, values: dict[str, Plain]) -> str:
    return f"{measurement}{tags} seq={record.seq}i,{field_text(values.items())} {record.unix_time_nanosecond}"


@functools.lru_cache(maxsize=1024)
def _tags(context: RunContext) -> str:
    return tag_text({tag: getattr(context, name) for tag, name in _TAGS.items()})


def _context(point: Point) -> RunContext:
    return RunContext(**{name: point.tags.get(tag, "") for tag, name in _TAGS.items()})


def _record(point: Point) -> Record | None:
    if point.measurement == "cell":
        return None
    rest: dict[str, object] = {
        "run_id": point.tags.get("run", ""),
        "seq": _pop_seq(point.fields),
        "unix_time_nanosecond": point.unix_time_nanosecond,
    }
    surplus = point.tags.keys() - _TAGS.keys()
    if surplus - ({"frequency_index"} if point.measurement == "spectrum" else set()):
        raise ValueError(f"it has the tag {min(surplus)!r}")
    match point.measurement:
        case "sample":
            return from_plain(Sample, point.fields, rest)
        case "spectrum":
            return from_plain(ImpedancePoint, point.fields, {**rest, "frequency_index": _index(point.tags)})
        case "event":
            return _event(point.fields, rest)
        case other:
            raise ValueError(f"{other!r} is not a measurement of records")


def _event(values: dict[str, Plain], rest: dict[str, object]) -> Record:
    kind = values.pop("kind", None)
    made = _EVENTS.get(kind) if isinstance(kind, str) else None
    if made is None:
        raise ValueError(f"{kind!r} is not a kind of record")
    if made is RunStarted:
        rest["facts"] = decode_facts(str(values.pop("facts", "")))
    if made is Incident and "incident" in values:
        values["kind"] = values.pop("incident")
    return from_plain(made, values, rest)


def _index(tags: dict[str, str]) -> int:
    text = tags.get("frequency_index", "")
    if not _INDEX.fullmatch(text):
        raise ValueError(f"{text!r} is not a frequency index")
    return int(text)


def _pop_seq(values: dict[str, Plain]) -> int:
    seq = values.pop("seq", None)
    if type(seq) is not int:
        raise ValueError("it has no seq")
    return seq
