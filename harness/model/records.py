"""What the journal keeps: every kind of record, and nothing else.

Identity is ``(run_id, seq)``: ``seq`` starts at 0 in each run and has no holes. ``unix_time_nanosecond`` rises strictly
within a run: it is the record's identity in InfluxDB. Field names are one spelling from here to the dashboard; where the
Battery Data Format has a name, it is that one.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.run import Role, RunFacts


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began on a channel; nothing was sent to the instrument yet."""

    run_id: str
    seq: int
    unix_time_nanosecond: int
    facts: RunFacts


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step is about to be sent. ``program`` is the whole program as JSON, written before the instrument is told.

    ``command_index`` is the step's place in that program (a hold shares the program of the step before it) and
    ``anchor_nanosecond`` the station time of the step's start: stamps within it are anchor + step time.
    """

    run_id: str
    seq: int
    unix_time_nanosecond: int
    anchor_nanosecond: int
    cycle_count: int
    step_count: int
    step_path: str
    step_kind: str
    role: Role
    command_index: int
    program: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One DC reading in its context. ``flags`` are names joined by one space, "" when there is none.

    ``test_time_second`` counts from the run's start, ``step_time_second`` from the step's, on the instrument's clock.
    """

    run_id: str
    seq: int
    unix_time_nanosecond: int
    test_time_second: float
    step_time_second: float
    voltage_volt: float
    current_ampere: float
    cycle_count: int
    step_count: int
    step_path: str
    role: Role
    current_range_ampere: float | None
    flags: str


@dataclass(frozen=True, slots=True)
class ImpedancePoint:
    """One frequency of a sweep in its context; ``imaginary_impedance_ohm`` is negative when capacitive.

    ``frequency_index`` counts from 0 within the sweep, ``sweep_count`` from 1 within the run.
    """

    run_id: str
    seq: int
    unix_time_nanosecond: int
    test_time_second: float
    step_time_second: float
    frequency_index: int
    frequency_hertz: float
    real_impedance_ohm: float
    imaginary_impedance_ohm: float
    sweep_count: int
    cycle_count: int
    step_count: int
    step_path: str
    role: Role
    flags: str


@dataclass(frozen=True, slots=True)
class SweepEnded:
    """A sweep ended; only a complete one is fitted."""

    run_id: str
    seq: int
    unix_time_nanosecond: int
    sweep_count: int
    cycle_count: int
    step_count: int
    points: int
    complete: bool


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step ended after ``duration_second`` on the instrument's clock, because of ``reason`` (a word of the driver's
    `EndReason`, or ``lost`` when the instrument could not say).

    ``duration_second`` is ``None`` when unknown.
    """

    run_id: str
    seq: int
    unix_time_nanosecond: int
    cycle_count: int
    step_count: int
    step_path: str
    role: Role
    reason: str
    duration_second: float | None


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """All steps of a cycle are over: written when the next cycle begins, and at the run's end."""

    run_id: str
    seq: int
    unix_time_nanosecond: int
    cycle_count: int


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person may ask about later: a lost link, a gap, a limit, an operator's command.

    ``severity`` is ``info``, ``warning`` or ``alarm``; ``kind`` one word such as ``link_lost``, ``gap``, ``limit``, ``paused``.
    """

    run_id: str
    seq: int
    unix_time_nanosecond: int
    severity: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over and its cell is open. ``completed`` only when the plan's cursor reached its end."""

    run_id: str
    seq: int
    unix_time_nanosecond: int
    completed: bool
    reason: str


Record = RunStarted | StepStarted | Sample | ImpedancePoint | SweepEnded | StepEnded | CycleEnded | Incident | RunEnded
