"""Both ends of the wire against other people's: the driver and the simulator of ``labmcp-palmsens`` (Apache-2.0), if installed.

Their driver was written from the same manuals by people who never saw ours, and neither was run on hardware: what both sides
agree on is a reading of the manuals held twice. Where they disagree, the test says so and why ours stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("labmcp_palmsens") is None:
    pytest.skip('labmcp-palmsens is not installed: pip install "anode-harness[foreign]"', allow_module_level=True)
if not hasattr(os, "openpty"):
    pytest.skip("the emulator's serial devices are pseudo-terminals", allow_module_level=True)

from potentiostat_drivers.clock import SystemClock
from potentiostat_drivers.errors import Rejected
from potentiostat_drivers.interface import Idle, Running, Unconfirmed
from potentiostat_drivers.methodscript.driver import MethodScriptInstrument
from potentiostat_drivers.program import Limits, Program, Rest, Sampling, Until
from potentiostat_drivers.transport import line_transport

SCALE = 20
SCENARIO = """
seed: 3
loops_say: set
clock: {scale: 20, start: 2026-01-01T00:00:00Z}
instruments:
  - serial: EMU4HR0001
    model: es4_hr
    channels:
      - {name: full, listen: tcp, cell: {geometry: full}}
      - {name: copper, listen: pty, cell: {geometry: deposit}}
  - {serial: EMUPICO001, model: espico, channels: [{name: pico, listen: tcp, cell: {geometry: symmetric}}]}
"""
POTENTIAL_VOLT = {"full": 3.7, "copper": 0.05, "pico": 0.05}
SET_UP = (
    "var p\nvar c\nset_pgstat_chan 0\nset_pgstat_mode 2\nset_max_bandwidth 60\nset_range_minmax da 0 100m\n"
    "set_range ba 1m\nset_autoranging ba 1m 1m\nset_e 50m\ncell_on\n"
)
SEND = "pck_start\npck_add p\npck_add c\npck_end\nendloop\n"
FINISH = "on_finished:\ncell_off\n"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where our emulator listens, by channel, as the others write it."""
    path = tmp_path_factory.mktemp("foreign") / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    command = [sys.executable, "-m", "emulator", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline().split() for _ in POTENTIAL_VOLT]
            yield {name: url.replace("socket://", "tcp://") if "://" in url else f"serial://{url}" for name, url, _ in said}
        finally:
            process.terminate()
            process.wait(10)


# -- their driver, our emulator


@pytest.fixture
def theirs(addresses: dict[str, str]) -> Iterator[Callable[[str], Any]]:
    """Opens their driver at one of our channels."""
    driver: Any = importlib.import_module("labmcp_palmsens.driver")
    labmcp: Any = importlib.import_module("labmcp")
    with contextlib.ExitStack() as stack:

        def opened(name: str) -> Any:
            transport = labmcp.open_transport(addresses[name], read_termination="\n", write_termination="\n", timeout=2.0)
            device = driver.MethodScriptDevice(transport)
            stack.callback(device.close)
            return device

        yield opened


def hold(name: str, run: str) -> list[str]:
    """The script their own builder makes for a hold with a timer."""
    driver: Any = importlib.import_module("labmcp_palmsens.driver")
    volt = POTENTIAL_VOLT[name]
    made: list[str] = driver.build_script(
        f"meas_loop_ca p c {driver.encode_literal(volt)} 100m {run}",
        begin_potential_v=volt,
        e_min=0.0,
        e_max=max(volt, 0.1),
        pgstat_mode=2,
        bandwidth_hz=60.0,
        current_range_a=1e-3,
        autorange=True,
        equilibration_s=1.0,
        with_timer=True,
    )
    return made


@pytest.mark.parametrize(
    ("name", "model", "serial"),
    [
        ("full", "EmStat4 HR", "EMU4HR0001CH001"),
        ("copper", "EmStat4 HR", "EMU4HR0001CH002"),
        ("pico", "EmStat Pico", "EMUPICO001CH001"),
    ],
)
def test_their_driver_identifies_our_instruments(theirs: Callable[[str], Any], name: str, model: str, serial: str) -> None:
    """Model, serial number and release are read from our firmware reply, over TCP and over a serial device."""
    found = theirs(name).identify()
    assert (found["model"], found["serial"], found["release"]) == (model, serial, "R")


