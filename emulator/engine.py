"""Carries out a scenario's events: waits for their moments, begins their faults, ends them, and tells the truth about it.

**When.** A channel keeps its own time, and what a script samples must not depend on how fast the machine is. So an event of a
channel that runs happens at the first moment that the channel itself reaches at or after the event's (`Channel.watch`), and only
for an idle channel does a timer bring it there. The wall is asked where a scenario says ``wall``.

**What is told.** Rows of kind ``fault``: ``begin`` with cause and parameters, ``act`` with the bytes before and after (hex) and
other facts, ``end`` with the reason. What happens in an instant has a ``begin`` only.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emulator.clocks.clock import EVENT, NANOSECOND, Clock, Waiter
from emulator.faults.draws import Draws
from emulator.faults.fault import AnyFault, Lasting, Layer, Target
from emulator.faults.registry import FAULTS
from emulator.scenario.events import Counted, Deed, Event, Every, ForCycles, ForTime, ForWall, Message, Moment, Place
from emulator.scenario.predicates import Predicate
from emulator.truth import TruthFile, Value
from harness.errors import BadInput
from harness.model.written import validated

_COULOMB_PER_MAH = 3.6
_PATIENCE_SECOND = 1.0
"""How long, on the wall, a running channel may be behind a moment before it is done without waiting for the channel."""
_LOOK_WALL_SECOND = 0.02
_LOOK_NANOSECOND = NANOSECOND
"""How soon a channel that is on its way to a moment is looked at again, where time flows and where it does not."""

Act = Callable[[], None]
Condition = Callable[[], bool]
"""Looked at whenever the channel reaches a moment; true when it is done and not to be asked again."""


@dataclass(slots=True)
class Scene:
    """What is still to happen on one channel; ``waiter`` waits for the next moment of it."""

    target: Target
    waiter: Waiter
    timed: list[tuple[int, int, Act]] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, nanosecond: int, act: Act) -> None:
        """Do ``act`` when the channel has reached that moment."""
        heapq.heappush(self.timed, (nanosecond, next(self._order), act))
        self._listen()
        self.waiter.poke()

    @property
    def due_nanosecond(self) -> int | None:
        """The next moment at which something happens."""
        return self.timed[0][0] if self.timed else None

    def whenever(self, condition: Condition) -> None:
        """Ask ``condition`` at every moment the channel reaches, until it is done."""
        self.conditions.append(condition)
        self._listen()

    def reached(self) -> None:
        """The channel has reached a moment."""
        self.pass_until(self.target.channel.now_nanosecond)

    def pass_until(self, now_nanosecond: int) -> None:
        """Do everything that is due."""
        while self.timed and self.timed[0][0] <= now_nanosecond:
            heapq.heappop(self.timed)[2]()
        if self.conditions:
            waiting, self.conditions = self.conditions, []
            self.conditions += [condition for condition in waiting if not condition()]
        self._listen()

    def _listen(self) -> None:
        """A channel with nothing to wait for is not slowed down."""
        self.target.channel.watch = self.reached if self.timed or self.conditions else None


@dataclass(slots=True)
class Activation:
    """One fault that lasts now."""

    fault: AnyFault
    event: Event
    row: dict[str, Value]
    left: int | None
    over: bool = False


class Engine:
    """The events of a scenario on ``targets``. `start` arranges them, `run` keeps the time of idle channels."""

    def __init__(self, events: Sequence[Event], targets: dict[str, Target], *, seed: int, clock: Clock, truth: TruthFile) -> None:
        self._events = tuple(events)
        self._targets = targets
        self._seed = seed
        self._clock = clock
        self._truth = truth
        self._scenes = {name: Scene(target, clock.waiter(EVENT)) for name, target in targets.items()}
        self._asked: list[Event] = []
        self._active: list[Activation] = []
        self._counts: dict[tuple[int, str], int] = {}

    def start(self, begun_nanosecond: int) -> None:
        """Arrange every event; times count from ``begun_nanosecond``.

        Raises:
            BadInput: a condition names a state that a cell does not have.
        """
        for place, event in enumerate(self._events):
            if isinstance(event.at, Moment):
                self._at_moment(place, event, event.at, begun_nanosecond)
            elif isinstance(event.at, Place):
                self._at_place(place, event, event.at)
            elif isinstance(event.at, Message):
                self._at_message(place, event, event.at)
            elif event.when is not None:
                self._when(place, event, event.when)
            elif event.every is not None:
                self._every(place, event, event.every, begun_nanosecond)

    async def run(self) -> None:
        """Bring idle channels to their moments, for ever."""
        async with asyncio.TaskGroup() as group:
            for name, scene in self._scenes.items():
                group.create_task(self._keep(scene), name=f"events of {name}")

    async def _keep(self, scene: Scene) -> None:
        """Wait for what is next on one channel. A channel that runs comes there by itself, unless it is stuck."""
        clock, session = self._clock, scene.target.session
        while True:
            now, due = clock.now_nanosecond(), scene.due_nanosecond
            if due is None or due > now:
                await scene.waiter.until(due)
            elif session.execution is None:
                scene.target.channel.begin(now)
                scene.pass_until(now)
            elif clock.flows and clock.wall_second((now - due) / NANOSECOND) > _PATIENCE_SECOND:
                scene.pass_until(now)
            else:
                await scene.waiter.until(clock.tick_nanosecond(_LOOK_WALL_SECOND) or now + _LOOK_NANOSECOND)

    # -- what the control port asks for

    def begin(self, asked: object) -> str:
        """Begin what ``asked`` describes, an event without its moment; the name it can be cleared by.

        Raises:
            BadInput: it is no such event, with the place in it.
        """
        if not isinstance(asked, dict):
            raise BadInput("fault", "it must hold keys and values: do, channel, and for or a name")
        place = len(self._events) + len(self._asked)
        first = next(iter(self._targets))
        event = validated(Event, {"name": f"asked-{place}", **asked, "at": {"channel": first, "time": "0 s"}}, "fault")
        unknown = [name for name in event.channel if name not in self._targets]
        if unknown or not event.channel:
            named = f'there is no channel "{unknown[0]}"' if unknown else "it must say on which channel"
            raise BadInput("fault: channel", named)
        self._asked.append(event)
        for name in event.channel:
            self._happen(place, event, name, "asked for")
        return event.name or ""

    def clear(self, name: str) -> None:
        """End it.

        Raises:
            BadInput: nothing of that name lasts.
        """
        lasting = [one for one in self._active if one.event.name == name]
        if not lasting:
            raise BadInput("fault", f'nothing that lasts is named "{name}"')
        for activation in lasting:
            self._end(activation, "cleared, asked for")

    # -- triggers

    def _at_moment(self, place: int, event: Event, at: Moment, begun_nanosecond: int) -> None:
        due = begun_nanosecond + round(at.time * NANOSECOND)
        for name in event.channel or (at.channel,):
            cause = f"{at.time:g} s after the start"
            self._scenes[name].at(due, lambda name=name, cause=cause: self._happen(place, event, name, cause))  # type: ignore[misc]

    def _at_place(self, place: int, event: Event, at: Place) -> None:
        cause = f"cycle {at.cycle}, {at.step}, {at.q:g} mAh/cm²"

        def act() -> None:
            for name in event.channel or (at.channel,):
                self._happen(place, event, name, cause)

        self._scenes[at.channel].whenever(_arrival(self._targets[at.channel], at, act))

    def _at_message(self, place: int, event: Event, at: Message) -> None:
        cause = f"message {at.message} {at.direction.value}"

        def act() -> None:
            for name in event.channel or (at.channel,):
                self._happen(place, event, name, cause)

        self._targets[at.channel].wire.await_message(at.direction, at.message, act)

    def _when(self, place: int, event: Event, predicate: Predicate) -> None:
        for name in event.channel or tuple(self._targets):
            cell = self._targets[name].channel.cell
            known = cell.latent()
            if predicate.name not in known:
                what = f'the cell of {name} has no state "{predicate.name}"; it has {", ".join(sorted(known))}'
                raise BadInput(f"events[{place}].when", what)
            self._scenes[name].whenever(self._edge(place, event, name, predicate))

    def _edge(self, place: int, event: Event, name: str, predicate: Predicate) -> Condition:
        channel, was = self._targets[name].channel, False

        def look() -> bool:
            nonlocal was
            now = predicate.holds(channel.cell.latent())
            rose, was = now and not was, now
            if rose:
                self._happen(place, event, name, predicate.text)
            return rose and event.once

        return look

    def _every(self, place: int, event: Event, every: Every, begun_nanosecond: int) -> None:
        draws = Draws(self._seed, "every", every.stream, str(place))
        names = event.channel or tuple(self._targets)
        cause = f"chance, every {every.mean:g} s"

        def arrange(after: int) -> None:
            due = after + round(draws.exponential(every.mean) * NANOSECOND)
            name = names[draws.below(len(names))]

            def act() -> None:
                arrange(due)
                self._happen(place, event, name, cause)

            self._scenes[name].at(due, act)

        arrange(begun_nanosecond)

    # -- what happens

    def _happen(self, place: int, event: Event, name: str, cause: str) -> None:
        if event.clear is not None:
            for activation in [one for one in self._active if one.event.name == event.clear]:
                self._end(activation, f"cleared, {cause}")
            return
        if any(one.event is event and one.fault.target.name == name for one in self._active):
            return
        for deed in event.do:
            self._begin(place, event, deed, name, cause)

    def _begin(self, place: int, event: Event, deed: Deed, name: str, cause: str) -> None:
        found, target = FAULTS[deed.fault], self._targets[name]
        nth = self._counts[place, name] = self._counts.get((place, name), 0) + 1
        row: dict[str, Value] = {
            "kind": "fault", "phase": "begin", "fault": found.id, "channel": name, "event": event.name or f"events[{place}]",
            "activation": nth,
        }  # fmt: skip
        lasts = found.lasting is Lasting.LASTING
        left = event.for_.count if lasts and isinstance(event.for_, Counted) else None

        def note(*, before: bytes | None = None, after: bytes | None = None, facts: dict[str, Value] | None = None) -> None:
            self._acted(activation, before, after, facts or {})

        draws = Draws(self._seed, "fault", str(place), name, deed.fault, str(nth))
        activation = Activation(found(deed.parameters, target, note, draws), event, row, left)
        parameters: dict[str, Value] = {"cause": cause, "parameters": deed.parameters.model_dump(mode="json")}
        self._tell(target, row | parameters)
        if lasts:
            self._active.append(activation)
            self._arrange_end(activation)
        self._flush(target)
        activation.fault.begin()

    def _arrange_end(self, activation: Activation) -> None:
        target = activation.fault.target
        scene, begun = self._scenes[target.name], self._now(target)
        match activation.event.for_:
            case ForTime(duration=second):
                scene.at(begun + round(second * NANOSECOND), lambda: self._end(activation, "duration"))
            case ForWall(wall=second):
                asyncio.get_running_loop().call_later(second, self._end, activation, "wall")
            case ForCycles(cycles=cycles):
                last = target.channel.cell.tracked().deposits + cycles
                scene.whenever(lambda: self._after_cycles(activation, last))
            case _:
                pass
        if activation.fault.layer in (Layer.LINK, Layer.WIRE):
            scene.whenever(lambda: self._said(activation))
        if activation.fault.ticks:
            scene.whenever(lambda: self._tick(activation, begun))

    def _said(self, activation: Activation) -> bool:
        """What a script has said passes at once while a fault waits for it, so that no share of the processor decides when."""
        self._flush(activation.fault.target)
        return activation.over

    def _flush(self, target: Target) -> None:
        if target.session.execution is not None:
            target.session.execution.flush()

    def _after_cycles(self, activation: Activation, last: int) -> bool:
        if not activation.over and activation.fault.channel.cell.tracked().deposits >= last:
            self._end(activation, "cycles")
        return activation.over

    def _tick(self, activation: Activation, begun: int) -> bool:
        if not activation.over:
            activation.fault.tick((self._now(activation.fault.target) - begun) / NANOSECOND)
        return activation.over

    def _acted(self, activation: Activation, before: bytes | None, after: bytes | None, facts: dict[str, Value]) -> None:
        changed: dict[str, Value] = {}
        if before is not None or after is not None:
            changed = {"before": (before or b"").hex(), "after": (after or b"").hex()}
        self._tell(activation.fault.target, activation.row | {"phase": "act"} | changed | facts)
        if activation.left is not None:
            activation.left -= 1
            if activation.left == 0:
                self._end(activation, "count")

    def _end(self, activation: Activation, why: str) -> None:
        if activation.over:
            return
        activation.over = True
        self._active.remove(activation)
        if why != "count":
            self._flush(activation.fault.target)
        activation.fault.end()
        self._tell(activation.fault.target, activation.row | {"phase": "end", "why": why})

    def _tell(self, target: Target, row: dict[str, Value]) -> None:
        self._truth.append(row | {"unix_time_nanosecond": self._now(target)})

    def _now(self, target: Target) -> int:
        """The channel's own moment while it runs; else the clock's."""
        reached = target.channel.now_nanosecond
        return reached if target.session.execution is not None else max(reached, self._clock.now_nanosecond())


def _arrival(target: Target, at: Place, act: Act) -> Condition:
    """Whether the cell is in that half cycle and has moved that much in it; ``act`` is done once."""

    def look() -> bool:
        channel = target.channel
        moved, cell = channel.ledger.open_coulomb, channel.cell
        if moved == 0.0 or ((moved > 0.0) == cell.removes_when_oxidising) != at.removes:
            return False
        if cell.tracked().deposits != at.cycle or abs(moved) < at.q * _COULOMB_PER_MAH * cell.area * (1.0 - 1e-9):
            return False
        act()
        return True

    return look
