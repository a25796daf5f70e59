"""A script running in simulated time: when it waits, how it is stopped, how it ends.

Statements run in slices; a slice ends when the script is ahead of the clock (then it waits; in time that flows for at least a
few milliseconds, so that many iterations are done at once) or has had its share of the processor. Whether anybody listens
changes nothing here: a script whose host is gone runs to its own limits and then through ``on_finished:``. After a runtime error
``on_finished:`` is *not* run and the cell stays as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator

from emulator.clocks.clock import NANOSECOND, QUANTUM_SECOND, Clock
from emulator.instruments.channel import Channel
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptFault
from emulator.instruments.methodscript.compiler import compile_script
from emulator.instruments.methodscript.machine import Machine, Stop
from emulator.instruments.methodscript.syntax import Script

_STEPS_BETWEEN_LOOKS = 64


class Execution:
    """One run of one script. ``send`` takes bytes and never blocks; ``ready`` waits where a stalled output would.

    ``ready`` is awaited after every flush when given, and says whether it had to wait.
    """

    def __init__(
        self,
        script: Script,
        channel: Channel,
        clock: Clock,
        send: Callable[[bytes], None],
        *,
        ready: Callable[[], Awaitable[bool]] | None = None,
        blank_after_fault: bool = True,
        say_set_points: bool = False,
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._send = send
        self.ready = ready
        self._blank_after_fault = blank_after_fault
        self._machine = Machine(script, channel, say_set_points=say_set_points)
        self._body, self._finish = compile_script(script, self._machine)
        self._stop = Stop.NONE
        self._fault: str | None = None
        self._halted = False
        self._killed = False
        self._waiter = clock.waiter(channel.name)
        self.iterations = 0

    # -- what the host and the scenario can ask

    def abort(self) -> None:
        """Stop the whole script; ``on_finished:`` runs."""
        self._stop = Stop.ABORT
        self._halted = False
        self._waiter.poke()

    def skip(self) -> None:
        """Stop the present measurement loop."""
        if self._stop is Stop.NONE:
            self._stop = Stop.SKIP
        self._waiter.poke()

    def halt(self) -> None:
        """Freeze the script; the cell stays polarised."""
        self._halted = True
        self._waiter.poke()

    def resume(self) -> None:
        """Go on after `halt`."""
        self._halted = False
        self._waiter.poke()

    def fail(self, code: str) -> None:
        """A runtime error happens now."""
        self._fault = code
        self._halted = False
        self._waiter.poke()

    def kill(self) -> None:
        """The supply fails: nothing more is executed or said, not even an end."""
        self._killed = True
        self._machine.lines.clear()
        self.fail(codes.CRITICAL_OVERLOAD)

    def flush(self, *, ended: bool = False) -> None:
        """Send what the script has said so far."""
        clock, moment, lines = self._clock, self._channel.now_nanosecond, self._machine.lines
        clock.reached(moment)
        if lines and not self._killed:
            said = ("\n".join(lines) + "\n").encode("ascii")
            lines.clear()
            clock.speaking_nanosecond = None if ended else moment
            self._send(said)
            clock.speaking_nanosecond = None

    # -- its life

    async def run(self) -> None:
        """From the first statement to the empty line that ends the output."""
        machine = self._machine
        await self._waiter.until(self._channel.now_nanosecond)
        try:
            await self._drive(self._body())
            machine.stop = self._stop = Stop.NONE
            await self._drive(self._finish())
        except ScriptFault as fault:
            if self._killed:
                machine.lines.clear()
                self._channel.switch_off()
                return
            machine.line(f"!{fault.code}: Line {fault.line}")
            if self._blank_after_fault:
                machine.line("")
        else:
            machine.line("")
        await self._clock.wait_until(self._channel.now_nanosecond, self._waiter)
        self.flush(ended=True)

    async def _drive(self, steps: Generator[float, None, int]) -> None:
        clock = self._clock
        horizon = self._horizon()
        slice_end = time.monotonic() + QUANTUM_SECOND
        look = _STEPS_BETWEEN_LOOKS
        said = self._machine.lines if clock.eager else ()
        for due in steps:
            self.iterations += 1
            look -= 1
            if due > horizon:
                horizon = self._horizon()
            if self._fault is None:
                if due <= horizon and look > 0 and not said:
                    continue
                look = _STEPS_BETWEEN_LOOKS
                if not await self._paused(due, horizon, slice_end, said=bool(said)):
                    continue
            if self._fault is not None:
                code, self._fault = self._fault, None
                raise ScriptFault(code, 1)
            horizon = self._horizon()
            slice_end = time.monotonic() + QUANTUM_SECOND

    async def _paused(self, due: float, horizon: float, slice_end: float, *, said: bool) -> bool:
        """Sleep where the script is ahead, let others run where it has had its share; whether either was so."""
        if due > horizon or said:
            await self._wait(due)
            return True
        if time.monotonic() <= slice_end:
            return False
        self._clock.note_lag(self._channel.name, horizon - due)
        await self._yield()
        self._take_requests(due)
        return True

    def _horizon(self) -> float:
        """How far the script may go without waiting, as ``elapsed`` seconds."""
        return (self._clock.free_until(self._waiter) - self._channel.base_nanosecond) / NANOSECOND

    async def _wait(self, due: float) -> None:
        """Wait until ``due``, or until something was asked for."""
        channel, clock = self._channel, self._clock
        await self._yield(sleep=False)
        moment = channel.base_nanosecond + round(due * NANOSECOND)
        while self._fault is None:
            if self._halted:
                await self._waiter.until(clock.tick_nanosecond(10 * QUANTUM_SECOND))
                channel.advance(clock.second_since(channel.base_nanosecond))
                continue
            if self._take_requests(due) or clock.now_nanosecond() >= moment:
                return
            await self._waiter.until(moment)

    def _take_requests(self, due: float) -> bool:
        """Hand a stop to the script, unless a frequency is being measured; whether there was one."""
        machine = self._machine
        if self._stop is Stop.NONE:
            return False
        if machine.held:
            machine.stop, self._stop = self._stop, Stop.NONE
            return False
        machine.stop, self._stop = self._stop, Stop.NONE
        now = self._clock.second_since(self._channel.base_nanosecond)
        machine.stop_elapsed = max(self._channel.elapsed, min(now, due))
        return True

    async def _yield(self, *, sleep: bool = True) -> None:
        """Send what there is; then let others run."""
        self.flush()
        if self.ready is not None and await self.ready():
            self._channel.advance(self._clock.second_since(self._channel.base_nanosecond))
        if sleep:
            await asyncio.sleep(0)
