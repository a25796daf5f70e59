"""Faults of the instrument as a machine: I11 … I14 and I16 … I18 of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from emulator.faults.draws import Draws
from emulator.faults.fault import Fault, FaultType, Lasting, Layer, NoParameters
from emulator.faults.lines import Altered, Choice, Line, LineFault
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.syntax import Script
from harness.model.written import Written

Number = Annotated[float, Field(allow_inf_nan=False)]


class EmergencyStop(Fault[NoParameters]):
    """I11. The cell is opened by hardware, and the script ends with a critical overload; an idle channel notices nothing."""

    id = "I11_emergency_stop"
    layer = Layer.INSTRUMENT
    lasting = Lasting.INSTANT
    summary = "the emergency stop opens the cell and ends the script with 0032"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.switch_off()
        if self.target.session.execution is not None:
            self.target.session.execution.fail(codes.CRITICAL_OVERLOAD)


class RebootParameters(Written):
    """Whether the port survives, as one behind an adapter does, or goes with the instrument."""

    link: Literal["stays", "drops"] = "stays"


class Reboot(Fault[RebootParameters]):
    """I12. Script, variables and what was not sent yet are lost, the cell is open; the instrument answers again at once."""

    id = "I12_reboot"
    layer = Layer.INSTRUMENT
    lasting = Lasting.INSTANT
    summary = "the watchdog restarts the instrument: its script is lost, its cell open"
    parameters_type = RebootParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        session = self.target.session
        session.power_off()
        session.power_on()
        if self.parameters.link == "drops":
            self.target.link.drop()


class JumpParameters(Written):
    """How far; negative is back."""

    second: Number = 3600.0


class ClockJump(Fault[JumpParameters]):
    """I13. The timer that a script reads; what its loops wait for does not move."""

    id = "I13_clock_jump"
    layer = Layer.INSTRUMENT
    lasting = Lasting.INSTANT
    summary = "the instrument's clock jumps"
    parameters_type = JumpParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.timer.shift(self.parameters.second)


class DriftParameters(Written):
    """How much too fast, in parts of a million; negative is too slow."""

    ppm: Annotated[float, Field(gt=-1e6, lt=1e6)] = 5000.0


class ClockDrift(Fault[DriftParameters]):
    """I13."""

    id = "I13_clock_drift"
    layer = Layer.INSTRUMENT
    ticks = True
    summary = "the instrument's clock runs too fast or too slow"
    parameters_type = DriftParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._second = 0.0

    def tick(self, second: float) -> None:
        """See `Fault.tick`."""
        self.channel.timer.shift((second - self._second) * self.parameters.ppm * 1e-6)
        self._second = second


class MemoryParameters(Written):
    """What is left for a script; the short ones that open a cell need 120 bytes."""

    bytes: Annotated[int, Field(ge=1)] = 256


class MemoryFull(Fault[MemoryParameters]):
    """I14. This family keeps no records; what is full is the memory for scripts (4005)."""

    id = "I14_memory_full"
    layer = Layer.INSTRUMENT
    summary = "the memory for scripts is full"
    parameters_type = MemoryParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._model = self.channel.model
        self.channel.model = replace(self._model, script_bytes=self.parameters.bytes)

    def end(self) -> None:
        """See `Fault.end`."""
        self.channel.model = self._model


class ExecutedTwice(Fault[NoParameters]):
    """I16. The next time a host comes back after its program is over, the instrument begins that program again; once."""

    id = "I16_executed_twice"
    layer = Layer.INSTRUMENT
    lasting = Lasting.INSTANT
    summary = "after a reconnect the instrument executes its last script again"

    def begin(self) -> None:
        """See `Fault.begin`."""
        link = self.target.link
        self._script: Script | None = None
        self._received: Callable[[bytes], None] = link.received
        self._lost: Callable[[], None] = link.lost
        link.received, link.lost = self._hear, self._lose

    def _lose(self) -> None:
        self._script = self.target.session.loaded
        self._lost()

    def _hear(self, data: bytes) -> None:
        script, session = self._script, self.target.session
        if script is not None and session.execution is None:
            self.target.link.received, self.target.link.lost = self._received, self._lost
            session.execute(script)
            self.note(facts={"executed_again": True})
        self._received(data)


class LostEnd(LineFault[Choice]):
    """I17. The package that says how a command ended never comes."""

    id = "I17_lost_end"
    layer = Layer.INSTRUMENT
    parameters_type = Choice
    summary = "the end of a step is not said"

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`."""
        del draws
        return () if line.startswith(b"P") and b";jc" in line else (line,)


class CounterReset(Fault[NoParameters]):
    """I18. Of the counters of this family a script of ours reads one: its timer."""

    id = "I18_counter_reset"
    layer = Layer.INSTRUMENT
    lasting = Lasting.INSTANT
    summary = "the instrument's timer begins again at zero"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.channel.timer.start(self.channel.elapsed)


FAULTS: tuple[FaultType, ...] = (
    EmergencyStop, Reboot, ClockJump, ClockDrift, MemoryFull, ExecutedTwice, LostEnd, CounterReset,
)  # fmt: skip
