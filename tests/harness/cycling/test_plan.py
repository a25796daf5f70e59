"""Binding a schedule to a cell and a channel: absolute numbers, or one sentence naming both that disagree."""

from __future__ import annotations

import pytest

from harness.cycling.plan import CellFacts, ChannelWindow, Plan, PlanLimits, bind, longest_for
from harness.cycling.plan_tree import Current, PlanBlock, PlanRepeat, PlanStep, Sweep, Voltage, block_at
from harness.errors import BadInput
from harness.model.run import Geometry, Role
from harness.model.schedule import parse_schedule, ready_schedule, ready_schedules
from potentiostat_drivers.program import Sampling

WINDOW = ChannelWindow(-0.5, 4.5, 5e-3, 0.01, 2e5)
LI_CU = CellFacts(Geometry.DEPOSIT, 2.0)
LI_LI = CellFacts(Geometry.SYMMETRIC, 1.0)
FULL = CellFacts(Geometry.FULL, 1.5, 3e-3)


def bound(steps: str, facts: CellFacts = LI_CU, head: str = "", window: ChannelWindow = WINDOW) -> Plan:
    return bind(parse_schedule(f"schedule: a\nversion: 1\n{head}\nsteps:\n  - {steps}\n", ""), facts, window)


def first(plan: Plan) -> PlanStep:
    item = plan.items[0]
    assert isinstance(item, PlanBlock)
    return item.steps[0]


def facts_for(name: str) -> CellFacts:
    return FULL if "full" in name else LI_LI if "li-li" in name else LI_CU


@pytest.mark.parametrize("name", ready_schedules())
def test_bind_takes_every_ready_schedule_and_json_keeps_it_exact(name: str) -> None:
    """Ready schedules fit an ordinary channel, and a plan survives JSON to the last bit."""
    plan = bind(parse_schedule(ready_schedule(name), name), facts_for(name), WINDOW)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.name == name


def test_bind_resolves_areal_charge_to_a_time() -> None:
    """1 mAh/cm² at 0.5 mA/cm² is 2 h whatever the area, and the current is absolute."""
    step = first(bound("{step: plate, current: 0.5 mA/cm^2, until: {charge: 1 mAh/cm^2}, longest: 3 h}"))
    assert isinstance(step.act, Current)
    assert step.act.current_ampere == pytest.approx(1e-3, rel=1e-12)
    assert step.until.duration_second == pytest.approx(7200, rel=1e-12)
    assert step.longest_second == pytest.approx(10800, rel=1e-12)
    assert step.charge_ah == pytest.approx(2e-3, rel=1e-12)


def test_bind_mixes_absolute_and_areal() -> None:
    """An absolute charge at an areal current knows the area."""
    step = first(bound("{step: plate, current: 0.5 mA/cm^2, until: {charge: 1 mAh}}"))
    assert step.until.duration_second == pytest.approx(3600, rel=1e-12)


def test_bind_gives_a_margin_where_the_duration_is_the_end() -> None:
    """Without `longest`, a step with a duration may over-run by 2 %, two looks and 10 s."""
    step = first(bound("{step: rest, for: 1 h}", head="sampling: {every: 60 s, check: 2 s}"))
    assert step.longest_second == longest_for(3600, 2) == pytest.approx(3600 * 1.02 + 14, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "ampere"), [("C/3", 1e-3), ("2C/3", 2e-3), ("C/30", 1e-4), ("0.5 mA/cm^2", 0.75e-3), ("0 A", 0.0)]
)
def test_bind_resolves_currents(text: str, ampere: float) -> None:
    """C-rates come from the nominal capacity, areal currents from the area, and 0 is a current."""
    act = first(bound(f"{{step: charge, current: {text}, for: 1 h}}", FULL)).act
    assert isinstance(act, Current)
    assert act.current_ampere == pytest.approx(ampere, rel=1e-12)


def test_bind_keeps_the_sign_of_a_probe_only() -> None:
    """A probe is signed as written; every other current is a magnitude until the stepper."""
    assert first(bound("{step: cc, role: probe, current: -1 mA, for: 10 s}")).act == Current(-1e-3)


def test_bind_joins_holds_to_the_step_before() -> None:
    """Current and the holds behind it are one block, in one role."""
    steps = """{step: charge, current: C/3, until: {voltage_above: 4.2 V}, longest: 4 h}
  - {step: hold, voltage: 4.2 V, until: {current_below: C/20}, longest: 1 h}
  - {step: hold, voltage: 4.3 V, for: 10 min}
  - {step: rest, for: 1 h}"""
    plan = bound(steps, FULL)
    block, rest = plan.items
    assert isinstance(block, PlanBlock)
    assert isinstance(rest, PlanBlock)
    assert [(step.label, step.role) for step in block.steps] == [
        ("charge", Role.CHARGE), ("hold", Role.CHARGE), ("hold-2", Role.CHARGE)
    ]  # fmt: skip
    assert block.steps[1].act == Voltage(4.2)
    assert block.steps[1].until.current_below_ampere == pytest.approx(0.15e-3, rel=1e-12)
    assert plan.totals.block_count == 2
    assert plan.totals.step_count == 4


