"""A schedule: the cycling recipe as its author wrote it, checked, and not yet bound to any cell.

Steps are one class each, told apart by ``step``. Quantities stay text (see `harness.model.conditions`). What can be known to
be wrong without a cell is refused here, with the place in the file; the rest when `harness.cycling.plan.bind` meets the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, ValidationError, model_validator

from harness.errors import BadInput
from harness.model.conditions import (
    Current,
    Duration,
    Frequency,
    Limits,
    Sampling,
    Until,
    Voltage,
    VoltageChange,
    c_rate_of,
    check_ends,
    magnitude_of,
)
from harness.model.run import Role, check_identifier
from harness.model.written import Written, wrong
from harness.model.yaml_text import complaint, joined, load_mapping, located

OnGap = Literal["abort", "continue", "adopt"]
"""What happens to a run whose link was lost: end it, go on with what remains, or adopt the program that still runs."""

_ROLE_OF_KIND = {
    "rest": Role.REST, "plate": Role.PLATE, "strip": Role.STRIP, "charge": Role.CHARGE, "discharge": Role.DISCHARGE,
    "eis": Role.PROBE,
}  # fmt: skip


def _check_name(text: str) -> str:
    try:
        return check_identifier(text, "")
    except BadInput as bad:
        raise wrong(bad.what) from None


Name = Annotated[str, AfterValidator(_check_name)]
Count = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]


class _Step(Written):
    """What every step may say. ``every`` n: only in the passes 1, 1 + n, 1 + 2n, … of the repeat it stands in."""

    name: Name | None = None
    every: Count | None = None


class _Measured(_Step):
    """A step that ends by itself; ``for`` is short for ``until: {duration: …}``."""

    sampling: Sampling = Sampling()
    lasts: Duration | None = Field(default=None, alias="for")
    until: Until = Until()
    longest: Duration | None = None

    @property
    def duration(self) -> str | None:
        """The stated duration, wherever it is stated."""
        return self.until.duration if self.lasts is None else self.lasts


class RestStep(_Measured):
    """Cell open."""

    step: Literal["rest"]


class DirectedStep(_Measured):
    """Constant current whose direction follows from its name and the cell; ``current`` is a magnitude."""

    step: Literal["plate", "strip", "charge", "discharge"]
    current: Current


class ConstantCurrentStep(_Measured):
    """Constant current with a stated role. With the role ``probe`` the sign is as written, otherwise a magnitude is."""

    step: Literal["cc"]
    role: Role
    current: Current


class HoldStep(_Measured):
    """Constant voltage in the program and role of the step before it: the cell stays connected, and both are skipped together."""

    step: Literal["hold"]
    every: None = None
    voltage: Voltage


class ConstantVoltageStep(_Measured):
    """Constant voltage from an open cell, with a stated role."""

    step: Literal["cv"]
    role: Role
    voltage: Voltage


class ImpedanceStep(_Step):
    """A sweep around the open-circuit voltage, from high to low frequency; ``amplitude`` is RMS."""

    step: Literal["eis"]
    frequency_from: Frequency = Field(alias="from")
    frequency_to: Frequency = Field(alias="to")
    points_per_decade: Annotated[StrictInt, Field(ge=1, le=100)]
    amplitude: VoltageChange
    longest: Duration


class RepeatStep(_Step):
    """Its steps, ``count`` times."""

    step: Literal["repeat"]
    count: Count
    steps: Annotated[list[Step], Field(min_length=1)]


MeasuredStep = RestStep | DirectedStep | ConstantCurrentStep | HoldStep | ConstantVoltageStep
Leaf = MeasuredStep | ImpedanceStep
Step = Annotated[Leaf | RepeatStep, Field(discriminator="step")]


class Schedule(Written):
    """The whole recipe. ``version`` is that of the language, so that an old file is never read with new meaning."""

    schedule: Name
    version: Literal[1]
    description: str = ""
    on_gap: OnGap = "abort"
    sampling: Sampling = Sampling()
    limits: Limits = Limits()
    steps: Annotated[list[Step], Field(min_length=1)]

    @model_validator(mode="after")
    def _must_make_sense(self) -> Schedule:
        _check_steps(self.steps, "steps", repeated=False)
        return self


RepeatStep.model_rebuild()
Schedule.model_rebuild()


def parse_schedule(text: str, source: str) -> Schedule:
    """The schedule in the YAML ``text``; ``source`` (a file name, or "") begins every complaint.

    Raises:
        BadInput: with the place in the file, what stands there, and what instead.
    """
    data = load_mapping(text, source)
    try:
        return Schedule.model_validate(data)
    except ValidationError as error:
        raise complaint(error, data, source) from None
    except BadInput as bad:
        raise BadInput(located(bad.where, source), bad.what) from None


def ready_schedules() -> list[str]:
    """The names of the schedules that come with the harness."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shelf().iterdir() if entry.name.endswith(".yaml"))


def ready_schedule(name: str) -> str:
    """The text of a ready schedule; `BadInput` names those there are."""
    if name not in ready_schedules():
        raise BadInput("schedule", f'"{name}" is not a ready schedule; there are {", ".join(ready_schedules())}')
    return _shelf().joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def schedule_text(name_or_file: str) -> str:
    """The text of the ready schedule of that name, else of the file; `BadInput` if it is neither."""
    if name_or_file in ready_schedules():
        return ready_schedule(name_or_file)
    try:
        return Path(name_or_file).read_text(encoding="utf-8")
    except OSError:
        ready = ", ".join(ready_schedules())
        raise BadInput(
            "schedule", f'"{name_or_file}" is neither a ready schedule ({ready}) nor a file that can be read'
        ) from None
    except UnicodeDecodeError:
        raise BadInput("schedule", f'"{name_or_file}" is not UTF-8 text') from None


