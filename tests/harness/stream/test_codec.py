"""Line protocol both ways: a table of literal lines, round trips, and bytes that mean nothing."""

from __future__ import annotations

import contextlib
import math
import struct
from dataclasses import astuple, fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.model.anode import ActiveLithium, AnodeBuild
from harness.model.anode_facts import findings_text
from harness.model.claims import Verdict
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
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.stream import codec
from harness.stream.fields import to_plain
from harness.stream.line import field_text, parse_point, split_points
from tests import facts

CONTEXT = RunContext("lab3", "a1", "cu-01", "bare", "cu-01-20260101t000000")
RUN = CONTEXT.run_id
TAGS = ",station=lab3,channel=a1,cell=cu-01,build=bare,run=cu-01-20260101t000000"
STAMP = 1767225600000000001
FACTS = RunFacts(
    geometry=Geometry.DEPOSIT,
    area_cm2=1.13,
    nominal_capacity_ah=None,
    cell_revision=1,
    build_revision=2,
    description='a "bare" foil\nC:\\cells',
    schedule_name="aurbach, 1 mA",
    schedule_text="steps:\n- rest: 1 h\n",
    schedule_sha256="ab",
    plan="{}",
    driver="methodscript",
    instrument_model="EmStat4S HR",
    instrument_serial="EMU0001",
    instrument_firmware="1.3",
    software_version="0.1.0",
    accuracy_offset=0.0002,
    accuracy_gain=None,
    adc_bits=18,
    time_scale=1.0,
)

OLD_FACTS = (
    '{"geometry":"deposit","area_cm2":1.13,"cell_revision":1,"build_revision":2,"description":"a \\"bare\\" foil\\nC:\\\\cells",'
    '"schedule_name":"aurbach, 1 mA","schedule_text":"steps:\\n- rest: 1 h\\n","schedule_sha256":"ab","plan":"{}",'
    '"driver":"methodscript","instrument_model":"EmStat4S HR","instrument_serial":"EMU0001","instrument_firmware":"1.3",'
    '"software_version":"0.1.0","accuracy_offset":0.0002,"adc_bits":18,"time_scale":1.0}'
)

