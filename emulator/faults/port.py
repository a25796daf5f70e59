"""Faults of the connection: T8 … T12, T15 of the catalogue, and a reader that is absent. Times are of the wall."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

from emulator.faults.draws import Draws
from emulator.faults.fault import Fault, FaultType, Lasting, Layer, NoParameters, Second
from emulator.faults.lines import Altered, Choice, Line, LineFault
from emulator.faults.stages import Forward
from emulator.links import TcpLink
from harness.model.written import Written

_TCP = frozenset({"tcp"})


class HalfOpen(Fault[NoParameters]):
    """T8."""

    id = "T8_half_open"
    layer = Layer.LINK
    lasting = Lasting.INSTANT
    summary = "the connection goes dead without either side being told; a new one is sound"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.link.mute()


class MidFrame(LineFault[Choice]):
    """T9. Half of the next line arrives, then the connection is reset."""

    id = "T9_reset"
    layer = Layer.LINK
    depth = 30
    parameters_type = Choice
    summary = "the connection is reset in the middle of a line"

    def alter(self, line: Line, draws: Draws) -> Altered:
        """See `LineFault.alter`; what is left of the line."""
        del draws
        return (line[: len(line) // 2],)

    def to_host(self, data: bytes, forward: Forward) -> None:
        """See `Stage.to_host`. What comes after the cut goes nowhere."""
        place = 0
        for line in data.splitlines(keepends=True):
            if line.endswith(b"\n") and self.hits(line[:-1]):
                (half,) = self.alter(line[:-1], self.draws)
                self.note(before=line, after=half)
                forward(data[:place] + half)
                asyncio.get_running_loop().call_soon(self.target.link.drop)
                return
            place += len(line)
        forward(data)


class RefuseParameters(Written):
    """``refuse``: nobody listens. ``accept_then_close``: who comes is let in and put out."""

    how: Literal["refuse", "accept_then_close"] = "refuse"


class Refuse(Fault[RefuseParameters]):
    """T10."""

    id = "T10_refuse"
    layer = Layer.LINK
    summary = "the connection is cut, and new ones are refused or closed at once"
    parameters_type = RefuseParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        if self.parameters.how == "refuse":
            self.target.link.unplug()
        else:
            self.target.link.refusing = True
            self.target.link.drop()

    def end(self) -> None:
        """See `Fault.end`."""
        if self.parameters.how == "refuse":
            self.target.link.plug()
        self.target.link.refusing = False


class PortMoved(Fault[NoParameters]):
    """T11. Back at its place when it ends."""

    id = "T11_port_moved"
    layer = Layer.LINK
    summary = "the instrument comes back at another port than the site file says"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.link.unplug()
        self.target.link.plug(elsewhere=True)

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.link.unplug()
        self.target.link.plug()


class SlowClose(Fault[NoParameters]):
    """T12. Deaf and dumb from its beginning, closed politely at its end."""

    id = "T12_slow_close"
    layer = Layer.LINK
    links = _TCP
    summary = "the other end stops answering and closes only after a while"

    def begin(self) -> None:
        """See `Fault.begin`."""
        self.target.link.mute()

    def end(self) -> None:
        """See `Fault.end`."""
        if isinstance(self.target.link, TcpLink):
            self.target.link.hang_up()


class StealParameters(Written):
    """What the thief says, every ``every``; ``keeps``: whether others are turned away as long as it is there."""

    says: str = "t\n"
    every: Second = 0.2
    keeps: bool = True


class Steal(Fault[StealParameters]):
    """T15. Another program connects; of two clients the newer one has the port."""

    id = "T15_steal"
    layer = Layer.LINK
    links = _TCP
    summary = "a second client takes the session and talks to the instrument"
    parameters_type = StealParameters

    def begin(self) -> None:
        """See `Fault.begin`."""
        self._task = asyncio.get_running_loop().create_task(self._stay(), name=f"thief of {self.target.name}")

    def end(self) -> None:
        """See `Fault.end`."""
        self.target.link.refusing = False
        self._task.cancel()

    async def _stay(self) -> None:
        host, port = self.target.link.url.removeprefix("socket://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        said = self.parameters.says.encode("ascii", "replace")
        try:
            while True:
                writer.write(said)
                await writer.drain()
                self.note(facts={"said": said.hex()})
                self.target.link.refusing = self.parameters.keeps
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.parameters.every):
                        while await reader.read(65_536):
                            pass
        except OSError:
            return
        finally:
            writer.close()


class ReaderStall(Fault[NoParameters]):
    """T16. What a USB endpoint may do to a script when nobody reads: it waits in its output, with the cell on."""

    id = "T16_reader_stall"
    layer = Layer.LINK
    summary = "nobody reads the port, and the script stalls with the cell on"

    def begin(self) -> None:
        """See `Fault.begin`."""
        session = self.target.session
        self._before = session.ready
        session.ready = self.target.link.ready
        if session.execution is not None:
            session.execution.ready = session.ready

    def end(self) -> None:
        """See `Fault.end`."""
        session = self.target.session
        session.ready = self._before
        if session.execution is not None:
            session.execution.ready = session.ready


FAULTS: tuple[FaultType, ...] = (HalfOpen, MidFrame, Refuse, PortMoved, SlowClose, Steal, ReaderStall)
