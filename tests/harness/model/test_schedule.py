"""A schedule's text becomes a schedule, or one sentence with the place of its first fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.model.schedule import (
    HoldStep,
    RepeatStep,
    parse_schedule,
    ready_schedule,
    ready_schedules,
    schedule_text,
    with_count,
)

HEAD = "schedule: a\nversion: 1\n"


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as refused:
        parse_schedule(text, "")
    return str(refused.value)


def one(step: str) -> str:
    return f"{HEAD}steps:\n  - {step}\n"


@pytest.mark.parametrize("name", ready_schedules())
def test_ready_schedule_parses_under_its_own_name(name: str) -> None:
    """Every schedule that comes with the harness is sound, and its file is called what it is called."""
    assert parse_schedule(ready_schedule(name), f"{name}.yaml").schedule == name


def test_ready_schedules_are_those_promised() -> None:
    """Three for work, three for the demonstration."""
    assert ready_schedules() == [
        "demo-full-cell", "demo-li-cu", "demo-li-li", "full-cell-cccv", "li-cu-plate-strip", "li-li-symmetric",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ready_schedules())
def test_ready_schedule_measures_impedance_after_deposit_and_rest(name: str) -> None:
    """Never on bare copper: the sweep follows a deposit and a rest of 30 min, in the repeat."""
    schedule = parse_schedule(ready_schedule(name), "")
    (cycle,) = (step for step in schedule.steps if isinstance(step, RepeatStep))
    kinds = [step.step for step in cycle.steps if not isinstance(step, HoldStep)]
    sweep = kinds.index("eis")
    assert kinds[sweep - 2] in {"plate", "charge"}
    assert getattr(cycle.steps[[step.step for step in cycle.steps].index("rest")], "duration", None) == "30 min"
    assert kinds[sweep - 1] == "rest"
    assert kinds[sweep + 1] in {"strip", "discharge"}


def test_schedule_text_finds_ready_ones_and_files(tmp_path: Path) -> None:
    """A name of a ready schedule wins; otherwise it is a file."""
    file = tmp_path / "mine.yaml"
    file.write_text(one("{step: rest, for: 1 h}"), encoding="utf-8")
    assert schedule_text(str(file)) == one("{step: rest, for: 1 h}")
    assert schedule_text("demo-li-cu") == ready_schedule("demo-li-cu")


def test_schedule_text_says_what_there_is(tmp_path: Path) -> None:
    """Neither a name nor a readable file is an error that lists the names."""
    (tmp_path / "latin.yaml").write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"neither a ready schedule .*li-cu-plate-strip.* nor a file"):
        schedule_text(str(tmp_path / "absent.yaml"))
    with pytest.raises(BadInput, match="not UTF-8"):
        schedule_text(str(tmp_path / "latin.yaml"))
    with pytest.raises(BadInput, match='"absent" is not a ready schedule; there are demo-full-cell'):
        ready_schedule("absent")


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ('{step: strip, current: 1 mA, until: {voltage_above: "-0,5 V"}, longest: 1 h}',
         'steps[0].until.voltage_above: "-0,5 V" is not a quantity (decimal comma?)'),
        ("{step: strip, current: 1 mA, until: {voltage_below: 0 V}, longest: 1 h}",
         "steps[0].until.voltage_below: a strip current raises the voltage, so it cannot end below one"),
        ("{step: plate, current: 1 mA, until: {voltage_above: 0 V}, longest: 1 h}",
         "steps[0].until.voltage_above: a plate current lowers the voltage"),
        ("{step: cc, role: discharge, current: 1 mA, until: {voltage_above: 0 V}, longest: 1 h}",
         "steps[0].until.voltage_above: a discharge current lowers the voltage"),
        ("{step: plate, current: 1 mA, until: {current_below: 1 uA}, longest: 1 h}",
         "steps[0].until.current_below: the current of a plate step does not fall by itself"),
        ("{step: cv, role: plate, voltage: 0 V, until: {charge: 1 mAh}, longest: 1 h}",
         "steps[0].until.charge: charge ends only steps of constant current"),
        ("{step: rest, until: {charge: 1 mAh}, longest: 1 h}",
         "steps[0].until.charge: charge ends only steps of constant current"),
        ("{step: cv, role: plate, voltage: 0 V, until: {voltage_above: 1 V}, longest: 1 h}",
         "steps[0].until.voltage_above: the voltage of a cv step is constant"),
        ("{step: strip, current: 1 mA}", 'steps[0]: this strip step has no end; add "for" or "until"'),
        ("{step: strip, current: 1 mA, until: {}}", "steps[0]: this strip step has no end"),
        ("{step: strip, current: 1 mA, until: {voltage_above: 1 V}}", "steps[0].longest: it is missing: a step that ends at"),
        ("{step: strip, until: {voltage_above: 1 V}}", "steps[0].current: it is missing and has no default"),
        ("{step: strpi, current: 1 mA}", 'steps[0].step: "strpi" is not a kind of step; use one of rest, plate, strip'),
        ("{current: 1 mA}", "steps[0].step: it is missing; every step says what kind it is"),
        ("rest", 'steps[0]: "rest" does not fit; it should hold keys and values'),
        ("{step: rest, for: 3600}", "steps[0].for: 3600 has no unit"),
        ("{step: rest, for: 0 s}", 'steps[0].for: "0 s" is not a time that can pass'),
        ("{step: rest, for: -1 h}", 'steps[0].for: "-1 h" is not a time that can pass'),
        ("{step: rest, for: 1 V}", 'steps[0].for: "1 V" has the unit volt; expected something like s'),
        ("{step: rest, for: 1 h, until: {duration: 1 h}}", 'steps[0].until.duration: "for" states the duration already'),
        ("{step: rest, fro: 1 h}", "steps[0].fro: this key is not known here; check its spelling"),
        ("{step: rest, rest: 1 h, for: 1 h}", "steps[0].rest: this key is not known here"),
        ("{step: rest, for: 1 h, every: 2}", "steps[0].every: it counts the passes of a repeat, and this step stands in none"),
        ("{step: plate, current: -1 mA, for: 1 h}", 'steps[0].current: "-1 mA" is negative; write the magnitude, a plate step'),
        ("{step: plate, current: 1 V, for: 1 h}", 'or a C-rate such as "C/3"'),
        ("{step: cv, role: plate, voltage: 0 V, until: {current_below: -1 mA}, longest: 1 h}",
         'steps[0].until.current_below: "-1 mA" is negative; write the magnitude'),
        ("{step: plate, current: 1 mA, until: {charge: 0 mAh}}", 'steps[0].until.charge: "0 mAh" must be more than 0'),
        ("{step: cc, current: 1 mA, for: 1 h}", "steps[0].role: it is missing and has no default"),
        ("{step: cc, role: rest, current: 1 mA, for: 1 h}", "steps[0].role: a cc step passes current"),
        ("{step: hold, voltage: 1 V, for: 1 h}", "steps[0].step: hold goes on from a step with current directly before it"),
        ("{step: eis, from: 1 Hz, to: 1 kHz, points_per_decade: 5, amplitude: 10 mV, longest: 1 h}",
         'steps[0].to: "1 kHz" is not below "1 Hz"; a sweep goes from high to low'),
        ("{step: eis, from: 1 kHz, to: 1 Hz, points_per_decade: 5, amplitude: 0 V, longest: 1 h}",
         'steps[0].amplitude: "0 V" must be more than 0'),
        ("{step: eis, from: 1 kHz, to: 1 Hz, points_per_decade: 5, amplitude: 10 mV}", "steps[0].longest: it is missing"),
        ("{step: repeat, count: 0, steps: [{step: rest, for: 1 h}]}", "steps[0].count: 0 does not fit"),
        ("{step: repeat, count: true, steps: [{step: rest, for: 1 h}]}", "steps[0].count: True does not fit"),
        ("{step: repeat, count: 2, steps: []}", "steps[0].steps: [] does not fit"),
        ("{step: repeat, count: 2, steps: [{step: rest, fro: 1 h}]}", "steps[0].steps[0].fro: this key is not known here"),
        ("{step: repeat, count: 2, steps: [{step: strip, current: 1 mA}]}", "steps[0].steps[0]: this strip step has no end"),
        ("{step: rest, for: 1 h, sampling: {every: 1 s, check: 2 s}}", 'steps[0].sampling.check: "2 s" is longer than "1 s"'),
        ("{step: rest, for: 1 h, name: A b}", 'steps[0].name: "A b" is not an id'),
        ("{step: rest, for: 1 h, name: x}\n  - {step: rest, for: 1 h, name: x}",
         'steps[1].name: "x" is the name of another step'),
        ("{step: repeat, count: 2, steps: [{step: plate, current: 1 mA, for: 1 h}]}\n  - {step: hold, voltage: 0 V, for: 1 h}",
         "steps[1].step: hold goes on from a step with current directly before it"),
        ("{step: plate, current: 1 mA, for: 1 h}\n  - {step: hold, voltage: 0 V, for: 1 h, every: 2}", "steps[1].every:"),
    ],
)  # fmt: skip
def test_parse_schedule_refuses_with_the_place(step: str, sentence: str) -> None:
    """What cannot be meant is refused with its path in the file and what to do."""
    assert sentence in refusal(one(step))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version: 1\nsteps: [{step: rest, for: 1 h}]", "schedule: it is missing"),
        ("schedule: a\nversion: 2\nsteps: [{step: rest, for: 1 h}]", "version: 2 does not fit: input should be 1"),
        (HEAD + "steps: []", "steps: [] does not fit"),
        (HEAD + "on_gap: ignore\nsteps: [{step: rest, for: 1 h}]", 'on_gap: "ignore" does not fit'),
        (HEAD + "limits: {voltage: [1 V]}\nsteps: [{step: rest, for: 1 h}]", "limits.voltage: ['1 V'] does not fit"),
        (HEAD + "limits: {voltage: [1 V, 2 A]}\nsteps: [{step: rest, for: 1 h}]", 'limits.voltage[1]: "2 A" has the unit ampere'),
    ],
)
def test_parse_schedule_refuses_a_wrong_frame(text: str, sentence: str) -> None:
    """The head of the file is checked like its steps."""
    assert refusal(text).startswith(sentence)


def test_parse_schedule_names_the_source() -> None:
    """A complaint begins with the file, when there is one."""
    with pytest.raises(BadInput, match=r"^mine\.yaml: steps\[0\]: this rest step has no end"):
        parse_schedule(one("{step: rest}"), "mine.yaml")


def test_parse_schedule_takes_zero_for_a_value() -> None:
    """A cut-off of 0 V and a current of 0 A are legal; only what is absent is absent."""
    schedule = parse_schedule(
        one("{step: plate, current: 0 A, until: {voltage_below: 0 V}, longest: 1 h}\n  - {step: hold, voltage: 0 V, for: 1 s}"),
        "",
    )
    (plate, hold) = schedule.steps
    assert not isinstance(plate, RepeatStep)
    assert getattr(plate, "until").stated == ("voltage_below",)  # noqa: B009 - the union has members without it
    assert isinstance(hold, HoldStep)
    assert hold.voltage == "0 V"


def test_with_count_changes_the_outermost_repeat_only() -> None:
    """Inner repeats keep their count."""
    inner = "{step: repeat, count: 3, steps: [{step: rest, for: 1 h}]}"
    schedule = with_count(parse_schedule(one(f"{{step: repeat, count: 2, steps: [{inner}]}}"), ""), 7)
    (outer,) = schedule.steps
    assert isinstance(outer, RepeatStep)
    assert outer.count == 7
    assert isinstance(outer.steps[0], RepeatStep)
    assert outer.steps[0].count == 3


@pytest.mark.parametrize(
    ("steps", "count", "sentence"),
    [
        ("{step: rest, for: 1 h}", 2, "has no repeat"),
        (("{step: repeat, count: 3, steps: [{step: rest, for: 1 h}]}\n"
         "  - {step: repeat, count: 3, steps: [{step: rest, for: 1 h}]}"),
         2, "has 2 repeats side by side"),
        ("{step: repeat, count: 3, steps: [{step: rest, for: 1 h}]}", 0, "0 is not a number of times"),
    ],
)  # fmt: skip
def test_with_count_refuses_what_is_ambiguous(steps: str, count: int, sentence: str) -> None:
    """Without exactly one outermost repeat there is nothing to count."""
    with pytest.raises(BadInput, match=sentence):
        with_count(parse_schedule(one(steps), ""), count)