def test_bind_layers_sampling() -> None:
    """A step's word wins over the schedule's, that over the default, and a check is never longer than its interval."""
    head = "sampling: {every: 30 s, check: 2 s}"
    assert first(bound("{step: rest, for: 1 h}", head=head)).sampling == Sampling(30, 5e-3, 2)
    assert first(bound("{step: rest, for: 1 h, sampling: {every: 1 s}}", head=head)).sampling == Sampling(1, 5e-3, 1)
    assert first(bound("{step: rest, for: 1 h, sampling: {check: 1 s, on_change: 1 mV}}", head=head)).sampling == Sampling(
        30, 1e-3, 1
    )


def test_bind_falls_back_to_the_channel_for_limits() -> None:
    """What the schedule does not limit, the channel does; a limit of 0 V is a limit."""
    assert bound("{step: rest, for: 1 h}").limits == PlanLimits(-0.5, 4.5, 5e-3)
    head = "limits: {voltage: [0 V, 4 V], current: 1 mA/cm^2}"
    limits = bound("{step: rest, for: 1 h}", head=head).limits
    assert (limits.voltage_min_volt, limits.voltage_max_volt) == (0.0, 4.0)
    assert limits.current_max_ampere == pytest.approx(2e-3, rel=1e-12)


def test_bind_counts_points_of_a_sweep() -> None:
    """Points per decade over the decades, both ends included."""
    step = first(bound("{step: eis, from: 200 kHz, to: 100 mHz, points_per_decade: 8, amplitude: 10 mV, longest: 30 min}"))
    assert step.act == Sweep(200e3, 0.1, 51, 0.01)
    assert step.role is Role.PROBE


def test_bind_totals_count_every_pass_that_happens() -> None:
    """`every` 3 in 7 passes happens 3 times, also for a nested repeat."""
    steps = """step: repeat
    count: 7
    steps:
      - {step: rest, for: 100 s, longest: 200 s}
      - {step: repeat, every: 3, count: 2, steps: [{step: plate, current: 1 mA, for: 1 h, longest: 2 h}]}
      - {step: eis, every: 4, from: 1 kHz, to: 1 Hz, points_per_decade: 5, amplitude: 10 mV, longest: 100 s}"""
    totals = bound(steps).totals
    assert totals.block_count == 7 + 3 * 2 + 2
    assert totals.sweep_count == 2
    assert totals.duration_worst_second == 7 * 200 + 6 * 7200 + 2 * 100
    assert totals.charge_largest_ah == pytest.approx(1e-3, rel=1e-12)
    assert totals.command_longest_second == 7200


def test_plan_is_folded_however_long_it_is() -> None:
    """A billion times a billion blocks are found by counting."""
    steps = """step: repeat
    name: outer
    count: 1000000000
    steps:
      - {step: repeat, name: inner, count: 1000000000, steps: [{step: rest, for: 1 h}, {step: rest, for: 1 h, every: 10}]}"""
    plan = bound(steps)
    count = plan.totals.block_count
    assert count == 10**9 * (10**9 + 10**8)
    last = block_at(plan.items, count - 1)
    assert last.prefix == "outer[1000000000]/inner[1000000000]/"
    assert block_at(plan.items, 1).block.steps[0].label == "rest-2"
    assert block_at(plan.items, 2).prefix == "outer[1]/inner[2]/"
    with pytest.raises(IndexError, match="none of number"):
        block_at(plan.items, count)
    assert isinstance(plan.items[0], PlanRepeat)


