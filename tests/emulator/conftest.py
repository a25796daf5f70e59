"""A channel without a port, for tests of the language; and the emulator as a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from emulator.cell.cells import Cell, DepositCell
from emulator.cell.parameters import preset_parameters
from emulator.clocks.clock import Clock
from emulator.instruments.channel import Channel
from emulator.instruments.converter import PERFECT, Imperfections
from emulator.instruments.methodscript.session import Identity, Session
from emulator.instruments.models import MODELS, ModelName
from emulator.noise import Normals
from emulator.truth import TruthFile

DEADLINE_SECOND = 15.0


class Bench:
    """One session, what it said, and the truth about its cell."""

    def __init__(self, session: Session, said: bytearray, truth: Path) -> None:
        self.session = session
        self.said = said
        self._truth = truth

    @property
    def channel(self) -> Channel:
        return self.session.channel

    def tell(self, text: str) -> None:
        self.session.received(text.encode())

    async def ask(self, text: str, ending: bytes = b"\n") -> str:
        """Send ``text`` and return what is said until ``ending`` ends it."""
        self.said.clear()
        self.tell(text)
        return await self.until(lambda: self.said.endswith(ending))

    async def run(self, script: str) -> list[str]:
        """The lines between ``e`` and the empty line."""
        text = await self.ask(f"e\n{script}\n\n", b"\n\n")
        first, *lines, last, empty = text.split("\n")
        assert (first, last, empty) == ("e", "", "")
        return lines

    async def until(self, happened: Callable[[], bool]) -> str:
        async with asyncio.timeout(DEADLINE_SECOND):
            while not happened():  # noqa: ASYNC110 - the session answers by plain calls
                await asyncio.sleep(0.001)
        return self.said.decode()

    def truth(self, kind: str) -> list[dict[str, object]]:
        self.channel.close_row()
        rows = [json.loads(line) for line in self._truth.read_text().splitlines()]
        return [row for row in rows if row["kind"] == kind]


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Bench]]:
    """Opens a `Bench`: a perfect EmStat4 HR with a Li||Cu cell of 1 cm² at 100 000 times real time, unless told otherwise."""

    @contextlib.asynccontextmanager
    async def opened(
        *,
        model: ModelName = "es4_hr",
        cell: Cell | None = None,
        imperfections: Imperfections = PERFECT,
        scale: float = 1e5,
        seed: int = 1,
    ) -> AsyncGenerator[Bench]:
        clock = Clock(scale, 1_767_225_600_000_000_000, time.time_ns())
        path = tmp_path / f"truth-{time.time_ns()}.jsonl"
        truth = TruthFile(path)

        def normal(stream: str) -> Callable[[int], float]:
            return Normals(seed, "a1", stream).value

        channel = Channel(
            "a1",
            MODELS[model],
            cell or DepositCell(preset_parameters("bare_fec"), 1.0, normal("cell")),
            imperfections=imperfections,
            normal=normal,
            truth=truth,
            now_nanosecond=clock.now_nanosecond(),
        )
        said = bytearray()
        session = Session(channel, Identity("EMU1CH001", "EMU1"), clock, said.extend)
        made = Bench(session, said, path)
        task = asyncio.create_task(session.run())
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            truth.close()

    return opened


class Process:
    """The emulator as a child process, with the addresses it gave."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.ports: dict[str, dict[str, str]] = json.loads((directory / "ports.json").read_text())

    def truth(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.directory / "truth.jsonl").read_text().splitlines()]


@pytest.fixture
def emulated(tmp_path: Path) -> Generator[Callable[[str], Process]]:
    """Starts the emulator with a scenario's text; every process is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str) -> Process:
        directory = tmp_path / f"emulator-{len(started)}"
        directory.mkdir()
        (directory / "scenario.yaml").write_text(text)
        command = [sys.executable, "-m", "emulator", str(directory / "scenario.yaml"), "--ports", str(directory / "ports.json")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline(), process.stderr and process.stderr.read()
        return Process(process, directory)

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=10)
