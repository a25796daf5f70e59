"""One run on one channel: asks the stepper what comes next, has the channel do it, and records what it says.

Order matters here more than anywhere: a program is in the journal before it is sent, a reading is judged by `safety` before
it is stored, and `make_safe` is sent first and recorded after. The runner knows nothing of links: when one is lost the
driver's error passes through, and the rack calls `recover` once the instrument answers again.

Commands come from other tasks at any time. Each opens the cell by `make_safe`, which overtakes the program; the program's
own end then carries the command out, so that what remains of the step is known before anything else happens. A command that
finds a program recorded but not yet sent keeps it from being sent.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum

import structlog

from harness.clock import StationClock
from harness.cycling import plausibility, recovery, safety, stepper
from harness.cycling.doing import Doing, Live
from harness.cycling.plan import Plan
from harness.cycling.recorder import Recorder
from harness.cycling.resumption import Resumption, bridged_to, told_of
from harness.cycling.witness import Heard, Witness
from harness.errors import JournalError
from harness.units import NANOSECOND
from potentiostat_drivers.errors import InstrumentFault, ProgramInvalid, Rejected, ReplyTimeout
from potentiostat_drivers.interface import Attachment, Channel, Safety, Unconfirmed
from potentiostat_drivers.program import CommandEnded, Damaged, EndReason, ImpedancePoint, Item, ProgramEnded, Reading

_TOKENS = 2**27 - 1

log = structlog.get_logger(__name__)


class Phase(StrEnum):
    """The life of a run."""

    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class ChannelRunner:
    """Drives one plan. `drive` and `recover` are called by the rack, the rest by whoever commands the run."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        plan: Plan,
        envelope: safety.Envelope,
        clock: StationClock,
        accuracy: plausibility.Accuracy = plausibility.Accuracy(),  # noqa: B008 - frozen
        resumption: Resumption | None = None,
    ) -> None:
        self.recorder = recorder
        self.plan = plan
        self.phase = Phase.RUNNING
        self.live = Live()
        self.ending_sentence = ""
        self._envelope = envelope
        self._doubts = plausibility.Doubts(accuracy)
        self._clock = clock
        self._cursor = self._block_cursor = stepper.start(plan)
        self._cycle_count = 0
        self._doing: Doing | None = None
        self._channel: Channel | None = None
        self._requests: list[Callable[[], None]] = []
        self._overtaken = False
        self._changed = asyncio.Event()
        if resumption is not None:
            self._take_up(resumption)

    # -- commands ------------------------------------------------------------------------------------------------------

    async def pause(self, who: str) -> None:
        """Open the cell and wait for `resume`; the interrupted step keeps what remains of it."""
        await self._interrupt(lambda: self._set_phase(Phase.PAUSED, "paused", f"{who} paused the run"))

    def resume(self, who: str) -> None:
        """Go on after a pause."""
        if self.phase is Phase.PAUSED:
            self._doubts.forget()
            self._set_phase(Phase.RUNNING, "resumed", f"{who} resumed the run")

    async def stop(self, reason: str) -> None:
        """Open the cell and end the run."""
        await self._interrupt(lambda: self._end(reason, completed=False))

    async def shut_down(self) -> None:
        """Open the cell because the daemon stops. The run stays open in the journal unless its schedule gives up at gaps."""
        if self.plan.on_gap == "abort":
            await self.stop("the daemon was stopped, and the schedule's on_gap is abort")
            return
        await self._interrupt(lambda: self._set_phase(Phase.PAUSED, "shutdown", "the daemon was stopped; the cell is open"))

    def give_up(self, sentence: str) -> None:
        """End the run because of a fault in the software itself."""
        self._fail("software", sentence)

    async def wait_changed(self) -> None:
        """Return after the next command was carried out, or the run ended."""
        await self._changed.wait()
        self._changed.clear()

    # -- the rack's side -----------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether a program was sent whose end has not been seen."""
        return self._doing is not None

    @property
    def over_nanosecond(self) -> int | None:
        """By when, in station time, an instrument that keeps its limits has ended what was sent; ``None``: nothing was."""
        return None if self._doing is None else self._doing.over_nanosecond

    async def drive(self, channel: Channel) -> None:
        """Do blocks until the plan ends or somebody asks otherwise. Link errors pass through, the cell's state unknown then."""
        self._channel = channel
        try:
            while self.phase is Phase.RUNNING:
                await self._next(channel)
        except (Rejected, ProgramInvalid, InstrumentFault) as fault:
            self._fail("instrument", str(fault))
        finally:
            self._channel = None
            self._carry_out()

    async def recover(self, channel: Channel, ensure_safe: Callable[[], Awaitable[None]]) -> None:
        """Decide what became of a program whose end was not seen, now that the instrument answers again.

        ``ensure_safe`` returns when the cell is open and the instrument has shown it. Commands may end the run at every await.
        """
        doing = self._doing
        if doing is None:
            return
        self._doubts.forget()
        if doing.over is None:
            attachment = await channel.attach()
            if self._doing is None:
                return
            choice = recovery.decide(self._on_gap(), attachment, doing.block.program.token)
            if isinstance(choice, recovery.Adopt):
                self.recorder.incident(
                    "warning", "gap", "the link was lost; the program that runs is the recorded one, and adopted"
                )
                return
            self._note_gap(attachment)
        await ensure_safe()
        if self._doing is None:
            return
        self.recorder.incident("info", "made_safe", "the cell is open, and the instrument showed it")
        if doing.over is not None:
            self._block_over(doing.over)
        elif isinstance(choice, recovery.GiveUp):
            self._end("the link was lost while a program ran, and the schedule's on_gap is abort", completed=False)
        else:
            self._bridge_gap()

    def _on_gap(self) -> recovery.OnGap:
        """What the schedule wishes; but what should not run now is not adopted."""
        if self.plan.on_gap == "adopt" and self.phase is not Phase.RUNNING:
            return "continue"
        return self.plan.on_gap

    def _note_gap(self, attachment: Attachment) -> None:
        """Keep what is found now, before the cell is opened. Lost again before that was shown, the next look decides: an
        instrument that is idle then counts as having done all it could, for no cell may be polarised twice.
        """
        doing = self._current()
        elapsed = doing.elapsed_second(self._clock.now_nanosecond())
        self._doing = replace(doing, gap=recovery.outcome_of_gap(doing.command, attachment, elapsed))
        if doing.gap is None:
            self.recorder.incident("warning", "gap", "the link was lost while a program ran; readings since then are missing")

    def _bridge_gap(self) -> None:
        reason, duration = self._current().gap or (EndReason.ABORTED, 0.0)
        self._command_over(reason, duration, seen=False)
        self._block_over(reason)
        if self.phase is not Phase.ENDED:
            self.recorder.incident("info", "bridged", bridged_to(self._cursor))

    # -- one block -----------------------------------------------------------------------------------------------------

    async def _next(self, channel: Channel) -> None:
        if self._doing is not None:
            await self._follow(channel, channel.adopt(self._doing.block.program), began=False)
            return
        block = stepper.next_block(self.plan, self._cursor, secrets.randbelow(_TOKENS) + 1)
        if isinstance(block, stepper.Finished):
            self._end("the schedule is done", completed=True)
            return
        self._block_cursor = self._cursor
        async with self._clock.standing() as now:
            self._doubts.begin_program(now)
            self._doing = Doing(block, 0, self._announce(block, 0, now))
            await self._written()
        if self._requests:
            self._command_over(EndReason.ABORTED, 0.0, seen=True)
            self._block_over(EndReason.ABORTED)
            return
        await self._follow(channel, channel.run(block.program), began=True)

    async def _written(self) -> None:
        """Wait until the program is in the journal, however long it fails, or somebody asks otherwise. The cell is open."""
        while not self._requests:
            try:
                await self.recorder.flush()
            except JournalError as error:
                log.warning("a program waits for the journal", run=self.recorder.context.run_id, reason=str(error))
            else:
                return

    async def _follow(self, channel: Channel, stream: AsyncGenerator[Item], *, began: bool) -> None:
        block = self._current().block
        witness = Witness(block.program.commands, self._envelope, self._doubts, began=began)
        async with aclosing(stream):
            while (item := await self._heard(channel, stream, block)) is not None:
                heard = witness.hear(item, self._clock.latest_nanosecond())
                for notice in heard.notices:
                    self.recorder.incident("warning", notice.kind, notice.sentence)
                if heard.trip is not None:
                    self._tripped(heard.trip, heard, await channel.make_safe())
                    return
                if heard.storable:
                    self._take(heard.item)
                if isinstance(heard.item, ProgramEnded):
                    return
                if self._requests and self._overtaken:
                    self._overtaken = False
                    await channel.make_safe()  # the command overtook a program that was only then being sent

    async def _heard(self, channel: Channel, stream: AsyncGenerator[Item], block: stepper.Block) -> Item | None:
        try:
            async with self._clock.timeout(block.silence_second):
                return await anext(stream, None)
        except TimeoutError:
            patience = self._clock.deadline_second(block.silence_second)
            raise ReplyTimeout(channel.name, "a running program, whose readings stopped", patience) from None

    def _tripped(self, trip: safety.Trip, heard: Heard, outcome: Safety) -> None:
        """Record why the cell was opened: the reason first, so that no crash can forget it and go on."""
        self.recorder.incident("alarm", "limit", trip.sentence)
        if heard.storable:
            self._take(heard.item)
        self.recorder.safety(outcome)
        self._end(trip.sentence, completed=False)

    def _take(self, item: Item) -> None:
        match item:
            case Reading():
                self._sample(item)
            case ImpedancePoint():
                self._point(item)
            case CommandEnded():
                self._command_ended(item)
            case ProgramEnded():
                self._program_ended(item.reason)
            case Damaged():
                pass

    def _sample(self, reading: Reading) -> None:
        doing = self._at(reading.command_index, reading.step_time_second)
        step_time = reading.step_time_second - doing.command_start_second
        stamp = self.recorder.sample(doing.step, reading, step_time, doing.stamp(reading.step_time_second))
        self.live = self.live.after(reading, stamp)

    def _point(self, point: ImpedancePoint) -> None:
        doing = self._at(point.command_index, point.step_time_second)
        step_time = point.step_time_second - doing.command_start_second
        self.recorder.point(doing.step, point, step_time, doing.stamp(point.step_time_second))
        self._doing = replace(doing, points=doing.points + 1)

    def _command_ended(self, ended: CommandEnded) -> None:
        doing = self._at(ended.command_index, ended.step_time_second - ended.duration_second)
        self._command_over(ended.reason, ended.duration_second, seen=True)
        if not doing.is_last and ended.reason is not EndReason.ABORTED and not ended.reason.is_limit:
            self._announce(doing.block, doing.index + 1, doing.stamp(ended.step_time_second))
            self._doing = doing.next(ended.step_time_second)

    def _command_over(self, reason: EndReason, duration_second: float, *, seen: bool) -> None:
        doing = self._current()
        self.recorder.step_over(doing, reason if seen else None, duration_second if seen else None)
        self._cursor = stepper.command_ended(self.plan, self._cursor, doing.step, reason, duration_second)
        self._doing = replace(doing, over=reason)

    def _program_ended(self, reason: EndReason) -> None:
        """The program is over; a command of it whose end was not said had not begun, or ended with it."""
        if self._current().over is None and reason is EndReason.ABORTED:
            self._command_over(reason, 0.0, seen=True)
        elif self._current().over is None:
            self.recorder.step_over(self._current(), None, None)
        self._block_over(reason)

    def _block_over(self, reason: EndReason) -> None:
        doing, self._doing = self._current(), None
        following = stepper.block_ended(self.plan, self._cursor, doing.block, reason)
        if isinstance(following, stepper.Stopped):
            self._fail("limit", following.sentence)
        else:
            self._cursor = following
        self._carry_out()

    def _at(self, command_index: int, step_time_second: float) -> Doing:
        """The program at the command an item is of; ends that nobody saw lie between when it was adopted late."""
        while (doing := self._current()).index < command_index:
            lasted = recovery.longest_second(doing.command)
            self._command_over(EndReason.DURATION, lasted, seen=False)
            began = min(doing.command_start_second + lasted, step_time_second)
            self._announce(doing.block, doing.index + 1, doing.stamp(began))
            self._doing = doing.next(began)
        return doing

    def _announce(self, block: stepper.Block, index: int, wanted_nanosecond: int) -> int:
        step = block.steps[index]
        if step.cycle_count > self._cycle_count > 0:
            self.recorder.cycle_ended(self._cycle_count)
        self._cycle_count = step.cycle_count
        self.live = replace(self.live, step_path=step.step_path, role=step.role, cycle_count=step.cycle_count)
        told = told_of(block.program.token, self._block_cursor, self._cursor)
        return self.recorder.step_started(step, told, wanted_nanosecond)

    # -- endings and requests ------------------------------------------------------------------------------------------

    def _fail(self, kind: str, sentence: str) -> None:
        self.recorder.incident("alarm", kind, sentence)
        self._end(sentence, completed=False)

    def _end(self, reason: str, *, completed: bool) -> None:
        if self.phase is Phase.ENDED:
            return
        if self._doing is not None and self._doing.over is None:
            self.recorder.step_over(self._current(), None, None)
        self._doing = None
        if self._cycle_count > 0:
            self.recorder.cycle_ended(self._cycle_count)
        self.phase = Phase.ENDED
        self.ending_sentence = reason
        self.recorder.run_ended(reason, completed=completed)
        log.info("run ended", run=self.recorder.context.run_id, completed=completed, reason=reason)
        self._changed.set()

    async def _interrupt(self, then: Callable[[], None]) -> None:
        """Open the cell, then do ``then``: once the program has ended, or at once where no link is there to end it."""
        channel = self._channel
        if channel is None or self._doing is None:
            if self._doing is not None:
                what = "the link is down; the cell is opened once the instrument answers"
                self.recorder.incident("warning", "unconfirmed", what)
            then()
            return
        if not self._requests:
            self._overtaken = False
        self._requests.append(then)
        outcome = await channel.make_safe()
        self._overtaken = True
        if isinstance(outcome, Unconfirmed):
            self.recorder.safety(outcome)
        while then in self._requests:
            await self.wait_changed()

    def _carry_out(self) -> None:
        """Do what was asked for, in the order in which it was asked."""
        requests, self._requests = self._requests, []
        for request in requests:
            request()
        self._changed.set()

    def _set_phase(self, phase: Phase, kind: str, message: str) -> None:
        if self.phase is Phase.ENDED:
            return
        self.phase = phase
        self.recorder.incident("info", kind, message)
        self._changed.set()

    def _current(self) -> Doing:
        if self._doing is None:
            raise RuntimeError("an item arrived while no program was sent")
        return self._doing

    def _take_up(self, resumption: Resumption) -> None:
        self._cursor = resumption.cursor
        self._block_cursor = resumption.block_cursor
        self._cycle_count = resumption.cycle_count
        self.phase = Phase.PAUSED if resumption.paused else Phase.RUNNING
        if resumption.stopped:
            self._fail("limit", resumption.stopped)
        if resumption.token is None:
            return
        block = stepper.next_block(self.plan, resumption.block_cursor, resumption.token)
        if isinstance(block, stepper.Block) and self.phase is not Phase.ENDED:
            start = (resumption.anchor_nanosecond - resumption.program_nanosecond) / NANOSECOND
            self._doing = Doing(block, resumption.command_index, resumption.program_nanosecond, start, resumption.points)
            self._doubts.take_up(resumption.program_nanosecond, start + resumption.step_time_second)
