"""The driver of MethodSCRIPT instruments: opens one port with one channel. What the channel does is in `channel`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Self

from potentiostat_drivers.clock import Clock
from potentiostat_drivers.interface import Identity
from potentiostat_drivers.methodscript.channel import MethodScriptChannel
from potentiostat_drivers.methodscript.link import Link
from potentiostat_drivers.transport import Capture, LineTransport, line_transport, together


def open_methodscript(
    url: str, clock: Clock, *, serial: str | None, synchronise: bool = True, capture: Path | None = None
) -> MethodScriptInstrument:
    """The instrument at ``url``, to be entered with ``async with``; the arguments are those of `opening.open_instrument`.

    Raises:
        PortUnavailable: ``url`` is no port.
    """
    recorder = None if capture is None else Capture(capture, clock)
    transport = line_transport(url, together(recorder, clock.watch(url)))
    return MethodScriptInstrument(transport, clock, serial=serial, synchronise=synchronise, recorder=recorder)


class MethodScriptInstrument:
    """A MethodSCRIPT instrument on any `LineTransport`; an async context manager.

    Args:
        transport: the port, not yet open.
        clock: wall time, and the scale of the instrument's time.
        serial: the serial number expected; None compares nothing.
        synchronise: stop whatever runs and identify on entering; False sends only ``t``, and the serial number is compared
            as soon as nothing runs, before any program is sent.
        recorder: entered and left with the instrument.
    """

    def __init__(
        self,
        transport: LineTransport,
        clock: Clock,
        *,
        serial: str | None,
        synchronise: bool = True,
        recorder: Capture | None = None,
    ) -> None:
        self._link = Link(transport)
        self._channel = MethodScriptChannel(self._link, clock, serial)
        self._synchronise = synchronise
        self._recorder = recorder
        self._life = contextlib.AsyncExitStack()

    @property
    def identity(self) -> Identity:
        """Who answered; the serial number is empty until it could be asked."""
        return self._channel.identity

    @property
    def channels(self) -> tuple[MethodScriptChannel, ...]:
        """The one channel."""
        return (self._channel,)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self._recorder is not None:
                stack.enter_context(self._recorder)
            await stack.enter_async_context(self._link)
            await self._channel.connect(synchronise=self._synchronise)
            self._life = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._life.aclose()
