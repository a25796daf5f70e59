"""Children are kept running, stopped in order, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from harness.service import supervisor
from harness.service.supervisor import BAD_INPUT_STATUS, Child, ChildFailed, keep_running

CHILD = """
import os, pathlib, signal, sys, time
directory, name, status = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def ended(*_):
    with (directory / "order").open("a") as file:
        file.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, ended)
with (directory / "pids").open("a") as file:
    file.write(f"{name} {os.getpid()}\\n")
if status >= 0:
    sys.exit(status)
while True:
    time.sleep(0.05)
"""


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the child's module is found, and what the children write."""
    (tmp_path / "a_child.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def child(directory: Path, name: str, status: int = -1, *, vital: bool = False) -> Child:
    return Child(name, ("a_child", str(directory), name, str(status)), vital=vital)


def started(directory: Path) -> list[tuple[str, int]]:
    file = directory / "pids"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(name, int(pid)) for name, pid in (line.split() for line in lines)]


async def until(directory: Path, count: int) -> list[tuple[str, int]]:
    deadline = time.monotonic() + 15.0
    while len(found := started(directory)) < count:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.01)
    return found


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_backoff_stays_bounded_for_ever() -> None:
    """A child that crashes for days is started again every 30 s, and the supervisor lives on."""
    assert supervisor.backoff_second(1) == 1.0
    assert supervisor.backoff_second(100_000) == supervisor.LONGEST_BACKOFF_SECOND


def test_children_are_stopped_one_after_the_other_in_order(children: Path) -> None:
    """The first child has ended before the second is asked to."""

    async def main() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(keep_running([child(children, "one"), child(children, "two")], stop))
        pids = await until(children, 2)
        stop.set()
        await keeping
        assert (children / "order").read_text().split() == ["one", "two"]
        assert not any(lives(pid) for _, pid in pids)

    asyncio.run(main())


def test_killed_child_is_started_again(children: Path) -> None:
    """A child that ends by itself comes back."""

    async def main() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(keep_running([child(children, "one")], stop))
        ((_, pid),) = await until(children, 1)
        os.kill(pid, signal.SIGKILL)
        assert (await until(children, 2))[1][1] != pid
        stop.set()
        await keeping

    asyncio.run(main())


def test_bad_input_stops_everything(children: Path) -> None:
    """Status 2 of the vital child cannot be cured by a restart: the others are ended, and the status is passed on."""

    async def main() -> None:
        others = [child(children, "one"), child(children, "bad", BAD_INPUT_STATUS, vital=True)]
        with pytest.raises(ChildFailed) as failed:
            await asyncio.wait_for(keep_running(others, asyncio.Event()), 15.0)
        assert failed.value.status == BAD_INPUT_STATUS
        assert not any(lives(pid) for _, pid in started(children))

    asyncio.run(main())


def test_bad_input_of_another_child_leaves_the_vital_one_alone(children: Path) -> None:
    """A page that cannot have its port is tried again, and never stops the daemon with its cells."""

    async def main() -> None:
        stop = asyncio.Event()
        both = [child(children, "daemon", vital=True), child(children, "serve", BAD_INPUT_STATUS)]
        keeping = asyncio.create_task(keep_running(both, stop))
        found = await until(children, 3)
        assert [name for name, _ in found].count("serve") == 2
        assert lives(next(pid for name, pid in found if name == "daemon"))
        stop.set()
        await keeping

    asyncio.run(main())


def test_child_that_is_just_being_started_is_not_left_behind(children: Path) -> None:
    """A stop in the very moment of a start ends that child too."""

    async def main() -> None:
        for turns in range(12):
            stop = asyncio.Event()
            keeping = asyncio.create_task(keep_running([child(children, f"turn{turns}")], stop))
            for _ in range(turns):
                await asyncio.sleep(0)
            stop.set()
            await asyncio.wait_for(keeping, 15.0)
            assert not any(lives(pid) for _, pid in started(children))
        assert not _offspring()

    asyncio.run(main())


def test_child_that_cannot_be_started_is_tried_again(children: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that the system refuses is an outage of that child alone."""

    async def main() -> None:
        stop = asyncio.Event()
        executable = sys.executable
        monkeypatch.setattr(sys, "executable", str(children / "absent"))
        keeping = asyncio.create_task(keep_running([child(children, "one")], stop))
        await asyncio.sleep(0.05)
        assert not keeping.done()
        monkeypatch.setattr(sys, "executable", executable)
        await until(children, 1)
        stop.set()
        await keeping

    asyncio.run(main())


def _offspring() -> list[str]:
    """Living children of this process that run the child's module."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = entry.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            command = entry.joinpath("cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == str(os.getpid()) and "a_child" in command:
            found.append(command)
    return found
