import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from potentiostat_drivers.clock import SystemClock
from potentiostat_drivers.errors import CellFault, PortGone, PortUnavailable, WrongInstrument
from potentiostat_drivers.interface import Channel, Idle, Running, Safe, Unconfirmed
from potentiostat_drivers.opening import open_instrument
from potentiostat_drivers.program import (
    CommandEnded,
    EndReason,
    Galvanostatic,
    Item,
    Limits,
    Potentiostatic,
    Program,
    ProgramEnded,
    Reading,
    Rest,
    Sampling,
    Until,
)
from potentiostat_drivers.testing import CONFORMANCE

SCALE = 500.0
LIMITS = Limits(-0.5, 4.5, 20e-3, 36_000.0)
SCENARIO = """
seed: 3
clock: {scale: 500, start: 2026-01-01T00:00:00Z}
instruments:
  - serial: EMU4HR0001
    model: es4_hr
    channels:
      - {name: full, listen: tcp, cell: {geometry: full}}
      - {name: copper, listen: pty, cell: {geometry: deposit}}
      - {name: faulty, listen: tcp, cell: {geometry: symmetric}}
      - {name: stuck, listen: tcp, cell: {geometry: symmetric}}
      - {name: lossy, listen: tcp, cell: {geometry: symmetric}}
events:
  - {at: {channel: stuck, time: "0 s"}, do: I20_relay_stuck, for: {duration: "1000 d"}}
"""


@dataclass(frozen=True, slots=True)
class Port:
    url: str
    serial: str


@contextlib.contextmanager
def emulator(directory: Path, scenario: str) -> Iterator[dict[str, Port]]:
    """A running emulator's ports by channel name; it says them one per line, then serves until it is ended."""
    path = directory / "scenario.yaml"
    path.write_text(scenario, encoding="utf-8")
    command = [sys.executable, "-m", "emulator", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline().split() for _ in range(scenario.count("listen:"))]
            yield {name: Port(url, serial) for name, url, serial in said}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Port]]:
    if not hasattr(os, "openpty"):
        pytest.skip("the emulator's serial devices are pseudo-terminals")
    with emulator(tmp_path_factory.mktemp("emulated"), SCENARIO) as made:
        yield made


@asynccontextmanager
async def channel_at(port: Port, *, synchronise: bool = True) -> AsyncIterator[Channel]:
    async with open_instrument(
        "methodscript", port.url, SystemClock(SCALE), serial=port.serial, synchronise=synchronise
    ) as instrument:
        yield instrument.channels[0]


async def items_of(channel: Channel, *commands: Galvanostatic | Potentiostatic | Rest, token: int = 5) -> list[Item]:
    async with aclosing(channel.run(Program(commands, token))) as items:
        return [item async for item in items]


def assert_ended(item: Item, index: int, duration_second: float, step_time_second: float) -> None:
    """A command ended by its duration, to the time a script's own statements may take."""
    assert isinstance(item, CommandEnded)
    assert (item.command_index, item.reason) == (index, EndReason.DURATION)
    assert item.duration_second == pytest.approx(duration_second, abs=0.02)
    assert item.step_time_second == pytest.approx(step_time_second, abs=0.02)


@pytest.mark.parametrize("check", CONFORMANCE)
@pytest.mark.parametrize("name", ["full", "copper"])
def test_driver_conforms(ports: dict[str, Port], name: str, check: str) -> None:
    """The driver keeps the contract against an emulated instrument, over TCP and over a serial device."""
    port = ports[name]

    async def main() -> None:
        async with asyncio.timeout(60):
            await CONFORMANCE[check](lambda: open_instrument("methodscript", port.url, SystemClock(SCALE), serial=port.serial))

    asyncio.run(main())


