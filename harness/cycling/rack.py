"""The rack owns the instruments: it connects, compares serial numbers, leases channels to runs, and reconnects.

One `Slot` is one channel of the site, with a life of its own: no instrument's trouble reaches another's slot. The rules of
reconnecting are `recovery`'s; here stands only their order: ask who answers, then what runs, then decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog

from harness.clock import StationClock
from harness.cycling.runner import ChannelRunner, Phase
from harness.errors import HarnessError, Refused
from harness.model.status import ChannelState, LinkStatus
from harness.units import NANOSECOND
from potentiostat_drivers.errors import DriverError, PortGone, ReplyTimeout, WireError, WrongInstrument
from potentiostat_drivers.interface import Autonomy, Capabilities, Channel, Identity, Instrument, Safe, Safety, Unconfirmed
from potentiostat_drivers.opening import open_instrument

LINK_ERRORS = (PortGone, ReplyTimeout, WireError)
"""What a driver raises when the outcome is unknown: the instrument must be asked again before anything else."""
LOOK_EVERY_SECOND = 10.0
"""How often an idle instrument is asked whether it is still there, and an unconfirmed cell is made safe again."""
LONGEST_BACKOFF_SECOND = 30.0
FIRST_TRY_SECOND = 30.0
"""How long the daemon waits for an instrument before it goes up without it; stopping a slow sweep can take longer."""
EMULATED = "EMU"
"""How the serial numbers of emulated instruments begin."""
_MOST_DOUBLINGS = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What the site file says of a channel, as values. Window and current bound everything a program may ask for."""

    name: str
    driver: str
    url: str
    serial: str | None
    voltage_min_volt: float
    voltage_max_volt: float
    current_max_ampere: float
    accuracy_offset: float | None = None
    accuracy_gain: float | None = None
    adc_bits: int | None = None
    autonomy_proven: str | None = None
    hardware_watchdog: bool = False


@dataclass(slots=True)
class Outage:
    """When a link was last down, in station time."""

    start_nanosecond: int | None = None
    end_nanosecond: int | None = None
    reason: str = ""

    def begin(self, now: int, reason: str) -> None:
        """The link is down; the first reason of an outage is kept."""
        if self.start_nanosecond is None or self.end_nanosecond is not None:
            self.start_nanosecond, self.end_nanosecond, self.reason = now, None, reason

    def end(self, now: int) -> None:
        """The link is up again."""
        if self.lasts:
            self.end_nanosecond = now

    @property
    def lasts(self) -> bool:
        """Whether the link is down."""
        return self.start_nanosecond is not None and self.end_nanosecond is None

    def status(self, name: str) -> LinkStatus:
        """The link ``name``, for people."""
        return LinkStatus(
            name=name,
            connected=not self.lasts,
            last_outage_start_nanosecond=self.start_nanosecond,
            last_outage_end_nanosecond=self.end_nanosecond,
            last_outage_reason=self.reason,
        )


