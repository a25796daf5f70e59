"""An event loop that says when it is quiet: every task waits, and nothing that has arrived is left to be read.

It is the public constructor argument of asyncio's own loop, a selector, that asks; so no task has to say that it waits, and
nothing can be forgotten: whatever is runnable, a port's bytes or an HTTP request among it, is finished before.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable


class _Selector(selectors.DefaultSelector):
    """Asks before it would block; ``True`` means that the answer made something runnable."""

    asked: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.asked is not None and (timeout is None or timeout > 0.0) and self.asked():
            timeout = 0.0
        return super().select(timeout)


class QuietLoop(asyncio.SelectorEventLoop):
    """asyncio's selector loop. `when_quiet` names who is asked; for ``asyncio.Runner(loop_factory=QuietLoop)``."""

    def __init__(self) -> None:
        self._asking = _Selector()
        super().__init__(self._asking)

    def when_quiet(self, asked: Callable[[], bool] | None) -> None:
        """``asked`` is called each time the loop is about to block, and says whether it made something runnable."""
        self._asking.asked = asked
