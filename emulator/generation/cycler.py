"""A schedule carried out on one channel without a wire: events at their exact moments, samples by the sampling rule.

The end of a step is found on the true cell: the channel is taken back to where it was and brought to the moment at which the
voltage at its leads (or, in a hold, the current) passes the end, to a nanosecond. Instruments look every so often and end late;
what that costs is seen behind a wire, not here. Readings are those of the channel, with all its imperfections, and times are
those of its clock.

Sampling: a reading at a step's start, then after ``every``, or earlier at the first look (a multiple of ``check``) at which the
true voltage has moved by ``on_change`` since the reading before, and one at the step's end.

Counts are those of a run: ``cycle_count`` rises with each deposit that is the first or follows a removal, ``step_count`` with
every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from emulator.generation.recording import Recording
from emulator.generation.schedule import Step
from emulator.instruments.channel import Channel, Mode

EXACT_SECOND = 1e-9
HOLD_PART_SECOND = 5.0
"""A regulated current is taken as straight over this long."""

_SHORTEST_POINT_SECOND = 0.02
_PERIODS_PER_POINT = 2.0
_TURNS = 200


@dataclass(slots=True)
class Counts:
    """Where a run is."""

    cycle: int = 0
    step: int = 0
    sweep: int = 0
    removed: bool = True

    def begin(self, step: Step) -> None:
        """One more step."""
        self.step += 1
        if step.role.deposits and self.removed:
            self.cycle += 1
        self.removed = step.role.removes or (self.removed and not step.role.deposits)


class Cycler:
    """Runs steps on ``channel`` and writes down what it reads."""

    def __init__(self, channel: Channel, recording: Recording) -> None:
        self.channel = channel
        self.recording = recording
        self.counts = Counts()
        self._step_start = 0.0
        self._seen = (-1.0, 0.0, 0.0)

    def run(self, steps: Iterable[Step]) -> str:
        """Do them all; returns ``completed``, or which hard limit stopped them."""
        stopped = ""
        connected = False
        for step in steps:
            if connected and step.kind != "hold":
                self.channel.switch_off()
            reason = self._do(step)
            connected = step.kind != "rest"
            if reason.startswith("limit"):
                stopped = f"{step.path}: {reason}"
                break
        self.channel.switch_off()
        self.channel.close_row()
        return stopped or "completed"

    def _do(self, step: Step) -> str:
        self.counts.begin(step)
        self._step_start = self.channel.elapsed
        if step.frequencies:
            return self._sweep(step)
        self._apply(step)
        return self._measure(step)

    def _apply(self, step: Step) -> None:
        channel = self.channel
        if step.kind == "rest":
            channel.switch_off()
            return
        if step.current_ampere is not None:
            channel.mode = Mode.GALVANOSTAT
            channel.set_current = step.current_ampere
            channel.ammeter.choose(channel.ammeter.place_for(step.current_ampere))
        else:
            channel.mode = Mode.LOW_SPEED
            channel.set_potential = step.volt or 0.0
        channel.switch_on()

    # -- a step with samples

    def _measure(self, step: Step) -> str:
        """Take the step to its end, sample by sample."""
        self._sample(step)
        volt = self._volt()
        if self._passed(step):
            return self._reason(step)
        while True:
            reason = self._to_next_sample(step, volt)
            self._sample(step)
            if reason:
                return reason
            volt = self._volt()

    def _to_next_sample(self, step: Step, volt: float) -> str:
        """Go to the next reading; why the step ends there, or nothing."""
        last = min(step.until.second, step.longest_second)
        goal = min(self._elapsed + step.every_second, last)
        while goal - self._elapsed > EXACT_SECOND:
            part = min(goal, self._elapsed + (HOLD_PART_SECOND if step.volt is not None else step.every_second))
            saved, before = self._save(), self._elapsed
            self._advance_to(part)
            if self._passed(step):
                self._locate(saved, before, part, lambda: self._passed(step))
                return self._reason(step)
            if step.volt is None and abs(self._volt() - volt) >= step.change_volt:
                self._to_change(step, volt, saved, (before, part))
                break
        return self._reason(step) if last - self._elapsed <= EXACT_SECOND else ""

    def _to_change(self, step: Step, volt: float, saved: Saved, span: tuple[float, float]) -> None:
        """Back to the first look in ``span`` at which the voltage has moved enough; where no look is earlier, stay."""
        first = math.floor(span[0] / step.check_second + 1e-9) + 1
        last = math.ceil(span[1] / step.check_second - 1e-9)
        if first >= last:
            return
        while first < last:
            middle = (first + last) // 2
            self._restore(saved)
            self._advance_to(middle * step.check_second)
            if abs(self._volt() - volt) >= step.change_volt:
                last = middle
            else:
                first = middle + 1
        self._restore(saved)
        self._advance_to(min(last * step.check_second, span[1]))

    def _locate(self, saved: Saved, before: float, after: float, passed: Callable[[], bool]) -> None:
        """Bring the channel to the first moment between ``before`` and ``after`` at which it has ``passed``."""
        if self._rows != saved.rows:
            return
        for _ in range(_TURNS):
            if after - before <= EXACT_SECOND:
                break
            middle = 0.5 * (before + after)
            self._restore(saved)
            self._advance_to(middle)
            if passed():
                after = middle
            else:
                before = middle
        self._restore(saved)
        self._advance_to(after)

    def _passed(self, step: Step) -> bool:
        """Whether the step is past an end that is not a time."""
        until = step.until
        if step.volt is not None:
            taper = until.current_below_ampere
            return taper is not None and abs(self.channel.current) <= taper
        volt = self._volt()
        low, high = step.limits_volt
        return volt >= min(until.above_volt, high) or volt <= max(until.below_volt, low)

    def _reason(self, step: Step) -> str:
        until, volt = step.until, self._volt()
        if step.volt is not None:
            taper = until.current_below_ampere
            if taper is not None and abs(self.channel.current) <= taper:
                return "current_below"
        elif volt >= step.limits_volt[1] or volt <= step.limits_volt[0]:
            return "limit_voltage"
        elif volt >= until.above_volt:
            return "voltage_above"
        elif volt <= until.below_volt:
            return "voltage_below"
        return "duration" if until.second <= step.longest_second else "limit_duration"

    # -- a sweep

    def _sweep(self, step: Step) -> str:
        channel, counts = self.channel, self.counts
        counts.sweep += 1
        channel.mode = Mode.LOW_SPEED
        channel.set_potential = channel.leads.voltage(0.0)
        channel.switch_on()
        channel.rest_at(0.0)
        start, first = channel.now_nanosecond, channel.cell.elements()
        for frequency in step.frequencies:
            channel.sweep_to(channel.elapsed + max(_PERIODS_PER_POINT / frequency, _SHORTEST_POINT_SECOND))
            impedance = channel.read_impedance(channel.cell.elements(), frequency)
            self.recording.points.append(
                (
                    *self._times(), frequency, impedance.real, impedance.imag, counts.sweep, counts.cycle, counts.step,
                    step.path, step.role.value,
                )
            )  # fmt: skip
        channel.write_sweep("eis", start, list(step.frequencies), first)
        return "limit_duration" if self._elapsed > step.longest_second else "completed"

    # -- the channel

    @property
    def _elapsed(self) -> float:
        """Seconds since the step began, on the instrument's clock."""
        return (self.channel.elapsed - self._step_start) * self.channel.timer.rate

    @property
    def _rows(self) -> float:
        """Changes when the ledger has written a row, after which there is no way back."""
        return self.channel.ledger.charge_coulomb

    def _advance_to(self, second: float) -> None:
        self.channel.advance(self._step_start + second / self.channel.timer.rate)

    def _volt(self) -> float:
        """The voltage at the leads, computed once for each moment."""
        moment, current, volt = self._seen
        channel = self.channel
        if moment != channel.elapsed or current != channel.current:
            volt = channel.leads.voltage(channel.current)
            self._seen = (channel.elapsed, channel.current, volt)
        return volt

    def _times(self) -> tuple[float, float]:
        return self.channel.elapsed * self.channel.timer.rate, self._elapsed

    def _sample(self, step: Step) -> None:
        channel, counts = self.channel, self.counts
        volt, current = channel.read_voltage(), channel.read_current()
        nominal = channel.ammeter.ranges[channel.ammeter.range].nominal
        self.recording.samples.append(
            (*self._times(), volt, current, counts.cycle, counts.step, step.path, step.role.value, nominal)
        )

    def _save(self) -> Saved:
        channel = self.channel
        state = channel.cell.snapshot()
        return Saved(state, channel.elapsed, channel.current, channel.owed, channel.ledger.open_coulomb, self._rows)

    def _restore(self, saved: Saved) -> None:
        channel = self.channel
        channel.cell.restore(saved.cell)
        channel.elapsed, channel.current, channel.owed = saved.elapsed, saved.current, saved.owed
        channel.ledger.open_coulomb = saved.open_coulomb


@dataclass(frozen=True, slots=True)
class Saved:
    """A moment of a channel within one row of its ledger; with ``rows`` to see that the row has not ended."""

    cell: bytes
    elapsed: float
    current: float
    owed: tuple[float, float]
    open_coulomb: float
    rows: float