@pytest.mark.parametrize(
    ("steps", "facts", "head", "sentence"),
    [
        ("{step: charge, current: 1 mA, for: 1 h}", LI_CU, "", "steps[0].step: a deposit cell has no charge; write plate"),
        ("{step: discharge, current: 1 mA, for: 1 h}", LI_LI, "",
         "steps[0].step: a symmetric cell has no discharge; write strip"),
        ("{step: plate, current: 1 mA, for: 1 h}", FULL, "", "steps[0].step: a full cell has no plate; write charge"),
        ("{step: cc, role: strip, current: 1 mA, for: 1 h}", FULL, "",
         "steps[0].role: a full cell has no strip; write discharge"),
        ("{step: plate, current: C/3, for: 1 h}", LI_CU, "", 'steps[0].current: "C/3" needs the nominal capacity of the cell'),
        ("{step: plate, current: 5.1 mA, for: 1 h}", LI_CU, "",
         "steps[0].current: 0.0051 A exceeds what the channel may pass, 0.005 A"),
        ("{step: cc, role: probe, current: -5.1 mA, for: 1 s}", LI_CU, "",
         "steps[0].current: 0.0051 A exceeds what the channel may pass, 0.005 A"),
        ("{step: plate, current: 2 mA, for: 1 h}", LI_CU, "limits: {current: 1 mA}",
         "steps[0].current: 0.002 A exceeds the schedule's own limit of 0.001 A"),
        ("{step: plate, current: 0 A, until: {charge: 1 mAh}}", LI_CU, "",
         "steps[0].until.charge: 0.001 Ah is never reached at a current of 0 A"),
        ("{step: plate, current: 1 mA, until: {charge: 1 mAh}, longest: 30 min}", LI_CU, "",
         "steps[0].longest: 1800 s is shorter than the 3600 s the step is to take"),
        ("{step: strip, current: 1 mA, until: {voltage_above: 5 V}, longest: 1 h}", LI_CU, "",
         "steps[0].until.voltage_above: 5 V is outside the window of the channel, -0.5 V … 4.5 V"),
        ("{step: strip, current: 1 mA, until: {voltage_above: 2 V}, longest: 1 h}", LI_CU, "limits: {voltage: [0 V, 1.5 V]}",
         "steps[0].until.voltage_above: 2 V is not inside the hard limits 0 V … 1.5 V"),
        ("{step: strip, current: 1 mA, until: {voltage_above: 1.5 V}, longest: 1 h}", LI_CU, "limits: {voltage: [0 V, 1.5 V]}",
         "steps[0].until.voltage_above: 1.5 V is not inside the hard limits"),
        ("{step: cv, role: plate, voltage: -1 V, for: 1 h}", LI_CU, "",
         "steps[0].voltage: -1 V is outside the window of the channel"),
        ("{step: rest, for: 1 h}", LI_CU, "limits: {voltage: [-0.6 V, 1 V]}",
         "limits.voltage[0]: -0.6 V is outside the window of the channel, -0.5 V … 4.5 V"),
        ("{step: rest, for: 1 h}", LI_CU, "limits: {voltage: [1 V, 0 V]}", "limits.voltage: 1 V … 0 V is empty"),
        ("{step: rest, for: 1 h}", LI_CU, "limits: {current: 6 mA}", "limits.current: 0.006 A exceeds what the channel may pass"),
        ("{step: rest, for: 1 h}", LI_CU, "limits: {current: 0 mA}", "limits.current: 0 A leaves no current"),
        ("{step: eis, from: 1 MHz, to: 1 Hz, points_per_decade: 5, amplitude: 10 mV, longest: 1 h}", LI_CU, "",
         "steps[0].from: 1e+06 Hz is outside what the channel measures, 0.01 Hz … 200000 Hz"),
        ("{step: eis, from: 1 kHz, to: 1 mHz, points_per_decade: 5, amplitude: 10 mV, longest: 1 h}", LI_CU, "",
         "steps[0].to: 0.001 Hz is outside what the channel measures"),
        ("{step: eis, from: 1 kHz, to: 100 mHz, points_per_decade: 5, amplitude: 10 mV, longest: 10 s}", LI_CU, "",
         "steps[0].longest: 10 s is too short: one period of each of the 21 points takes"),
        ("{step: repeat, count: 2, steps: [{step: rest, for: 1 h}, {step: plate, current: 9 mA, for: 1 h}]}", LI_CU, "",
         "steps[0].steps[1].current: 0.009 A exceeds what the channel may pass"),
        (("{step: charge, current: C/3, until: {voltage_above: 4.3 V}, longest: 4 h}\n"
         "  - {step: hold, voltage: 4.2 V, for: 1 h}"), FULL, "",
         "steps[1].voltage: 4.2 V after a charge to 4.3 V turns the current round; hold at 4.3 V"),
    ],
)  # fmt: skip
def test_bind_refuses_with_both_numbers(steps: str, facts: CellFacts, head: str, sentence: str) -> None:
    """What the cell or the channel cannot do is refused with its place and both values."""
    with pytest.raises(BadInput) as refused:
        bound(steps, facts, head)
    assert str(refused.value).startswith(sentence)


def test_bind_refuses_a_sweep_on_a_channel_without_impedance() -> None:
    """A channel that measures no impedance says so."""
    with pytest.raises(BadInput, match=r"steps\[0\]\.step: the channel measures no impedance"):
        bound(
            "{step: eis, from: 1 kHz, to: 1 Hz, points_per_decade: 5, amplitude: 10 mV, longest: 1 h}",
            window=ChannelWindow(-0.5, 4.5, 5e-3),
        )
