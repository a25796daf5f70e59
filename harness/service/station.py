"""The station: its slots, its journal, its registry, and the one door through which runs are started and stopped.

It decides whether a run may begin and says no in one sentence; what then happens on a channel is the runner's. It knows
nothing of HTTP, of signals, or of the site file's syntax.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from harness.clock import StationClock
from harness.cycling import plan as plans
from harness.cycling import plausibility, rack
from harness.cycling.recorder import Recorder
from harness.cycling.resumption import resumption_from
from harness.cycling.runner import ChannelRunner, Phase
from harness.cycling.safety import Envelope
from harness.errors import BadInput, JournalError, Refused
from harness.model.cell import Cell
from harness.model.run import RunContext, run_id_for
from harness.model.schedule import Schedule, parse_schedule, with_count
from harness.model.status import ChannelStatus
from harness.service.run_facts import run_facts
from harness.store.registry import Pinned, Registry
from harness.stream.journal import Journal
from harness.stream.journal_reader import JournaledRun, JournalReader
from potentiostat_drivers.interface import Capabilities, Identity, Safety

JOURNAL_PATIENCE_SECOND = 60.0
"""How long readings may wait in memory for a journal that cannot be written, before every cell is made safe."""
_JOURNAL_LOOK_SECOND = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a person asks for. ``count`` replaces the count of the schedule's outermost repeat."""

    cell: str
    channel: str
    schedule_name: str
    schedule_text: str
    count: int | None = None