CASES: list[tuple[Record, str]] = [
    (
        Sample(RUN, 7, STAMP, 12.5, 0.5, 3.0, -1e-05, 1, 2, "steps[0]", Role.PLATE, 0.001, "overload held"),
        (
            f"sample{TAGS} seq=7i,test_time_second=12.5,step_time_second=0.5,voltage_volt=3.0,current_ampere=-1e-05,"
            f'cycle_count=1i,step_count=2i,step_path="steps[0]",role="plate",'
            f'current_range_ampere=0.001,flags="overload held" {STAMP}'
        ),
    ),
    (
        Sample(RUN, 8, STAMP, 0.0, 0.0, 0.0, 0.0, 0, 0, "", Role.REST, None, ""),
        (
            f"sample{TAGS} seq=8i,test_time_second=0.0,step_time_second=0.0,voltage_volt=0.0,current_ampere=0.0,cycle_count=0i,"
            f'step_count=0i,step_path="",role="rest",flags="" {STAMP}'
        ),
    ),
    (
        ImpedancePoint(RUN, 9, STAMP, 1.0, 2.0, 4, 1000.0, 5.5, -2.25, 3, 1, 6, "s", Role.PROBE, ""),
        (
            f"spectrum{TAGS},frequency_index=004 seq=9i,test_time_second=1.0,step_time_second=2.0,frequency_hertz=1000.0,"
            f'real_impedance_ohm=5.5,imaginary_impedance_ohm=-2.25,sweep_count=3i,cycle_count=1i,step_count=6i,step_path="s",'
            f'role="probe",flags="" {STAMP}'
        ),
    ),
    (
        StepStarted(RUN, 1, STAMP, STAMP - 5, 0, 1, "s[0]", "cc", Role.PLATE, 0, '{"a":"b"}'),
        (
            f'event{TAGS} seq=1i,kind="step_started",anchor_nanosecond={STAMP - 5}i,cycle_count=0i,step_count=1i,'
            f'step_path="s[0]",step_kind="cc",role="plate",command_index=0i,program="{{\\"a\\":\\"b\\"}}" {STAMP}'
        ),
    ),
    (
        SweepEnded(RUN, 2, STAMP, 1, 0, 1, 40, complete=True),
        f'event{TAGS} seq=2i,kind="sweep_ended",sweep_count=1i,cycle_count=0i,step_count=1i,points=40i,complete=true {STAMP}',
    ),
    (
        StepEnded(RUN, 3, STAMP, 0, 1, "s[0]", Role.PLATE, "lost", None),
        f'event{TAGS} seq=3i,kind="step_ended",cycle_count=0i,step_count=1i,step_path="s[0]",role="plate",reason="lost" {STAMP}',
    ),
    (CycleEnded(RUN, 4, STAMP, 1), f'event{TAGS} seq=4i,kind="cycle_ended",cycle_count=1i {STAMP}'),
    (
        Incident(RUN, 5, STAMP, "alarm", "limit", 'a\\b "c"\nd'),
        f'event{TAGS} seq=5i,kind="incident",incident="limit",severity="alarm",message="a\\\\b \\"c\\"\nd" {STAMP}',
    ),
    (
        RunEnded(RUN, 6, STAMP, completed=False, reason="stopped"),
        f'event{TAGS} seq=6i,kind="run_ended",completed=false,reason="stopped" {STAMP}',
    ),
]

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
WORD = st.text(alphabet="abcz019-_ ,=é", min_size=1, max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBER
COUNT = st.integers(0, 10**6)
STAMPS = st.integers(-(2**63), 2**63 - 1)
SEQ = st.integers(0, 10**17)
CONTEXTS = st.builds(RunContext, WORD, WORD, WORD, WORD, WORD)
MAYBE_TEXT = st.none() | TEXT
MAYBE_COUNT = st.none() | COUNT
FINDINGS = st.dictionaries(st.integers(1, 20), st.sampled_from(Verdict)).map(facts.findings_like).map(findings_text)
FACTS_OF = st.builds(
    RunFacts, st.sampled_from(Geometry), NUMBER, MAYBE, COUNT, COUNT, *[TEXT] * 10, MAYBE, MAYBE, MAYBE_COUNT, NUMBER,
    *[MAYBE_TEXT] * 2, MAYBE, MAYBE_TEXT, MAYBE, *[MAYBE_TEXT] * 2, MAYBE_COUNT, *[MAYBE_TEXT] * 2, MAYBE, MAYBE_COUNT,
    *[MAYBE_TEXT] * 2, st.none() | FINDINGS,
)  # fmt: skip
ROLES = st.sampled_from(Role)
TRUTH = st.booleans()


def records(run_id: str) -> st.SearchStrategy[Record]:
    head = (st.just(run_id), SEQ, STAMPS)
    return st.one_of(
        st.builds(RunStarted, *head, FACTS_OF),
        st.builds(StepStarted, *head, STAMPS, COUNT, COUNT, TEXT, TEXT, ROLES, COUNT, TEXT),
        st.builds(Sample, *head, NUMBER, NUMBER, NUMBER, NUMBER, COUNT, COUNT, TEXT, ROLES, MAYBE, TEXT),
        st.builds(ImpedancePoint, *head, NUMBER, NUMBER, COUNT, NUMBER, NUMBER, NUMBER, COUNT, COUNT, COUNT, TEXT, ROLES, TEXT),
        st.builds(SweepEnded, *head, COUNT, COUNT, COUNT, COUNT, TRUTH),
        st.builds(StepEnded, *head, COUNT, COUNT, TEXT, ROLES, TEXT, MAYBE),
        st.builds(CycleEnded, *head, COUNT),
        st.builds(Incident, *head, TEXT, TEXT, TEXT),
        st.builds(RunEnded, *head, TRUTH, TEXT),
    )


def derived(run_id: str) -> st.SearchStrategy[DerivedRow]:
    head = (st.just(run_id), COUNT, STAMPS)
    return st.one_of(
        st.builds(CycleRow, *head, TEXT, *[MAYBE] * 12, TEXT, TEXT),
        st.builds(
            ImpedanceFitRow,
            *head,
            COUNT,
            *[MAYBE] * 7,
            TEXT,
            TEXT,
            TEXT,
            TEXT,
            MAYBE,
            st.none() | COUNT,
            TEXT,
            TEXT,
            *[MAYBE] * 3,
        ),
        st.builds(HalfCycleRow, *head, TEXT, *[MAYBE] * 15, *[TEXT] * 4, MAYBE, MAYBE, TEXT),
    )


WRITTEN = CONTEXTS.flatmap(lambda context: st.tuples(st.just(context), records(context.run_id)))
DERIVED = CONTEXTS.flatmap(lambda context: st.tuples(st.just(context), derived(context.run_id)))


def bits(value: object) -> list[object]:
    """Everything in a dataclass, floats as their bytes: -0.0 is not 0.0 here."""
    assert is_dataclass(value)
    assert not isinstance(value, type)
    flat = list(astuple(value))
    nested = [part for item in flat for part in (item if isinstance(item, tuple) else (item,))]
    return [struct.pack("<d", item) if isinstance(item, float) else item for item in nested]


@pytest.mark.parametrize(("record", "line"), CASES, ids=lambda case: type(case).__name__)
def test_codec_writes_and_reads_the_table(record: Record, line: str) -> None:
    """Each record is this very line, and the line is this very record."""
    assert codec.encode_record(CONTEXT, record) == line
    assert codec.decode_line(line) == (CONTEXT, record)


@pytest.mark.parametrize(("record", "line"), CASES, ids=lambda case: type(case).__name__)
def test_codec_refuses_a_line_cut_anywhere_and_one_with_more_behind_it(record: Record, line: str) -> None:
    """A torn line is refused, unless only its stamp lost digits, and nothing may follow a stamp."""
    for end in range(len(line)):
        try:
            _, found = codec.decode_line(line[:end])
        except codec.CodecError:
            continue
        assert found is not None
        assert found.unix_time_nanosecond != record.unix_time_nanosecond
    for tail in (" ", "\n", "x", ",a=1i", f" {STAMP}"):
        with pytest.raises(codec.CodecError):
            codec.decode_line(line + tail)


def test_codec_writes_the_start_of_a_run_as_an_event_and_as_a_cell() -> None:
    """The start's second line has main facts as tags that any server takes, and both have all facts."""
    record = RunStarted(RUN, 0, STAMP, FACTS)
    event, cell = codec.encode_record(CONTEXT, record).split("\n")
    assert event.startswith(f'event{TAGS} seq=0i,kind="run_started",facts="')
    assert cell.startswith(
        f"cell{TAGS},geometry=deposit,schedule_name=aurbach\\,\\ 1\\ mA,driver=methodscript,instrument_serial=EMU0001 "
        f"seq=0i,area_cm2=1.13,cell_revision=1i,build_revision=2i,accuracy_offset=0.0002,adc_bits=18i,time_scale=1.0,facts="
    )
    assert codec.decode_line(event) == (CONTEXT, record)
    assert codec.decode_line(cell) == (CONTEXT, None)


def test_codec_reads_the_facts_of_the_first_version() -> None:
    """Facts written before builds were pinned read back, with nothing said of cell and anode."""
    assert codec.decode_facts(OLD_FACTS) == FACTS
    assert codec.encode_facts(FACTS) == OLD_FACTS


def test_codec_writes_verdicts_and_main_facts_as_tags_of_the_cell() -> None:
    """Each claim is a tag, each main fact a tag, what is unknown a word, and the whole build one field; the start reads back."""
    meets = dict.fromkeys((1, 2, 12), Verdict.MEETS) | {3: Verdict.DOES_NOT}
    record = RunStarted(RUN, 0, STAMP, facts.with_build(FACTS, facts.STACK, meets))
    event, cell = codec.encode_record(CONTEXT, record).split("\n")
    verdicts = {claim: meets.get(claim, Verdict.CANNOT_TELL) for claim in range(1, 21)}
    tags = "".join(f",claim_{claim}={verdict}" for claim, verdict in verdicts.items())
    assert cell.startswith(
        f"cell{TAGS},geometry=deposit,schedule_name=aurbach\\,\\ 1\\ mA,driver=methodscript,instrument_serial=EMU0001,counter=Cu,"
        "electrolyte=1\\ M\\ LiPF6\\ EC:DMC\\,\\ 10\\ %\\ FEC,batch=b-7,substrate=metal_foil,lithium_origin=deposited,"
        f"layer_count=3,co_deposition_gas=C2H2+CO2{tags},lithium_thickness_band=20_to_50um seq=0i,area_cm2=1.13,cell_revision=1i,"
        "build_revision=2i,accuracy_offset=0.0002,adc_bits=18i,time_scale=1.0,electrolyte_volume_ul=40.0,stack_pressure_kpa=0.0,"
        'replicate=2i,lithium_thickness_um=25.0,facts="'
    )
    assert AnodeBuild.model_validate_json(str(parse_point(cell).fields["anode"])) == facts.STACK
    assert codec.decode_line(event) == (CONTEXT, record)
    assert codec.decode_line(cell) == (CONTEXT, None)


def test_codec_says_unknown_where_nothing_is_known() -> None:
    """A build of which nothing is known, and a cell without batch and electrolyte, give words and no empty tags."""
    nothing = AnodeBuild(id="mystery", active=ActiveLithium(), layers=None)
    pinned = replace(facts.with_build(FACTS, nothing, {}), electrolyte=" ", batch=None)
    tags = parse_point(codec.encode_record(CONTEXT, RunStarted(RUN, 0, STAMP, pinned)).split("\n")[1]).tags
    words = ("electrolyte", "batch", "substrate", "lithium_origin", "layer_count", "lithium_thickness_band", "co_deposition_gas")
    assert {name: tags[name] for name in words} == dict.fromkeys(words, "unknown")
    assert tags["claim_20"] == "cannot_tell"


def test_codec_refuses_findings_that_are_none() -> None:
    """What is not findings cannot be told as verdicts."""
    for text in (
        "[]x",
        '[{"claim": "1"}]',
        '[{"claim": 1, "strict": ["perhaps", ""]}]',
        "5",
        '[{"claim": 1, "strict": "meets"}]',
    ):
        with pytest.raises(codec.CodecError, match="seq 0"):
            codec.encode_record(CONTEXT, RunStarted(RUN, 0, STAMP, replace(FACTS, findings=text)))


@given(CONTEXTS, FACTS_OF)
def test_codec_gives_no_name_to_both_a_tag_and_a_field(context: RunContext, found: RunFacts) -> None:
    """InfluxDB would rename one of the two."""
    for line in split_points(codec.encode_record(context, RunStarted(context.run_id, 0, STAMP, found))):
        point = parse_point(line)
        assert not point.tags.keys() & point.fields.keys()
        assert "" not in point.tags.values()


@given(WRITTEN)
def test_codec_gives_every_record_back_to_the_last_bit(written: tuple[RunContext, Record]) -> None:
    """What any record becomes, reads back as that record."""
    context, record = written
    lines = split_points(codec.encode_record(context, record))
    found_context, found = codec.decode_line(lines[0])
    assert found_context == context
    assert found == record
    assert bits(found) == bits(record)
    assert len(lines) == (2 if isinstance(record, RunStarted) else 1)
    assert all(codec.line_seq(line) == record.seq for line in lines)
    assert codec.is_incident(lines[0]) == isinstance(record, Incident)


WORDS = st.sampled_from(["", "steps[0].steps[1]", "overload held"])
PLAIN_VALUES = {
    **dict.fromkeys(("test_time_second", "step_time_second", "voltage_volt", "current_ampere"), NUMBER),
    **dict.fromkeys(("cycle_count", "step_count"), COUNT),
    "step_path": WORDS,
    "role": ROLES,
    "current_range_ampere": MAYBE,
    "flags": WORDS,
}
EDGES = st.sampled_from([-0.0, 1.7e308, -(2**63), 2**63 - 1, -(2**63) - 1, 2**63, 2**64, None, "1", "plate"])
ODD_NUMBER = st.floats() | st.integers() | st.booleans() | EDGES
ODD_TEXT = st.sampled_from(['"', "\\", 'a"b\\c', "a\nb", "µ", "\udcff", "plate", Geometry.FULL]) | TEXT | ROLES | EDGES
ODD_VALUES = [
    st.tuples(st.just(name), ODD_TEXT if name in ("step_path", "role", "flags") else ODD_NUMBER) for name in PLAIN_VALUES
]
SAMPLES = st.builds(
    lambda plain, odd: Sample(RUN, 7, STAMP, **{**plain, **dict(odd)}),
    st.fixed_dictionaries(PLAIN_VALUES),
    st.lists(st.one_of(ODD_VALUES), max_size=2),
)
IDENTITY = frozenset({"run_id", "seq", "unix_time_nanosecond"})
PLAIN = Sample(RUN, 7, STAMP, 12.5, 0.5, 3.0, -1e-05, 1, 2, "steps[0]", Role.PLATE, 0.001, "overload held")


@settings(max_examples=1000)
@example(replace(PLAIN, flags="\\"))
@example(replace(PLAIN, step_path='"'))
@example(replace(PLAIN, flags="µ"))
@example(replace(PLAIN, step_path="\udcff"))
@example(replace(PLAIN, cycle_count=2**63))
@example(replace(PLAIN, step_count=-(2**63) - 1))
@example(replace(PLAIN, current_range_ampere=math.inf))
@example(replace(PLAIN, test_time_second=math.inf, voltage_volt=-math.inf))
@example(replace(PLAIN, test_time_second=1.7e308, voltage_volt=1.7e308))
@given(SAMPLES)
def test_codec_writes_a_sample_as_it_writes_any_record(sample: Sample) -> None:
    """The short way for samples gives the very bytes of the general way, or its refusal."""
    try:
        expected = f"sample{TAGS} seq=7i,{field_text(to_plain(sample, IDENTITY).items())} {STAMP}"
    except ValueError as error:
        expected = f"run {RUN}, seq 7 cannot be written: {error}"
    try:
        found = codec.encode_record(CONTEXT, sample)
    except codec.CodecError as error:
        found = str(error)
    assert found == expected


def test_derived_line_names_what_it_does_not_have() -> None:
    """InfluxDB keeps the fields that a point once had: a line says which of them its row has no longer."""
    head = ("cu-01", 1, 7, 1)
    whole = ImpedanceFitRow(*head, 1.0, 0.1, 2.0, 0.1, 3.0, 0.1, 0.01, "", "1", "good", "", 1e-3, 9, "", "", 3.0, 0.1, 0.1)
    context = RunContext("lab", "a1", "cu", "b", "cu-01")
    assert codec.encode_derived(context, whole, 5).endswith(',absent="" 7')
    line = codec.encode_derived(context, replace(whole, residual_rms=None, kramers_kronig_order=None), 5)
    assert line.endswith(',absent="residual_rms kramers_kronig_order" 7')
    with pytest.raises(codec.CodecError, match="which are absent"):
        codec.decode_derived(line.replace("flags=", "residual_rms=0.5,flags="))


@given(DERIVED, SEQ)
def test_codec_gives_every_derived_row_back_to_the_last_bit(written: tuple[RunContext, DerivedRow], seq: int) -> None:
    """What any derived row becomes, reads back as that row with its delivery number."""
    context, row = written
    line = codec.encode_derived(context, row, seq)
    found_context, found, found_seq = codec.decode_derived(line)
    assert (found_context, found_seq) == (context, seq)
    assert bits(found) == bits(row)
    assert codec.line_seq(line) == seq


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_codec_refuses_numbers_that_are_none(bad: float) -> None:
    """NaN and the infinities are refused with a sentence that names field and record."""
    with pytest.raises(codec.CodecError, match=rf"{RUN}, seq 7 .* voltage_volt is {bad}, which is not a finite number"):
        codec.encode_record(CONTEXT, Sample(RUN, 7, STAMP, 0.0, 0.0, bad, 0.0, 0, 0, "", Role.REST, None, ""))


@pytest.mark.parametrize("build", ['a"b', "a\\", "a\nb", "\ud800"])
def test_codec_refuses_tags_that_no_server_reads_back(build: str) -> None:
    """Quotes, backslashes, control characters and what is not Unicode stay out of tags."""
    with pytest.raises(codec.CodecError):
        codec.encode_record(RunContext("s", "c", "c", build, RUN), CycleEnded(RUN, 4, STAMP, 1))


def test_codec_refuses_text_that_is_not_unicode() -> None:
    """A lone surrogate cannot be written as bytes."""
    with pytest.raises(codec.CodecError, match="seq 5"):
        codec.encode_record(CONTEXT, Incident(RUN, 5, STAMP, "info", "note", "\udcff"))


def test_codec_leaves_an_empty_tag_out_and_reads_it_back() -> None:
    """A run of the station itself has no cell: an empty tag is no tag."""
    context = RunContext("lab3", "", "", "", "station-20260101t000000")
    line = codec.encode_record(context, CycleEnded(context.run_id, 4, STAMP, 1))
    assert line.startswith("event,station=lab3,run=station-20260101t000000 seq=4i,")
    assert codec.decode_line(line)[0] == context


@given(st.text() | st.sampled_from([line for _, line in CASES]).flatmap(lambda line: st.builds(_spoil, st.just(line), st.data())))
def test_codec_raises_only_its_own_error_on_any_text(text: str) -> None:
    """Whatever the text, reading it gives a record or a `CodecError`."""
    for read in (codec.decode_line, codec.decode_derived, codec.line_seq):
        with contextlib.suppress(codec.CodecError):
            read(text)


def _spoil(line: str, data: st.DataObject) -> str:
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, min(len(line), start + 10)))
    return line[:start] + data.draw(st.text(alphabet='",= \\\ni0.e-[]{}x٣', max_size=6)) + line[end:]