@pytest.mark.parametrize("name", sorted(POTENTIAL_VOLT))
def test_their_driver_runs_its_hold(theirs: Callable[[str], Any], name: str) -> None:
    """A script of their making runs, and every package is decoded: time, set potential, current with a range."""
    result = theirs(name).execute(hold(name, "2"), 30.0)
    assert (result.error, result.malformed, result.aborted, result.timed_out) == (None, [], False, False)
    assert (result.lines[0], result.lines[-1]) == ("M0007", "*")
    packages = [variables for _, variables in result.packets]
    assert [[variable.type for variable in package] for package in packages] == [["eb", "da", "ba"]] * 20
    assert [package[0].value for package in packages] == pytest.approx([0.1 * place for place in range(20)], abs=1e-3)
    assert {round(package[1].value, 6) for package in packages} == {POTENTIAL_VOLT[name]}
    assert all(package[2].range is not None for package in packages)


RAW = {
    "M000B": ("meas_loop_ocp p 100m 1", ["p"], [["ab"]] * 10),
    "M000A": ("set_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\nmeas_loop_cp p c 100u 1 5", ["p", "c"], [["ab", "db"]] * 5),
    "M000D": (
        "set_pgstat_mode 3\nset_range ba 1m\nset_e 3700m\ncell_on\nmeas_loop_eis f p c 10m 100k 1 11i 3700m",
        ["f", "p", "c"],
        [["dc", "cc", "cd"]] * 11,
    ),
}


@pytest.mark.parametrize("kind", sorted(RAW))
def test_their_driver_reads_every_loop_of_ours(theirs: Callable[[str], Any], kind: str) -> None:
    """Open circuit, constant current and impedance are read by their parser as what they are."""
    head, sent, types = RAW[kind]
    adds = [f"pck_add {name}" for name in sent]
    script = ["var p", "var c", "var f", *head.split("\n"), "pck_start", *adds, "pck_end", "endloop", "on_finished:", "cell_off"]
    result = theirs("full").execute(script, 30.0)
    assert (result.error, result.malformed, result.lines[0], result.lines[-1]) == (None, [], kind, "*")
    assert [[variable.type for variable in package] for _, package in result.packets] == types


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (["fail"], r"line 1, column 5 \('fail'\): error 0x4001"),
        (["var p", "store_var q 1 ja"], r"line 2, column 12 .*error 0x420B"),
        (["var p", "var p"], r"line 2, column 6 .*error 0x4026"),
    ],
)
def test_their_driver_places_our_refusals(theirs: Callable[[str], Any], script: list[str], complaint: str) -> None:
    """A refused script is told with code, line and column, and the instrument answers afterwards."""
    device = theirs("full")
    with pytest.raises(Exception, match=complaint):
        device.execute(script, 10.0)
    assert device.execute(["cell_off"], 10.0).error is None


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (["set_pgstat_mode 2", "set_e 9"], "000F at script line 2"),
        (["var p", "var c", "meas_loop_ca p c 0 1 2", "endloop"], "4027 at script line 3"),
        (["var p", "set_pgstat_mode 2", "cell_on", "meas_loop_ocp p 1 2", "endloop"], "0014 at script line 4"),
        (["var p", "var c", "set_pgstat_mode 2", "cell_on", "meas_loop_ca p c 0 0 2", "endloop"], "4204 at script line 5"),
    ],
)
def test_their_driver_opens_the_cell_after_our_runtime_errors(theirs: Callable[[str], Any], script: list[str], code: str) -> None:
    """A runtime error is known with its line, and the separate ``cell_off`` that must follow it is accepted."""
    device = theirs("pico")
    result = device.execute(script, 10.0)
    assert code in result.error
    assert result.cell_off_sent
    assert device.execute(["var p", "meas_loop_ocp p 100m 100m", "endloop"], 10.0).error is None


def test_their_driver_aborts_ours_when_idle_running_and_late(theirs: Callable[[str], Any]) -> None:
    """An abort is answered when nothing runs, ends a script that ran too long, and one that another host left."""
    device = theirs("full")
    assert device.abort() == {"was_running": False, "stopped": True, "note": "cell switched off"}
    late = device.execute(hold("full", "3600"), 0.5)
    assert (late.timed_out, late.aborted, late.lines[-2:]) == (True, True, ["Z", "*"])
    device.t.write("\n".join(["e", *hold("full", "3600"), ""]))
    assert device.t.read(5.0) == "e"
    device.close()
    found = theirs("full")
    assert found.abort()["was_running"]
    assert found.identify()["serial"] == "EMU4HR0001CH001"


# -- our driver, their simulator


