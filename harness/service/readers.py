"""Stores behind threads: nothing that reads a journal may block the event loop. Knows no question, only who may ask.

A store is opened, asked and closed in one and the same thread (SQLite insists), and opened anew after it has failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from harness.errors import JournalError, StoreError
from harness.store.base import Store

Answer = TypeVar("Answer")
StoreFactory = Callable[[], Store]


class StoreReader:
    """One store and the one thread that touches it; questions wait for each other."""

    def __init__(self, factory: StoreFactory) -> None:
        self._factory = factory
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown(wait=False)

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """What ``question`` returns when it is called with the store, in the store's thread.

        Raises:
            StoreError: the store does not answer as it should; the next question opens it again.
            JournalError: likewise.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)

    def _answer(self, question: Callable[[Store], Answer]) -> Answer:
        if self._store is None:
            self._store = self._factory()
        try:
            return question(self._store)
        except (StoreError, JournalError):
            self._let_go()
            raise

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()


class StoreReaders:
    """A few readers shared by all requests: as many questions at once as there are readers, the others wait."""

    def __init__(self, factory: StoreFactory, count: int) -> None:
        self._readers = [StoreReader(factory) for _ in range(count)]
        self._idle: asyncio.Queue[StoreReader] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for reader in self._readers:
            self._idle.put_nowait(reader)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for reader in self._readers:
            await reader.__aexit__(kind, error, trace)

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """As `StoreReader.ask`, by the first reader that is idle."""
        reader = await self._idle.get()
        try:
            return await reader.ask(question)
        finally:
            self._idle.put_nowait(reader)