@given(st.binary() | st.builds(lambda text: text.encode(), st.text(alphabet='{}[]":,0123456789firstlaedk NaN', max_size=60)))
def test_codec_raises_only_its_own_error_on_any_bytes(payload: bytes) -> None:
    """Whatever the bytes, reading them gives a batch, an acknowledgement, or a `CodecError`."""
    for read in (lambda data: codec.decode_batch("r", data), codec.decode_ack):
        with contextlib.suppress(codec.CodecError):
            read(payload)


def test_codec_refuses_json_that_is_nested_without_end() -> None:
    """Deep nesting is an error like any other, not a crash."""
    with pytest.raises(codec.CodecError):
        codec.decode_ack(b'{"first":' + b"[" * 30_000)


@given(st.lists(TEXT, max_size=40), st.integers(0, 1000))
def test_batches_hold_every_line_once_and_read_back(messages: list[str], first: int) -> None:
    """Cutting, sending and reading gives the same lines, whatever newlines and quotes their text holds."""
    encoded = [
        (first + index, codec.encode_record(CONTEXT, Incident(RUN, first + index, STAMP + index, "info", "x", message)))
        for index, message in enumerate(messages)
    ]
    batches = list(codec.split_batches(RUN, encoded))
    assert [line for batch in batches for line in batch.lines] == [line for _, line in encoded]
    for batch in batches:
        assert codec.decode_batch(RUN, batch.payload()) == batch