class Served:
    """Their simulator behind a TCP port. It knows neither ``v`` nor ``CM``, which every instrument answers: these are added."""

    def __init__(self) -> None:
        self.added = {"v": "v01.08.00", "CM": "C8000001C0100000D0000000"}
        simulator: Any = importlib.import_module("labmcp_palmsens.simulator")
        self.simulator = simulator.MethodScriptSimulator(speed=float(SCALE))
        served = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(0.01)
                partial = b""
                while served.alive:
                    with contextlib.suppress(TimeoutError):
                        data = self.request.recv(4096)
                        if not data:
                            return
                        *lines, partial = (partial + data).split(b"\n")
                        for line in lines:
                            served.say(self.request, served.answer(line.decode()))
                    served.say(self.request, served.simulator.poll())

        self.alive = True
        self.server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.server_address[:2]
        return str(host), int(port)

    def answer(self, line: str) -> list[str]:
        if self.simulator.receiving is None and line in self.added:
            return [self.added[line]]
        reply = self.simulator.handle(line)
        return [] if reply is None else [reply] if isinstance(reply, str) else reply

    @staticmethod
    def say(request: socket.socket, lines: list[str]) -> None:
        if lines:
            request.sendall("".join(f"{line}\n" for line in lines).encode("ascii"))


@pytest.fixture
def simulator() -> Iterator[Served]:
    served = Served()
    served.thread.start()
    try:
        yield served
    finally:
        served.alive = False
        served.server.shutdown()
        served.thread.join()
        served.server.server_close()


@contextlib.asynccontextmanager
async def our_driver(served: Served, *, synchronise: bool = True) -> AsyncIterator[MethodScriptInstrument]:
    host, port = served.address
    transport = line_transport(f"socket://{host}:{port}")
    async with MethodScriptInstrument(transport, SystemClock(SCALE), serial="ESPSIM01", synchronise=synchronise) as instrument:
        yield instrument


def test_our_driver_identifies_their_simulator(simulator: Served) -> None:
    """Synchronising, firmware, serial number and capabilities are understood, though it answers no empty line."""

    async def main() -> None:
        async with our_driver(simulator) as instrument:
            identity, channel = instrument.identity, instrument.channels[0]
            assert (identity.model, identity.serial, identity.firmware) == ("EmStat Pico", "ESPSIM01", "1600")
            assert not channel.capabilities.galvanostat
            assert channel.capabilities.impedance
            assert await channel.attach() == Idle()

    asyncio.run(main())


def test_our_driver_takes_nothing_for_proven_there(simulator: Served) -> None:
    """Its simulator has neither branches nor open circuit: a program is refused at its place, and a cell is never called safe."""
    program = Program((Rest(Sampling(1.0), Until(duration_second=5.0), Limits(-1.0, 1.5, 1e-3, 60.0)),), token=5)

    async def main() -> None:
        async with our_driver(simulator) as instrument:
            channel = instrument.channels[0]
            with pytest.raises(Rejected, match="unknown script command, line 22, column 20"):
                async for _ in channel.run(program):
                    pass
            safety = await channel.make_safe()
            assert isinstance(safety, Unconfirmed)
            assert "4001" in safety.reason
            assert not simulator.simulator.cell_powered

    asyncio.run(main())


def left_running(served: Served) -> None:
    """A host that is gone has started a long hold."""
    for line in ["e", *f"{SET_UP}meas_loop_ca p c 50m 100m 3600\n{SEND}{FINISH}".split("\n")]:
        served.answer(line)
    assert served.simulator.running


def test_our_driver_finds_what_runs_there(simulator: Served) -> None:
    """A running script that is none of ours is found running, by an instrument that answers ``t`` meanwhile."""
    left_running(simulator)

    async def main() -> None:
        async with our_driver(simulator, synchronise=False) as instrument:
            assert instrument.identity.model == "EmStat Pico"
            assert await instrument.channels[0].attach() == Running(None)

    asyncio.run(main())
    assert simulator.simulator.running


def test_our_driver_stops_what_runs_there(simulator: Served) -> None:
    """A script that another host left running is aborted on connecting, through its last section."""
    left_running(simulator)

    async def main() -> None:
        async with our_driver(simulator) as instrument:
            assert await instrument.channels[0].attach() == Idle()

    asyncio.run(main())
    assert not simulator.simulator.running


# -- the same bytes to both

Talk = Callable[[str, str], list[str]]


def shape(lines: list[str]) -> list[str]:
    """What is left of a stream without its values: variable types of packages, everything else as it is."""
    return ["P" + ";".join(part[:2] for part in line[1:].split(";")) if line.startswith("P") else line for line in lines]


@contextlib.contextmanager
def wire(host: str, port: int) -> Iterator[Talk]:
    """Sends text and returns what is said until a line begins with an ending (``""`` is an empty line)."""
    with socket.create_connection((host, port), timeout=10.0) as link, link.makefile("r", encoding="ascii", newline="\n") as said:

        def talk(text: str, ending: str) -> list[str]:
            link.sendall(text.encode("ascii"))
            lines: list[str] = []
            while not lines or not (lines[-1].startswith(ending) if ending else lines[-1] in ("", ending)):
                line = said.readline()
                assert line, lines
                lines.append(line.removesuffix("\n"))
            return lines

        yield talk