def test_charge_and_hold_end_as_wanted(ports: dict[str, Port]) -> None:
    """A charge ends at its voltage, the hold at its taper, without the cell being opened between them."""

    async def main() -> None:
        async with channel_at(ports["full"]) as channel:
            safety = await channel.make_safe()
            assert isinstance(safety, Safe)
            assert safety.open_circuit_voltage_volt is not None
            top = safety.open_circuit_voltage_volt + 0.15
            charge = Galvanostatic(1e-3, Sampling(60.0, 0.01, 2.0), Until(voltage_above_volt=top), LIMITS)
            hold = Potentiostatic(top, Sampling(10.0), Until(current_below_ampere=9e-4), LIMITS)
            items = await items_of(channel, charge, hold)
            ends = [item for item in items if isinstance(item, CommandEnded)]
            assert [end.reason for end in ends] == [EndReason.VOLTAGE_ABOVE, EndReason.CURRENT_BELOW]
            assert items[-1] == ProgramEnded(EndReason.COMPLETED)
            charging = [item for item in items if isinstance(item, Reading) and item.command_index == 0]
            assert all(reading.current_ampere == pytest.approx(1e-3, rel=0.01) for reading in charging)
            assert charging[-1].voltage_volt >= top
            holding = [item for item in items if isinstance(item, Reading) and item.command_index == 1]
            assert all(reading.voltage_volt == pytest.approx(top, abs=0.005) for reading in holding)
            assert abs(holding[-1].current_ampere) <= 9e-4

    asyncio.run(main())


def test_thinned_readings_are_closer_where_the_voltage_moves(ports: dict[str, Port]) -> None:
    """Readings are never further apart than the interval, and closer only when the voltage has moved by the change."""

    async def main() -> None:
        sampling = Sampling(100.0, 0.02, 1.0)
        async with channel_at(ports["full"]) as channel:
            items = await items_of(channel, Galvanostatic(-2e-3, sampling, Until(duration_second=600.0), LIMITS))
        readings = [item for item in items if isinstance(item, Reading) and item.flags == ""]
        gaps = list(itertools.pairwise(readings))
        assert len(gaps) >= 6
        for before, after in gaps[:-1]:
            apart = after.step_time_second - before.step_time_second
            assert apart <= 100.0 + 1.0
            assert apart >= 99.0 or abs(after.voltage_volt - before.voltage_volt) >= 0.02 - 1e-9

    asyncio.run(main())


def test_adopting_continues_a_program_that_lost_its_host(ports: dict[str, Port]) -> None:
    """A host that comes back finds its program by the token, and reads on in the program's own time to its end."""

    async def main() -> None:
        rest = Rest(Sampling(10.0), Until(duration_second=1000.0), LIMITS)
        program = Program((Rest(Sampling(10.0), Until(duration_second=300.0), LIMITS), rest), token=77)
        port = ports["full"]
        first: list[Item] = []
        async with channel_at(port) as channel, aclosing(channel.run(program)) as items:
            async for item in items:
                first.append(item)
                if isinstance(item, CommandEnded):
                    break
        async with channel_at(port, synchronise=False) as channel:
            assert await channel.attach() == Running(77)
            async with aclosing(channel.adopt(program)) as items:
                rest_of_it = [item async for item in items]
            assert await channel.attach() == Idle()
            assert isinstance(await channel.make_safe(), Safe)
        assert_ended(first[-1], 0, 300.0, 300.0)
        readings = [item for item in rest_of_it if isinstance(item, Reading)]
        assert all(reading.step_time_second >= 300.0 for reading in readings)
        assert_ended(rest_of_it[-2], 1, 1000.0, 1300.0)
        assert rest_of_it[-1] == ProgramEnded(EndReason.COMPLETED)

    asyncio.run(main())


def test_connecting_stops_what_another_host_left(ports: dict[str, Port]) -> None:
    """A new connection with synchronisation finds the cell's program aborted, and knows its own state."""

    async def main() -> None:
        endless = Program((Rest(Sampling(1.0), Until(), LIMITS),), token=78)
        async with channel_at(ports["full"]) as channel, aclosing(channel.run(endless)) as items:
            assert isinstance(await anext(items), Reading)
        async with channel_at(ports["full"]) as channel:
            assert await channel.attach() == Idle()
            assert isinstance(await channel.make_safe(), Safe)

    asyncio.run(main())


def test_wrong_serial_number_is_refused(ports: dict[str, Port]) -> None:
    """A cable in the wrong socket is noticed before any program."""

    async def main() -> None:
        with pytest.raises(WrongInstrument):
            async with channel_at(Port(ports["full"].url, ports["copper"].serial)):
                raise AssertionError("it was opened")

    asyncio.run(main())


