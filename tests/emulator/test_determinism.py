"""The same seed and scenario give the same bytes: in time that jumps and in time that is stepped, at any scale, whoever looks on.

No hash is pinned: the equations go through the C library's exp, log and asinh, whose last digit differs between platforms.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.emulated import PLATE, START, Emulator, Host, leased, running, scenario

PROGRAMS = (PLATE.format(current="-500u", second=3600), PLATE.format(current="500u", second=3000))
SCALED = {"mode": "scaled", "start": START}


def heard(emulator: Emulator) -> tuple[str, str]:
    """Hashes of what two programs said and of the truth about them, without the row of versions and files."""
    with leased(emulator) as host:
        for program in PROGRAMS:
            host.run(program)
        wire = hashlib.sha256(host.heard).hexdigest()
    emulator.end()
    rows = [row for row in emulator.truth() if row["kind"] != "scenario"]
    assert len(rows) == 2
    return wire, hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def test_self_advancing_time_repeats_every_byte(tmp_path: Path) -> None:
    """Two processes: one hash of the wire, one of the truth; another seed gives others."""
    hashes = []
    for number, seed in enumerate((7, 7, 8)):
        with running(tmp_path / str(number), scenario("self_advancing", seed=seed)) as emulator:
            hashes.append(heard(emulator))
    assert hashes[0] == hashes[1]
    assert hashes[0][0] != hashes[2][0]
    assert hashes[0][1] != hashes[2][1]


def test_stepped_time_repeats_what_self_advancing_time_gives(tmp_path: Path) -> None:
    """How time is made to go leaves no trace in the bytes, nor does the size of the steps."""
    with running(tmp_path / "leased", scenario("self_advancing")) as emulator, leased(emulator) as host:
        expected = host.run(PROGRAMS[0])
    for step in (3600.0, 71.3):
        with running(tmp_path / f"stepped-{step}", scenario("stepped")) as emulator, Host(emulator) as host:
            host.say(f"e\n{PROGRAMS[0]}\n")
            while emulator.now() < 3600.0:
                emulator.ask("POST", "/advance", {"second": min(step, 3600.0 - emulator.now())})
            assert host.hear(b"\n\n") == expected


def said_at(directory: Path, given: dict[str, Any], pollers: int = 0) -> bytes:
    """What the first program says, while so many clients ask for status and truth as fast as they can."""
    with running(directory, given) as emulator, Host(emulator) as host:
        stop = threading.Event()

        def poll() -> None:
            while not stop.is_set():
                emulator.ask("GET", "/status")
                emulator.ask("GET", "/channel/a1/truth")

        threads = [threading.Thread(target=poll) for _ in range(pollers)]
        for thread in threads:
            thread.start()
        try:
            return host.run(PROGRAMS[0])
        finally:
            stop.set()
            for thread in threads:
                thread.join()


@pytest.mark.parametrize(("scale", "pollers"), [(2000.0, 0), (2000.0, 1), (2000.0, 3)])
def test_neither_speed_nor_onlookers_change_a_sample(tmp_path: Path, scale: float, pollers: int) -> None:
    """The samples of one program at × 500 unwatched are those at × 2000 with 0, 1 or 3 pollers on the control port."""
    slow = said_at(tmp_path / "slow", scenario("scaled", clock=SCALED | {"scale": 500.0}))
    fast = said_at(tmp_path / "fast", scenario("scaled", clock=SCALED | {"scale": scale}), pollers)
    assert slow.count(b"P") == 360
    assert fast == slow
