"""The journal: the only writer of what was measured. What is not in it does not exist.

*Order.* A record is queued by `Journal.append`, which never waits, and numbered there: its row in the file, its ``seq`` in its
run. One thread owns the file and commits what waits as one transaction, a tenth of a second after the first of it arrived, or at
once when somebody waits in `Journal.flush`. Rows become durable in the order of their numbers, so that after any crash the file
holds a prefix of what was appended, without holes, and a reader that has come to row n never finds a new row before n.

*Durability.* The file is SQLite with a write-ahead log (WAL) and full synchronisation: a commit has returned only when the log
is on the disk. A power failure may tear the end of the log; its checksums then end the journal at the last whole commit.
`flush` returning is therefore the promise that a program may now be sent to a cell.

*The log.* It would grow for ever under readers that hold snapshots, and a checkpoint inside a commit would delay it. So SQLite's
own checkpoints are off, the writer empties the log every 5 s, readers read in short statements, and no other connection ever
checkpoints (two at the same instant can corrupt the file in the SQLite that Debian 12 has).

*Failure.* A commit that fails is tried again until it succeeds; meanwhile records wait in memory, in order, and
`Journal.failing_for_second` tells for how long. It also tells when a commit neither fails nor returns. What to do then is not
decided here: after 60 s the station makes every cell safe.

*Acceptance.* What the journal takes, its copies can carry: a number that is not finite, text that is not Unicode, a hole in
``seq`` or a stamp that does not rise is refused on the spot, when it can still be blamed on the one who wrote it.

The tables stand in `schema`. Beside the records the file keeps, per run, how far delivery has come: the publisher's cursor. It
may be lost with the last commit before a crash, which costs a repeated delivery and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.clock import SHORTEST_DEADLINE_SECOND
from harness.errors import JournalError
from harness.model.records import Record, RunEnded, RunStarted
from harness.model.run import RunContext
from harness.stream import codec, schema
from harness.stream.journal_file import Entry, JournalFile

COMMIT_INTERVAL_SECOND = 0.1
CHECKPOINT_INTERVAL_SECOND = 5.0
_CURSOR_DELAY_SECOND = 1.0
_RETRY_SECOND = 0.25


@dataclass(slots=True)
class _Run:
    number: int
    context: RunContext
    next_seq: int
    last_nanosecond: int
    ended: bool
    committed_seq: int
    delivered: int


class Journal:
    """The journal at ``path``, made if absent; an async context manager, used from its event loop only.

    Leaving it commits what waits. Raises `JournalError` on entering when the file cannot be used, and on leaving when records
    could not be written within the deadline of a flush.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock_monotonic: Callable[[], float] = time.monotonic,
        flush_deadline_second: float = SHORTEST_DEADLINE_SECOND,
    ) -> None:
        self._path = path
        self._now = clock_monotonic
        self._deadline_second = flush_deadline_second
        self._runs: dict[str, _Run] = {}
        self._texts: dict[str, int] = {}
        self._new_texts: list[tuple[int, str]] = []
        self._last_row = self._committed_row = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._committed = asyncio.Event()
        self._thread: threading.Thread | None = None
        # Shared with the writer thread, under the condition's lock:
        self._condition = threading.Condition()
        self._pending: deque[Entry] = deque()
        self._cursors: dict[int, int] = {}
        self._urgent = False
        self._closing = False
        self._failing_since: float | None = None
        self._failure = "the commit does not return"

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        file = await asyncio.to_thread(JournalFile, self._path)
        self._last_row = self._committed_row = file.last_row
        self._texts = {str(text): int(number or 0) for number, text in file.rows("SELECT id, text FROM text")}
        for values in file.rows(schema.RUN_SQL):
            run = _known_run(dict(zip(schema.RUN_COLUMNS, values, strict=True)))
            self._runs[run.context.run_id] = run
        self._thread = threading.Thread(target=self._keep_writing, args=(file,), name="journal", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 2 * self._deadline_second)
        self._thread = None
        self._fail_waiters()
        if self._pending:
            raise self._error(f"{len(self._pending)} records were lost at the end ({self._failure}); check the disk")

    def begin_run(self, context: RunContext, started: RunStarted) -> None:
        """Register the run ``context`` and queue its first record.

        Raises:
            JournalError: the run is known already, ``started`` is not its first record, or holds what cannot be told.
        """
        if context.run_id in self._runs or context.run_id != started.run_id:
            raise self._error(
                f"run {context.run_id} cannot begin with the start of run {started.run_id}: it is known, or another"
            )
        try:
            codec.encode_record(context, started)
            facts = codec.encode_facts(started.facts)
        except (codec.CodecError, ValueError) as error:
            raise self._error(f"run {context.run_id} cannot begin: {error}") from error
        run = _Run(len(self._runs) + 1, context, 0, -(2**63), ended=False, committed_seq=-1, delivered=-1)
        names = (context.run_id, context.station, context.channel, context.cell, context.build)
        self._queue(run, started, (run.number, *names, started.unix_time_nanosecond, facts, self._last_row + 1))
        self._runs[context.run_id] = run

    def append(self, record: Record) -> None:
        """Queue ``record``; never blocks.

        Raises:
            JournalError: the run is unknown or over, ``seq`` is not its next, the stamp does not rise, or the record holds what
                cannot be stored. Nothing is queued then.
        """
        run = self._runs.get(record.run_id)
        if run is None:
            raise self._error(f"run {record.run_id} is unknown; begin it first")
        self._queue(run, record, None)

    async def flush(self) -> None:
        """Return when everything appended so far is durable.

        Raises:
            JournalError: it is not within the deadline; it stays queued.
        """
        target = self._last_row
        if self._committed_row >= target:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((target, waiter))
        with self._condition:
            self._urgent = True
            self._condition.notify()
        try:
            async with asyncio.timeout(self._deadline_second):
                await waiter
        except TimeoutError:
            what = f"nothing was committed for {self._deadline_second:g} s ({self._failure}); check the disk"
            raise self._error(what) from None

    @property
    def failing_for_second(self) -> float:
        """How long commits have been failing, or one has not returned; 0.0 when healthy."""
        with self._condition:
            since = self._failing_since
            if since is None and self._pending and self._now() - self._pending[0].queued_at > SHORTEST_DEADLINE_SECOND:
                since = self._pending[0].queued_at
            return 0.0 if since is None else max(self._now() - since, 1e-9)

    def committed_seq(self, run_id: str) -> int:
        """The last durable ``seq`` of a run, −1 if none."""
        run = self._runs.get(run_id)
        return -1 if run is None else run.committed_seq

    def set_delivered(self, run_id: str, through_seq: int) -> None:
        """Every record of the run up to ``through_seq`` was delivered: kept with the next commit, or within a second or so.

        A smaller number than before makes the later ones due again when the publisher starts the next time.
        """
        run = self._runs.get(run_id)
        if run is None or through_seq > run.committed_seq:
            raise self._error(f"run {run_id} has no record {through_seq} that could have been delivered")
        run.delivered = through_seq
        with self._condition:
            self._cursors[run.number] = through_seq
            self._condition.notify()

    def delivered(self) -> dict[str, int]:
        """The cursor of every run, −1 if nothing was delivered."""
        return {run_id: run.delivered for run_id, run in self._runs.items()}

    def contexts(self) -> list[RunContext]:
        """Every run the journal knows, oldest first."""
        return [run.context for run in self._runs.values()]

    async def wait_committed(self) -> None:
        """Return when rows were committed since the last call returned; at once if they were. For one waiter."""
        await self._committed.wait()
        self._committed.clear()

    def _queue(self, run: _Run, record: Record, run_row: schema.Row | None) -> None:
        if self._thread is None:
            raise self._error("it is closed")
        if record.seq != run.next_seq or run.ended:
            end = "it is over" if run.ended else f"its next is {run.next_seq}"
            raise self._error(f"run {record.run_id} cannot take seq {record.seq}: {end}")
        if record.unix_time_nanosecond <= run.last_nanosecond:
            raise self._error(f"run {record.run_id}, seq {record.seq}: its stamp {record.unix_time_nanosecond} does not rise")
        row = self._last_row + 1
        try:
            values = schema.encode_row(row, run.number, record, self._intern)
        except ValueError as error:
            raise self._error(f"run {record.run_id}, seq {record.seq} cannot be kept: {error}") from error
        run.next_seq, run.last_nanosecond, run.ended = record.seq + 1, record.unix_time_nanosecond, isinstance(record, RunEnded)
        self._last_row = row
        identity = (row, run.number, record.run_id, record.seq, record.unix_time_nanosecond, run.ended)
        entry = Entry(*identity, values, tuple(self._new_texts), run_row, self._now())
        self._new_texts.clear()
        with self._condition:
            self._pending.append(entry)
            if len(self._pending) == 1:
                self._condition.notify()

    def _intern(self, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = self._texts[text] = len(self._texts) + 1
            self._new_texts.append((number, text))
        return number

    def _settle(self, last: dict[str, int], row: int) -> None:
        """In the event loop: rows up to ``row`` are durable."""
        self._committed_row = row
        for run_id, seq in last.items():
            self._runs[run_id].committed_seq = seq
        self._committed.set()
        while self._waiters and self._waiters[0][0] <= row:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)

    def _fail_waiters(self) -> None:
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._error(f"it was closed before its last records were durable ({self._failure})"))
        self._waiters.clear()

    def _error(self, what: str) -> JournalError:
        return JournalError(str(self._path), what)

    # The writer thread

    def _keep_writing(self, file: JournalFile) -> None:
        checkpoint_at = self._now() + CHECKPOINT_INTERVAL_SECOND
        give_up_at: float | None = None
        while True:
            entries, cursors = self._next_work()
            if entries or cursors:
                self._write(file, entries, cursors)
            if self._now() >= checkpoint_at:
                file.checkpoint()
                checkpoint_at = self._now() + CHECKPOINT_INTERVAL_SECOND
            with self._condition:
                if self._closing and give_up_at is None:
                    give_up_at = self._now() + self._deadline_second
                done = not self._pending and not self._cursors
                if give_up_at is not None and (done or self._now() >= give_up_at):
                    break
        file.close()

    def _next_work(self) -> tuple[list[Entry], dict[int, int]]:
        """Wait until something is due, and say what; nothing when it was only time for a look at the log."""
        with self._condition:
            if self._failing_since is not None:
                self._condition.wait_for(lambda: self._closing, _RETRY_SECOND)
            self._condition.wait_for(lambda: self._pending or self._cursors or self._closing, CHECKPOINT_INTERVAL_SECOND)
            if self._pending:
                self._wait_until(self._pending[0].queued_at + COMMIT_INTERVAL_SECOND)
            elif self._cursors:
                self._condition.wait_for(lambda: self._pending or self._urgent or self._closing, _CURSOR_DELAY_SECOND)
            self._urgent = False
            return list(self._pending), dict(self._cursors)

    def _wait_until(self, due_at: float) -> None:
        self._condition.wait_for(
            lambda: self._urgent or self._closing, max(0.0, min(due_at - self._now(), COMMIT_INTERVAL_SECOND))
        )

    def _write(self, file: JournalFile, entries: list[Entry], cursors: dict[int, int]) -> None:
        try:
            file.commit(entries, cursors)
        except JournalError as error:
            with self._condition:
                self._failure = error.what
                if self._failing_since is None:
                    self._failing_since = self._now()
            return
        with self._condition:
            self._failing_since = None
            for _ in entries:
                self._pending.popleft()
            for run in [run for run, through in cursors.items() if self._cursors.get(run) == through]:
                del self._cursors[run]
        if entries:
            last = {entry.run_id: entry.seq for entry in entries}
            self._loop.call_soon_threadsafe(self._settle, last, entries[-1].row)


def _known_run(values: dict[str, schema.Value]) -> _Run:
    """A run as the file tells it. Its numbers are integers by the table's own declaration."""
    text = {name: str(values[name]) for name in ("station", "channel", "cell", "build", "run_id")}
    numbers = {name: int(values[name] or 0) for name in ("run", "last_seq", "last_nanosecond", "delivered")}
    return _Run(
        number=numbers["run"],
        context=RunContext(**text),
        next_seq=numbers["last_seq"] + 1,
        last_nanosecond=numbers["last_nanosecond"],
        ended=bool(values["ended"]),
        committed_seq=numbers["last_seq"],
        delivered=numbers["delivered"],
    )