def test_batches_keep_to_their_limits_and_keep_a_record_together() -> None:
    """At most 500 lines and 256 KiB, except that a single record which is larger goes alone."""
    started = (0, codec.encode_record(CONTEXT, RunStarted(RUN, 0, STAMP, FACTS)))
    small = [(seq, codec.encode_record(CONTEXT, CycleEnded(RUN, seq, STAMP + seq, 1))) for seq in range(1, 1200)]
    large = [
        (seq, codec.encode_record(CONTEXT, Incident(RUN, seq, STAMP + seq, "info", "x", "y" * 100_000)))
        for seq in range(1200, 1210)
    ]
    huge = [(1210, codec.encode_record(CONTEXT, Incident(RUN, 1210, STAMP + 1210, "info", "x", "z" * 400_000)))]
    batches = list(codec.split_batches(RUN, [started, *small, *large, *huge]))
    assert [batch.first for batch in batches][1:] == [batch.last + 1 for batch in batches][:-1]
    assert (batches[0].first, batches[0].last, len(batches[0].lines)) == (0, 498, 500)
    assert all(len(batch.lines) <= codec.BATCH_LINES for batch in batches)
    assert all(len(batch.payload()) <= codec.BATCH_BYTES for batch in batches[:-1])
    assert (batches[-1].first, batches[-1].last) == (1210, 1210)