@dataclass(slots=True)
class Slot:
    """One channel of the site and the run leased to it."""

    settings: ChannelSettings
    clock: StationClock
    on_alarm: Callable[[str, str], None]
    state: ChannelState = ChannelState.CONNECTING
    message: str = ""
    identity: Identity | None = None
    capabilities: Capabilities | None = None
    runner: ChannelRunner | None = None
    outage: Outage = field(default_factory=Outage)
    _tried: asyncio.Event = field(default_factory=asyncio.Event)
    _leased: asyncio.Event = field(default_factory=asyncio.Event)
    _channel: Channel | None = None
    _alarmed: bool = False

    # -- what others call ----------------------------------------------------------------------------------------------

    async def first_try(self) -> str | None:
        """Wait for the first attempt to connect; a sentence if it failed, ``None`` if it did not or goes on for very long."""
        try:
            async with asyncio.timeout(FIRST_TRY_SECOND):
                await self._tried.wait()
        except TimeoutError:
            return None
        return None if self._channel is not None else self.message

    def check_ready(self) -> None:
        """`Refused` unless a run can begin here now: in no use, connected, and its cell not in alarm."""
        if self.runner is not None:
            run_id = self.runner.recorder.context.run_id
            raise Refused(f"channel {self.settings.name} is in use by run {run_id}; stop that run or choose another")
        if self._channel is None:
            raise Refused(f"channel {self.settings.name} is not connected: {self.message or 'connecting'}")
        if self._alarmed:
            raise Refused(f"channel {self.settings.name} is in alarm: {self.message}; look at the instrument first")

    def lease(self, runner: ChannelRunner) -> None:
        """Give the channel to ``runner``; `Refused` as `check_ready` says."""
        self.check_ready()
        self.take_back(runner)

    def take_back(self, runner: ChannelRunner) -> None:
        """Give the channel to a run that the journal says was on it, connected or not."""
        self.runner = runner
        self._leased.set()

    async def make_safe(self) -> Safety:
        """Open the cell now, whatever else goes on."""
        if self._channel is None:
            return Unconfirmed(f"channel {self.settings.name} is not connected: {self.message or 'connecting'}")
        outcome = await self._channel.make_safe()
        self._tell(outcome)
        return outcome

    async def keep(self) -> None:
        """Connect, serve, reconnect; for ever. Nothing that goes wrong in here reaches another slot."""
        failures = 0
        while True:
            try:
                failures = await self._one_connection(failures)
            except Exception as error:  # noqa: BLE001 - the slots' supervisor: the one place where everything ends
                failures += 1
                self._failed(error)
            finally:
                self._channel = None
                self._tried.set()
            await self.clock.sleep(random.uniform(0.2, 1.0) * backoff_second(failures))  # noqa: S311 - jitter
            self._check_out_of_reach()

    def _check_out_of_reach(self) -> None:
        """An instrument that is still away when it should long have ended its program: nobody knows whether it did."""
        over = None if self.runner is None else self.runner.over_nanosecond
        now, start = self.clock.now_nanosecond(), self.outage.start_nanosecond
        if over is None or start is None or not self.outage.lasts:
            return
        if now > over and now - start > LOOK_EVERY_SECOND * self.clock.scale * NANOSECOND:
            self._tell(Unconfirmed(f"{self.outage.reason}; its program should be over, which nobody could see"))

    async def _one_connection(self, failures: int) -> int:
        """Connect and serve until the link fails; how often it has failed in a row by then."""
        try:
            async with self._open() as instrument:
                failures = 0
                self._connected(instrument)
                await self._serve(instrument, instrument.channels[0])
        except DriverError as error:
            self._channel = None
            self._disconnected(error)
        finally:
            self.clock.forget(self.settings.url)
        return failures + 1

    # -- one connection ------------------------------------------------------------------------------------------------

    def _open(self) -> AbstractAsyncContextManager[Instrument]:
        emulated = not self.clock.emulated or (self.settings.serial or "").startswith(EMULATED)
        may_adopt = emulated and self.runner is not None and self.runner.pending and self.runner.plan.on_gap != "abort"
        return open_instrument(
            self.settings.driver, self.settings.url, self.clock, serial=self.settings.serial, synchronise=not may_adopt
        )

    def _connected(self, instrument: Instrument) -> None:
        self._note_identity(instrument)
        self._channel = instrument.channels[0]
        self.outage.end(self.clock.now_nanosecond())
        if not self._alarmed:
            self.state, self.message = ChannelState.CONNECTING, ""
        self._tried.set()
        log.info("connected", channel=self.settings.name, serial=instrument.identity.serial or "busy", url=self.settings.url)

    def _disconnected(self, error: DriverError) -> None:
        first = self.outage.start_nanosecond is None or self.outage.end_nanosecond is not None
        self.outage.begin(self.clock.now_nanosecond(), str(error))
        if not self._alarmed:
            self.state, self.message = ChannelState.LOST, str(error)
        if first:
            if self._tried.is_set():
                log.warning("not connected", channel=self.settings.name, reason=str(error))
            if self.runner is not None:
                self.runner.recorder.incident("warning", "link_lost", str(error))

    def _failed(self, error: Exception) -> None:
        """Something that no driver may raise: the run cannot be trusted to go on."""
        sentence = f"a fault in the software: {type(error).__name__}: {error}"
        log.error("slot failed", channel=self.settings.name, exc_info=error)
        if not self._alarmed:
            self.state, self.message = ChannelState.LOST, sentence
        if self.runner is not None:
            with contextlib.suppress(HarnessError):
                self.runner.give_up(sentence)

    async def _serve(self, instrument: Instrument, channel: Channel) -> None:
        if self.runner is None or not self.runner.pending:
            await self._ensure_safe(channel)
        while True:
            self._note_identity(instrument)
            if self.runner is None:
                await self._idle(channel)
                continue
            runner = self.runner
            await runner.recover(channel, lambda: self._ensure_safe(channel))
            await self._drive(channel, runner)

    def _note_identity(self, instrument: Instrument) -> None:
        """Keep who answered. An instrument that was busy when it was opened says it later; the driver compares it then."""
        serial = instrument.identity.serial
        if serial and self.clock.emulated and not serial.startswith(EMULATED):
            why = "comes from an emulator" if self.clock.scale == 1.0 else f"is scaled by {self.clock.scale:g}"
            wanted = f"{EMULATED}…, since time {why}"
            raise WrongInstrument(self.settings.url, "serial number", wanted, serial)
        if serial:
            self.identity, self.capabilities = instrument.identity, instrument.channels[0].capabilities

    async def _idle(self, channel: Channel) -> None:
        self.state = ChannelState.IDLE
        self._leased.clear()
        try:
            async with asyncio.timeout(LOOK_EVERY_SECOND):
                await self._leased.wait()
        except TimeoutError:
            await self._look(channel)

    async def _look(self, channel: Channel) -> None:
        """Whether the instrument is still there and the cell open; where that cannot be shown, connecting anew will tell."""
        if isinstance(await channel.make_safe(), Unconfirmed):
            raise ReplyTimeout(self.settings.url, "the look at an open cell", LOOK_EVERY_SECOND)

    async def _drive(self, channel: Channel, runner: ChannelRunner) -> None:
        try:
            while runner.phase is not Phase.ENDED:
                self.state = ChannelState.RUNNING if runner.phase is Phase.RUNNING else ChannelState.PAUSED
                if runner.phase is Phase.RUNNING:
                    await runner.drive(channel)
                else:
                    await self._paused(channel, runner)
        except LINK_ERRORS:
            raise
        except asyncio.CancelledError:
            self._tell(await channel.make_safe())
            raise
        except BaseException:
            await self._ensure_safe(channel)
            raise
        self.state = ChannelState.STOPPING
        await self._ensure_safe(channel)
        self.message = runner.ending_sentence
        self.runner = None

    async def _paused(self, channel: Channel, runner: ChannelRunner) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_SECOND):
                await runner.wait_changed()
        except TimeoutError:
            await self._look(channel)

    async def _ensure_safe(self, channel: Channel) -> None:
        """Return when the instrument has shown that the cell is open; else raise the alarm.

        Raises:
            ReplyTimeout: it could not be shown; connect anew, synchronise, and begin again.
        """
        outcome = await channel.make_safe()
        self._tell(outcome)
        if isinstance(outcome, Unconfirmed):
            await self.clock.sleep(LOOK_EVERY_SECOND)
            raise ReplyTimeout(self.settings.url, "opening the cell", LOOK_EVERY_SECOND)

    def _tell(self, outcome: Safety) -> None:
        """Begin or end the alarm. It sounds once, and stands through lost links until the cell is shown to be open."""
        if isinstance(outcome, Safe):
            if self._alarmed:
                self._alarmed, self.state, self.message = False, ChannelState.STOPPING, ""
            return
        self.state, self.message = ChannelState.ALARM, f"the cell may be polarised: {outcome.reason}"
        if self._alarmed:
            return
        self._alarmed = True
        if self.runner is not None:
            self.runner.recorder.safety(outcome)
        self.on_alarm(self.settings.name, self.message)


def backoff_second(failures: int) -> float:
    """The longest wait after so many failures in a row."""
    return min(LONGEST_BACKOFF_SECOND, 0.5 * 2.0 ** min(failures, _MOST_DOUBLINGS))


def check_autonomy(settings: ChannelSettings, capabilities: Capabilities, identity: Identity, longest_second: float) -> None:
    """Refuse a command that a dead host would leave running.

    Raises:
        Refused: the instrument needs the host to end a command of over 60 s, or should not but nobody has shown it.
    """
    if settings.hardware_watchdog or longest_second <= 60.0:
        return
    match capabilities.autonomy:
        case Autonomy.NONE | Autonomy.LEASE:
            raise Refused(
                f"channel {settings.name}: {identity.model} cannot end a step of {longest_second:g} s without the host; "
                "declare its hardware_watchdog in the site file or use shorter steps"
            )
        case Autonomy.UNPROVEN:
            if settings.autonomy_proven != identity.firmware:
                raise Refused(
                    f"channel {settings.name}: nobody has shown that {identity.model} with firmware {identity.firmware} opens "
                    f'the cell by itself; test it, then write autonomy_proven = "{identity.firmware}" in the site file'
                )
        case Autonomy.PROGRAM | Autonomy.STEP:
            return
