"""What a run pins of its cell and its build at its start, and what that means for later corrections."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pytest

from harness.errors import Refused
from harness.model.anode import AnodeBuild
from harness.model.anode_facts import findings_from
from harness.model.claims import assess
from harness.model.records import RunStarted
from harness.model.status import ChannelState
from tests import facts

THINNER = facts.BARE.model_copy(update={"active": facts.BARE.active.model_copy(update={"thickness": None})})


class MakeBench(Protocol):
    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Any]: ...


def test_run_pins_its_build_and_makes_it_immutable(bench: MakeBench) -> None:
    """A run's first record holds build, revisions and verdicts; afterwards a correction says why, and changes no run."""

    async def main() -> None:
        async with bench() as made:
            registry = made.station.registry
            registry.put_build(THINNER, "ada")
            await made.until(lambda: made.slot().state is ChannelState.IDLE)
            run = await made.start()
            with pytest.raises(Refused, match="build bare has been used by a run"):
                registry.put_build(facts.BARE, "ada")
            assert registry.put_build(facts.BARE, "ada", "measured at last") == 3
            assert [one.runs for one in registry.build_history("bare")] == [0, 1, 0]
            assert registry.cell("cell-a1").runs == 1
            await made.station.stop(run, "ada")
            started = made.records(run)[0]
            assert isinstance(started, RunStarted)
            pinned = started.facts
            assert (pinned.cell_revision, pinned.build_revision, pinned.counter) == (1, 2, "Li")
            assert AnodeBuild.model_validate_json(pinned.anode or "") == THINNER
            assert findings_from(pinned.findings or "") == assess(THINNER)
            assert (pinned.substrate, pinned.lithium_thickness_um, pinned.layer_count) == ("none", None, 0)
            assert made.station.registry.pinned("cell-a1").build.revision == 3

    asyncio.run(main())


def test_refused_run_uses_nothing(bench: MakeBench) -> None:
    """A run that was refused leaves cell and build to be corrected without a reason."""

    async def main() -> None:
        async with bench() as made:
            await made.until(lambda: made.slot().state is ChannelState.IDLE and made.slot().identity is not None)
            made.cables["a1"].pull()
            await made.until(lambda: made.slot().state is ChannelState.LOST)
            with pytest.raises(Refused, match="not connected"):
                await made.start()
            assert made.station.registry.put_build(THINNER, "ada") == 2
            assert made.station.registry.cell("cell-a1").runs == 0

    asyncio.run(main())