@pytest.mark.parametrize(
    "payload", [b"", b"\n", b"cpu load=1", b'event seq=2i,kind="x" 1\nevent seq=1i,kind="x" 2', b'event seq=1i,k="x', b"\xff"]
)
def test_batches_that_are_none_are_refused(payload: bytes) -> None:
    """Nothing, foreign lines, falling numbers, an open quote and foreign bytes are not a batch."""
    with pytest.raises(codec.CodecError):
        codec.decode_batch("r", payload)


def test_line_seq_is_not_taken_from_text() -> None:
    """A text that looks like a field does not change the number, and a tag with a space does not hide it."""
    context = RunContext("lab 3", "a1", "cu seq=9i", "x", RUN)
    line = codec.encode_record(context, Incident(RUN, 5, STAMP, "info", "x", 'a seq=1i,kind="incident",'))
    assert codec.line_seq(line) == 5
    other = codec.encode_record(context, RunEnded(RUN, 6, STAMP, completed=True, reason=' seq=1i,kind="incident",'))
    assert codec.line_seq(other) == 6
    assert not codec.is_incident(other)


def test_acknowledgements_read_back_and_default_to_records() -> None:
    """The three keys of the contract are enough; derived rows say that they are."""
    ack = codec.Ack(3, 9, (4, 5), "derived")
    assert codec.decode_ack(ack.payload()) == ack
    assert codec.decode_ack(b'{"first": 0, "last": 2, "refused": [1]}') == codec.Ack(0, 2, (1,))


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b'{"first": 3, "last": 2, "refused": []}',
        b'{"first": -1, "last": 2, "refused": []}',
        b'{"first": 0.0, "last": 2, "refused": []}',
        b'{"first": true, "last": 2, "refused": []}',
        b'{"first": 0, "last": 2, "refused": [3]}',
        b'{"first": 0, "last": 2, "refused": 1}',
        b'{"first": 0, "last": 2, "kind": "x"}',
        b'{"first": 0, "last": NaN}',
    ],
)
def test_acknowledgements_that_are_none_are_refused(payload: bytes) -> None:
    """Ranges that are none, refusals outside them and foreign kinds move no cursor."""
    with pytest.raises(codec.CodecError):
        codec.decode_ack(payload)


def test_codec_has_a_name_for_every_kind_of_record() -> None:
    """The table above covers every kind, and no tag shares its name with a field."""
    covered = {type(record) for record, _ in CASES} | {RunStarted}
    assert covered == set(Record.__args__)
    names = {field.name for made in (*covered, CycleRow, ImpedanceFitRow, HalfCycleRow) for field in fields(made)}
    assert not names & {"station", "channel", "cell", "build", "run"}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_field_text_writes_no_number_that_is_none(bad: float) -> None:
    """Line protocol has no word for them, wherever they come from."""
    with pytest.raises(ValueError, match=f"x is {bad}, which is not a finite number"):
        field_text([("x", bad)])


def test_a_float_of_another_library_is_written_as_a_float() -> None:
    """A subclass of float shows its own name; in a line stands the number alone."""
    assert field_text([("voltage_volt", np.float64(0.5))]) == "voltage_volt=0.5"