@pytest.fixture
def both(addresses: dict[str, str], simulator: Served) -> Iterator[tuple[Talk, Talk]]:
    """Our Pico and theirs."""
    host, port = addresses["pico"].removeprefix("tcp://").split(":")
    with wire(host, int(port)) as ours, wire(*simulator.address) as others:
        yield ours, others


CA = "meas_loop_ca p c 50m 100m 500m\n"
SAME = {
    "firmware": ("t\n", "R*"),
    "nothing to abort": ("Z\n", "Z"),
    "no command": ("fail\n", "f"),
    "no register": ("G01\n", "G"),
    "no script": ("e\n\n", ""),
    "unknown statement": ("e\nfail\n\n", "e!"),
    "only a comment": ("e\n# nothing\n\n", ""),
    "text": ('e\nsend_string "a  b" # c\n\n', ""),
    "tabs": ("e\n\tvar p\n\tvar c\n\n", ""),
    "carriage returns": ("e\r\ncell_off\r\n\r\n", ""),
    "whole number": ("e\nvar a\nstore_var a 5i ja\npck_start\npck_add a\npck_end\n\n", ""),
    "bits": ("e\nvar a\nstore_var a 0x1F ja\npck_start\npck_add a\npck_end\n\n", ""),
    "prefix": ("e\nvar a\nstore_var a -1500m ab\npck_start\npck_add a\npck_end\n\n", ""),
    "timer": ("e\nvar t\ntimer_start\nwait 1\ntimer_get t\npck_start\npck_add t\npck_end\n\n", ""),
    "hold": (f"e\n{SET_UP}{CA}{SEND}{FINISH}\n", ""),
    "texts around": (f'e\n{SET_UP}{CA}{SEND}send_string "after"\n{FINISH}send_string "finished"\n\n', ""),
    "one point": (f"e\n{SET_UP}meas_loop_ca p c 50m 100m 100m\n{SEND}{FINISH}\n", ""),
}


@pytest.mark.parametrize("name", sorted(SAME))
def test_both_instruments_answer_alike(both: tuple[Talk, Talk], name: str) -> None:
    """The kinds and the order of lines, and all that does not depend on a cell, are the same."""
    text, ending = SAME[name]
    ours, others = (shape(talk(text, ending)) for talk in both)
    if name == "firmware":
        ours, others = ([lines[0].partition("#")[0], *lines[1:]] for lines in (ours, others))
    assert ours == others


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("var p\nvar p\n", "e!4026: Line 2"),
        ("var p\nstore_var q 1 ja\n", "e!420B: Line 2"),
        ("set_e x\n", "e!420B: Line 1"),
    ],
)
def test_both_instruments_refuse_alike(both: tuple[Talk, Talk], script: str, code: str) -> None:
    """The code and the line are the same; ours adds the column, which the manual's format has and theirs leaves out."""
    (ours,), (others,) = (talk(f"e\n{script}\n", "e!") for talk in both)
    assert others == code
    assert ours.startswith(f"{code}, Col ")


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("set_e 9\n", "!000F: Line 1"),
        (f"var p\nvar c\n{CA}{SEND}", "!4027: Line 3"),
        (f"{SET_UP}meas_loop_ca p c 50m 0 500m\n{SEND}{FINISH}", "!4204: Line 11"),
    ],
)
def test_both_instruments_fail_alike(both: tuple[Talk, Talk], script: str, fault: str) -> None:
    """A runtime error follows the acceptance, with the same code and line; the empty line after it is disputed."""
    ours, others = (talk(f"e\n{script}\n", "!") for talk in both)
    assert ours == others == ["e", fault]


@pytest.mark.parametrize(("command", "after"), [("Z", ["*", "Tfinished", ""]), ("Y", ["*", "Tafter", "Tfinished", ""])])
def test_both_instruments_stop_alike(both: tuple[Talk, Talk], command: str, after: list[str]) -> None:
    """An abort goes to the last section, the end of a loop to the statement after it; both close the loop first."""
    text = f'e\n{SET_UP}meas_loop_ca p c 50m 1 3600\n{SEND}send_string "after"\n{FINISH}send_string "finished"\n\n'
    for talk in both:
        assert talk(text, "P")[:2] == ["e", "M0007"]
        stopped = talk(f"{command}\n", "")
        assert stopped[stopped.index(command) :] == [command, *after]
