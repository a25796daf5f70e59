"""``harness up``: starts the processes a site needs, keeps them running, and stops them in the order that is safe.

Children share nothing but files and ports, so a crash or a heavy query in one never touches a cell in another. The daemon is
stopped first, while the broker and the store still listen. When it ends with status 2 it met bad input: no restart can help, so
everything stops with that status. Any other child is tried again, ever more rarely, and never stops a daemon with cells in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

BAD_INPUT_STATUS = 2
LONGEST_BACKOFF_SECOND = 30.0
_MOST_DOUBLINGS = 16
STOP_SECOND = 15.0
"""How long a child may take to end after SIGTERM; the daemon may take as long as its cells need."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """One process: its name and its arguments after ``python -m``.

    A ``vital`` one owns cells: it is waited for without limit when stopping, and without it the others make no sense. What a
    child logs goes to the file ``log``, or to our own standard error; what it says to people stays on the screen.
    """

    name: str
    arguments: tuple[str, ...]
    vital: bool = False
    log: Path | None = None


class ChildFailed(Exception):
    """A child ended with a status that no restart can cure."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} ended with status {status}")
        self.status = status


async def keep_running(children: Sequence[Child], stop: asyncio.Event) -> None:
    """Run ``children`` until ``stop`` is set, restarting what ends by itself; then stop them one after the other, in order.

    Raises:
        ChildFailed: a vital child ended with status 2; the others have been stopped.
    """
    keepers = [_Keeper(child) for child in children]
    tasks = [asyncio.create_task(keeper.keep(), name=f"child[{keeper.child.name}]") for keeper in keepers]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        for keeper in keepers:
            await keeper.end()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for ended in done - {stopping}:
        ended.result()


def backoff_second(quick_ends: int) -> float:
    """How long to wait after so many quick ends in a row."""
    return min(LONGEST_BACKOFF_SECOND, 0.5 * 2.0 ** min(quick_ends, _MOST_DOUBLINGS))


class _Keeper:
    def __init__(self, child: Child) -> None:
        self.child = child
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()
        self._starting = asyncio.Lock()

    async def keep(self) -> None:
        """Start the child, and again after each end that was not asked for."""
        quick_ends = 0
        while not self._ending.is_set():
            began = asyncio.get_running_loop().time()
            status = await self._run()
            if self._ending.is_set():
                return
            if status == BAD_INPUT_STATUS and self.child.vital:
                raise ChildFailed(self.child.name, status)
            lived = asyncio.get_running_loop().time() - began
            quick_ends = quick_ends + 1 if lived < 60.0 else 0
            log.error("process ended", name=self.child.name, status=status, restarting=True)
            await asyncio.sleep(backoff_second(quick_ends))

    async def _run(self) -> int | None:
        """Start the child and wait for its end; ``None`` if it could not be started, or must not any more."""
        async with self._starting:
            if self._ending.is_set():
                return None
            try:
                self._process = await self._start()
            except OSError as error:
                log.error("process could not be started", name=self.child.name, reason=str(error))
                return None
        return await self._process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as files:
            log = None if self.child.log is None else files.enter_context(self.child.log.open("ab"))
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.child.arguments, stderr=log, start_new_session=True
            )

    async def end(self) -> None:
        """Ask the child to end; kill it where its time is limited and over."""
        self._ending.set()
        async with self._starting:
            process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(None if self.child.vital else STOP_SECOND):
                await process.wait()
        except TimeoutError:
            log.error("process did not end and was killed", name=self.child.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