def with_count(schedule: Schedule, count: int) -> Schedule:
    """``schedule`` with its outermost repeat done ``count`` times; `BadInput` if it has none, or several side by side."""
    repeats = [index for index, step in enumerate(schedule.steps) if isinstance(step, RepeatStep)]
    if count < 1:
        raise BadInput("count", f"{count} is not a number of times; write 1 or more")
    if len(repeats) != 1:
        found = "no repeat" if not repeats else f"{len(repeats)} repeats side by side"
        raise BadInput("count", f"the schedule {schedule.schedule} has {found}; change the count in its file")
    steps = [step.model_copy(update={"count": count}) if index in repeats else step for index, step in enumerate(schedule.steps)]
    return schedule.model_copy(update={"steps": steps})


def roles_of(steps: Sequence[Leaf | RepeatStep]) -> Iterator[Role | None]:
    """The role of each step in turn; ``None`` for a repeat. A hold has that of the step before it."""
    role: Role | None = None
    for step in steps:
        match step:
            case RepeatStep():
                role = None
            case ConstantCurrentStep() | ConstantVoltageStep():
                role = step.role
            case HoldStep():
                pass
            case _:
                role = _ROLE_OF_KIND[step.step]
        yield role


def labels_of(steps: Sequence[Leaf | RepeatStep]) -> list[str]:
    """How each step of a list is called in paths: its name, else its kind, numbered from the second of a kind (``rest-2``)."""
    taken = {step.name for step in steps if step.name is not None}
    labels: list[str] = []
    for step in steps:
        label, number = step.name or step.step, 1
        while step.name is None and label in taken:
            number += 1
            label = f"{step.step}-{number}"
        taken.add(label)
        labels.append(label)
    return labels


def _shelf() -> Traversable:
    return resources.files("harness").joinpath("schedules")


def _check_steps(steps: Sequence[Leaf | RepeatStep], where: str, *, repeated: bool) -> None:
    before: Leaf | RepeatStep | None = None
    names: list[str] = []
    for index, (step, role) in enumerate(zip(steps, roles_of(steps), strict=True)):
        try:
            _check_place(step, names, repeated=repeated)
            _check_step(step, role, before)
        except BadInput as bad:
            raise bad.inside(joined(where, index)) from None
        if isinstance(step, RepeatStep):
            _check_steps(step.steps, joined(where, index, "steps"), repeated=True)
        before = step
        names.extend([step.name] if step.name else [])


def _check_place(step: Leaf | RepeatStep, names: Sequence[str], *, repeated: bool) -> None:
    if step.name in names:
        raise BadInput("name", f'"{step.name}" is the name of another step beside it')
    if step.every is not None and not repeated:
        raise BadInput("every", "it counts the passes of a repeat, and this step stands in none")


def _check_step(step: Leaf | RepeatStep, role: Role | None, before: Leaf | RepeatStep | None) -> None:
    match step:
        case RepeatStep():
            return
        case ImpedanceStep():
            if magnitude_of(step.frequency_from, "Hz")[0] <= magnitude_of(step.frequency_to, "Hz")[0]:
                raise BadInput("to", f'"{step.frequency_to}" is not below "{step.frequency_from}"; a sweep goes from high to low')
            return
        case HoldStep():
            if not isinstance(before, DirectedStep | ConstantCurrentStep | ConstantVoltageStep | HoldStep):
                raise BadInput("step", "hold goes on from a step with current directly before it, and there is none; use cv")
        case ConstantCurrentStep() | ConstantVoltageStep() if role is Role.REST:
            raise BadInput("role", f"a {step.step} step passes current, so it cannot have the role rest")
        case _:
            pass
    if isinstance(step, DirectedStep | ConstantCurrentStep) and role is not Role.PROBE:
        _check_magnitude(step, role)
    _check_end(step, role or Role.REST)


def _check_magnitude(step: DirectedStep | ConstantCurrentStep, role: Role | None) -> None:
    if c_rate_of(step.current) is None and magnitude_of(step.current, "A/cm^2", "A")[0] < 0:
        raise BadInput("current", f'"{step.current}" is negative; write the magnitude, a {role} step knows its direction')


def _check_end(step: MeasuredStep, role: Role) -> None:
    if step.lasts is not None and step.until.duration is not None:
        raise BadInput("until.duration", '"for" states the duration already; keep one of them')
    check_ends(step.step, role, step.until)
    if step.lasts is None and not step.until.stated:
        raise BadInput("", f'this {step.step} step has no end; add "for" or "until"')
    if step.longest is None and step.duration is None and step.until.charge is None:
        raise BadInput("longest", "it is missing: a step that ends at a voltage or current may never end; add a longest time")
    if step.sampling.check is not None and step.sampling.every is not None:
        _check_sampling(step.sampling)


def _check_sampling(sampling: Sampling) -> None:
    if magnitude_of(sampling.check, "s")[0] > magnitude_of(sampling.every, "s")[0]:
        raise BadInput("sampling.check", f'"{sampling.check}" is longer than "{sampling.every}" between readings')