@dataclass(slots=True)
class Station:
    """Everything the daemon owns. `keep` runs until it is cancelled; the other calls may come at any time meanwhile."""

    name: str
    software_version: str
    clock: StationClock
    journal: Journal
    reader: JournalReader
    registry: Registry
    slots: dict[str, rack.Slot]
    on_alarm: Callable[[str, str], None]
    journal_patience_second: float = JOURNAL_PATIENCE_SECOND
    _stopping: bool = False

    async def keep(self) -> None:
        """Keep every slot going, and watch the journal."""
        async with asyncio.TaskGroup() as tasks:
            for slot in self.slots.values():
                tasks.create_task(slot.keep(), name=f"slot[{slot.settings.name}]")
            tasks.create_task(self._watch_journal(), name="watch-journal")

    async def first_try(self) -> list[str]:
        """One sentence for each instrument that could not be reached at the first attempt."""
        answers = await asyncio.gather(*(slot.first_try() for slot in self.slots.values()))
        return [f"channel {name}: {answer}" for name, answer in zip(self.slots, answers, strict=True) if answer is not None]

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def start_run(self, request: RunRequest) -> str:
        """Start a run and return its id.

        Raises:
            BadInput: the schedule or a name in the request is wrong.
            Refused: the request is right but cannot be carried out now.
        """
        self._refuse_if_stopping()
        slot = self._slot(request.channel)
        pinned = self.registry.pinned(request.cell)
        cell = pinned.cell.facts
        schedule = parse_schedule(request.schedule_text, request.schedule_name)
        if request.count is not None:
            schedule = with_count(schedule, request.count)
        self._refuse_if_in_use(slot, cell)
        slot.check_ready()
        plan = self._bind(schedule, cell, slot)
        runner = self._new_runner(request, pinned, schedule, plan, slot)
        slot.lease(runner)
        try:
            await self.journal.flush()
        except JournalError:
            await runner.stop("the journal could not be written when the run was to begin")
            raise
        log.info("run started", run=runner.recorder.context.run_id, cell=cell.id, channel=request.channel)
        return runner.recorder.context.run_id

    async def pause(self, run_id: str, who: str) -> None:
        """Open the run's cell and keep what remains of its step."""
        runner = self._runner(run_id)
        if runner.phase is Phase.PAUSED:
            raise Refused(f"run {run_id} is paused already")
        await runner.pause(who)
        await self.journal.flush()

    async def resume(self, run_id: str, who: str) -> None:
        """Go on with a paused run."""
        self._refuse_if_stopping()
        runner = self._runner(run_id)
        if runner.phase is not Phase.PAUSED:
            raise Refused(f"run {run_id} is not paused")
        runner.resume(who)
        await self.journal.flush()

    async def stop(self, run_id: str, who: str) -> None:
        """Open the run's cell and end the run."""
        await self._runner(run_id).stop(f"{who} stopped the run")
        await self.journal.flush()

    async def shut_down(self) -> dict[str, Safety]:
        """Open every cell because the daemon stops; what each channel showed. From now on nothing can be started."""
        self._stopping = True
        outcomes = await asyncio.gather(*(_shut_down(slot) for slot in self.slots.values()))
        return dict(zip(self.slots, outcomes, strict=True))

    def take_up(self, run: JournaledRun) -> None:
        """Give a run that did not end back to its channel."""
        slot = self.slots.get(run.context.channel)
        recorder = self._recorder(run.context, run.started_nanosecond, run.last_seq + 1, run.last_nanosecond)
        if slot is None or slot.runner is not None:
            log.warning("run without a channel", run=run.context.run_id, channel=run.context.channel)
            return
        try:
            plan = plans.Plan.from_json(run.facts.plan)
            resumption = resumption_from(plan, list(self.reader.all_records(run.context.run_id)))
            runner = ChannelRunner(
                recorder=recorder,
                plan=plan,
                envelope=_envelope(slot),
                clock=self.clock,
                accuracy=_accuracy(slot),
                resumption=resumption,
            )
        except (ValueError, KeyError, TypeError, BadInput) as error:
            sentence = f"the run cannot go on, for its journal is not understood ({error}); start it again"
            recorder.incident("alarm", "software", sentence)
            recorder.run_ended(sentence, completed=False)
            return
        slot.take_back(runner)
        log.info("run taken up", run=run.context.run_id, channel=run.context.channel)

    def note_refused(self, run_id: str, seqs: tuple[int, ...]) -> None:
        """Say in a run that the store refused some of its records for their content; they stay in the journal."""
        for slot in self.slots.values():
            if slot.runner is not None and slot.runner.recorder.context.run_id == run_id:
                listed = ", ".join(map(str, seqs[:10])) + (" …" if len(seqs) > 10 else "")
                slot.runner.recorder.incident("warning", "refused", f"the store refused {len(seqs)} records: seq {listed}")

    def channel_status(self) -> tuple[ChannelStatus, ...]:
        """Every channel now."""
        return tuple(_status(slot) for slot in self.slots.values())

    # -- details -------------------------------------------------------------------------------------------------------

    def _slot(self, name: str) -> rack.Slot:
        if name not in self.slots:
            raise BadInput("channel", f'"{name}" is not a channel of this station (known: {", ".join(self.slots)})')
        return self.slots[name]

    def _runner(self, run_id: str) -> ChannelRunner:
        for slot in self.slots.values():
            if slot.runner is not None and slot.runner.recorder.context.run_id == run_id:
                if slot.runner.phase is Phase.ENDED:
                    raise Refused(f"run {run_id} is over: {slot.runner.ending_sentence}")
                return slot.runner
        raise Refused(f"run {run_id} is not running on this station; see harness status")

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise Refused(f"station {self.name} is stopping and has opened every cell; start it again first")

    def _refuse_if_in_use(self, slot: rack.Slot, cell: Cell) -> None:
        for other in self.slots.values():
            if other.runner is not None and other.runner.recorder.context.cell == cell.id:
                raise Refused(f"cell {cell.id} is already running on channel {other.settings.name}; stop that run first")
        if slot.runner is not None:
            context = slot.runner.recorder.context
            raise Refused(f"channel {slot.settings.name} is in use by cell {context.cell} (run {context.run_id}); choose another")

    def _bind(self, schedule: Schedule, cell: Cell, slot: rack.Slot) -> plans.Plan:
        identity, capabilities = _connected(slot)
        window = plans.ChannelWindow(
            voltage_min_volt=max(slot.settings.voltage_min_volt, capabilities.voltage_min_volt),
            voltage_max_volt=min(slot.settings.voltage_max_volt, capabilities.voltage_max_volt),
            current_max_ampere=min(slot.settings.current_max_ampere, capabilities.current_max_ampere),
            frequency_min_hertz=capabilities.frequency_min_hertz,
            frequency_max_hertz=capabilities.frequency_max_hertz,
        )
        facts = plans.CellFacts(geometry=cell.geometry, area_cm2=cell.area_cm2, nominal_capacity_ah=cell.nominal_capacity_ah)
        plan = plans.bind(schedule, facts, window)
        rack.check_autonomy(slot.settings, capabilities, identity, plan.longest_command_second)
        return plan

    def _new_runner(
        self, request: RunRequest, pinned: Pinned, schedule: Schedule, plan: plans.Plan, slot: rack.Slot
    ) -> ChannelRunner:
        now = self.clock.now_nanosecond()
        cell = pinned.cell.facts
        context = RunContext(
            station=self.name, channel=slot.settings.name, cell=cell.id, build=cell.build, run_id=self._fresh_run_id(cell.id, now)
        )
        identity, _ = _connected(slot)
        facts = run_facts(
            pinned,
            schedule,
            schedule_text=request.schedule_text,
            plan=plan,
            settings=slot.settings,
            identity=identity,
            software_version=self.software_version,
            time_scale=self.clock.scale,
        )
        self.registry.use(pinned, context.run_id)
        recorder = self._recorder(context, now, 0, 0)
        recorder.begin(facts)
        return ChannelRunner(recorder=recorder, plan=plan, envelope=_envelope(slot), clock=self.clock, accuracy=_accuracy(slot))

    def _fresh_run_id(self, cell: str, now: int) -> str:
        taken = {run.context.run_id for run in self.reader.runs()}
        run_id = run_id_for(cell, now)
        while run_id in taken:
            now += 1_000_000_000
            run_id = run_id_for(cell, now)
        return run_id

    def _recorder(self, context: RunContext, started: int, next_seq: int, last: int) -> Recorder:
        return Recorder(
            journal=self.journal,
            context=context,
            now_nanosecond=self.clock.now_nanosecond,
            started_nanosecond=started,
            next_seq=next_seq,
            last_nanosecond=last,
        )

    async def _watch_journal(self) -> None:
        """End every run and open every cell once for each time the journal has failed for too long."""
        acted = False
        while True:
            await self.clock.sleep(_JOURNAL_LOOK_SECOND)
            if self.journal.failing_for_second <= self.journal_patience_second:
                acted = False
                continue
            if acted:
                continue
            acted = True
            sentence = f"the journal could not be written for {self.journal_patience_second:g} s; every cell was opened"
            await asyncio.gather(*(_stop(slot, sentence) for slot in self.slots.values()))
            self.on_alarm(self.name, sentence)