def test_stuck_relay_is_unconfirmed(ports: dict[str, Port]) -> None:
    """A cell that stays on although it was opened is never reported safe."""

    async def main() -> None:
        async with channel_at(ports["stuck"]) as channel:
            program = Program((Galvanostatic(1e-4, Sampling(1.0), Until(), LIMITS),), token=79)
            async with aclosing(channel.run(program)) as items:
                assert isinstance(await anext(items), Reading)
                safety = await channel.make_safe()
            assert isinstance(safety, Unconfirmed)
            assert "still on" in safety.reason

    asyncio.run(main())


def test_cell_fault_opens_the_cell(tmp_path: Path) -> None:
    """An overload while a program runs is raised as the cell's fault, and the cell is open afterwards."""
    scenario = SCENARIO + '  - {at: {channel: faulty, time: "2500 s"}, do: {P7_runtime_error: {code: "0032"}}}\n'

    async def main(port: Port) -> None:
        async with channel_at(port) as channel:
            program = Program((Galvanostatic(1e-4, Sampling(10.0), Until(), LIMITS),), token=80)
            with pytest.raises(CellFault, match="0032"):
                async for _ in channel.run(program):
                    pass
            assert await channel.attach() == Idle()
            assert isinstance(await channel.make_safe(), Safe)

    with emulator(tmp_path, scenario) as made:
        asyncio.run(main(made["faulty"]))


def test_dropped_link_is_gone_and_the_program_goes_on(tmp_path: Path) -> None:
    """A link that drops ends the program's readings, not the program: it is found again and adopted."""
    scenario = SCENARIO + '  - {at: {channel: lossy, time: "2500 s"}, do: T10_refuse, for: {wall: "0.2 s"}}\n'
    program = Program((Rest(Sampling(10.0), Until(duration_second=3000.0), LIMITS),), token=81)

    async def attached(port: Port) -> list[Item]:
        async with channel_at(port, synchronise=False) as channel:
            assert await channel.attach() == Running(81)
            async with aclosing(channel.adopt(program)) as items:
                return [item async for item in items]

    async def main(port: Port) -> None:
        async with channel_at(port) as channel:
            with pytest.raises(PortGone):
                async for _ in channel.run(program):
                    pass
        async with asyncio.timeout(30):
            while True:
                try:
                    items = await attached(port)
                    break
                except (PortUnavailable, PortGone):
                    await asyncio.sleep(0.01)
        assert_ended(items[-2], 0, 3000.0, 3000.0)
        assert items[-1] == ProgramEnded(EndReason.COMPLETED)

    with emulator(tmp_path, scenario) as made:
        asyncio.run(main(made["lossy"]))


def test_instrument_that_says_set_points_is_understood(tmp_path: Path) -> None:
    """A charge and a hold are followed to their wanted ends where the loops say what was set in place of what was measured."""

    async def main(port: Port) -> None:
        async with channel_at(port) as channel:
            safety = await channel.make_safe()
            assert isinstance(safety, Safe)
            assert safety.open_circuit_voltage_volt is not None
            top = safety.open_circuit_voltage_volt + 0.15
            charge = Galvanostatic(1e-3, Sampling(60.0), Until(voltage_above_volt=top), LIMITS)
            hold = Potentiostatic(top, Sampling(10.0), Until(current_below_ampere=9e-4), LIMITS)
            items = await items_of(channel, charge, hold)
        ends = [item.reason for item in items if isinstance(item, CommandEnded)]
        assert ends == [EndReason.VOLTAGE_ABOVE, EndReason.CURRENT_BELOW]
        readings = [item for item in items if isinstance(item, Reading)]
        assert {reading.current_ampere for reading in readings if reading.command_index == 0} == {1e-3}
        voltages = {reading.voltage_volt for reading in readings if reading.command_index == 1}
        assert list(voltages) == pytest.approx([top], abs=1e-6)
        assert all(isinstance(item, CommandEnded | Reading | ProgramEnded) for item in items)

    with emulator(tmp_path, f"loops_say: set{SCENARIO}") as made:
        asyncio.run(main(made["full"]))