async def _stop(slot: rack.Slot, sentence: str) -> None:
    if slot.runner is not None:
        await slot.runner.stop(sentence)
    await slot.make_safe()


async def _shut_down(slot: rack.Slot) -> Safety:
    if slot.runner is not None:
        await slot.runner.shut_down()
    return await slot.make_safe()


def _connected(slot: rack.Slot) -> tuple[Identity, Capabilities]:
    if slot.identity is None or slot.capabilities is None:
        raise Refused(f"channel {slot.settings.name} is not connected: {slot.message}")
    return slot.identity, slot.capabilities


def _envelope(slot: rack.Slot) -> Envelope:
    settings = slot.settings
    return Envelope(settings.voltage_min_volt, settings.voltage_max_volt, settings.current_max_ampere)


def _accuracy(slot: rack.Slot) -> plausibility.Accuracy:
    """What the site file says of the instrument; where it says nothing, what any instrument keeps."""
    settings, usual = slot.settings, plausibility.Accuracy()
    return plausibility.Accuracy(
        usual.offset_of_range if settings.accuracy_offset is None else settings.accuracy_offset,
        usual.gain if settings.accuracy_gain is None else settings.accuracy_gain,
    )


def _status(slot: rack.Slot) -> ChannelStatus:
    settings, runner = slot.settings, slot.runner
    shown = ChannelStatus(
        channel=settings.name,
        driver=settings.driver,
        url=settings.url,
        serial=slot.identity.serial if slot.identity is not None else settings.serial,
        state=slot.state,
        message=slot.message,
    )
    if runner is None:
        return shown
    context, live = runner.recorder.context, runner.live
    return shown.model_copy(
        update={
            "cell": context.cell,
            "build": context.build,
            "run_id": context.run_id,
            "schedule": runner.plan.name,
            "step_path": live.step_path,
            "role": live.role.value if live.role is not None else None,
            "cycle_count": live.cycle_count,
            "voltage_volt": live.voltage_volt,
            "current_ampere": live.current_ampere,
            "unix_time_nanosecond": live.unix_time_nanosecond,
        }
    )
