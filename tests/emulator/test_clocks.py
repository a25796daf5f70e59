"""The four clocks: what makes time go, what makes it stand, and who says that it could not be kept up with."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emulator.clocks.clock import Clock, Mode
from emulator.clocks.leases import LOST_SECOND, Leases, Situation, Traffic
from emulator.clocks.quiet import QuietLoop
from emulator.clocks.virtual_time import SteppedClock
from tests.emulated import PLATE, START, START_NANOSECOND, Host, Refused, leased, running, scenario


@dataclass
class Port:
    """A port as leases see it."""

    sent_bytes: int = 0
    received_bytes: int = 0
    present: bool = True


@dataclass
class Bench:
    """Leases over two ports, and one lease on the first."""

    leases: Leases = field(default_factory=Leases)
    port: Port = field(default_factory=Port)
    other: Port = field(default_factory=lambda: Port(present=False))

    def __post_init__(self) -> None:
        self.leases.ports |= {"a1": self.port, "a2": self.other}


def test_time_stands_until_somebody_comes_and_then_flows_for_those_without_a_lease() -> None:
    """Nobody: standing. A client without a lease: pacing, also after it has gone."""
    bench = Bench(port=Port(present=False))
    assert bench.leases.situation() is Situation.STANDING
    bench.port.present = True
    assert bench.leases.situation() is Situation.PACING
    bench.port.present = False
    assert bench.leases.situation() is Situation.PACING


def test_bytes_on_their_way_keep_time_from_jumping() -> None:
    """A wait holds only for exactly the traffic the ports have seen, both ways."""
    bench = Bench()
    lease = bench.leases.take("test", None, 30.0)
    assert bench.leases.situation() is Situation.HELD
    for received, sent, expected in ((0, 0, Situation.JUMPING), (0, 5, Situation.HELD), (3, 0, Situation.HELD)):
        lease.wait({}, {"a1": Traffic(received, sent)})
        assert bench.leases.situation() is (Situation.HELD if (received, sent) != (0, 0) else expected)
    bench.port.sent_bytes, bench.port.received_bytes = 3, 5
    lease.wait({}, {"a1": Traffic(3, 5)})
    assert bench.leases.situation() is Situation.JUMPING
    lease.hold()
    assert bench.leases.situation() is Situation.HELD


def test_a_client_without_a_lease_neither_is_run_past_nor_stops_anybody() -> None:
    """While a foreign client is connected time runs at the clock's scale instead of jumping; a busy leaseholder stops it."""
    bench = Bench()
    lease = bench.leases.take("test", frozenset({"a1"}), 30.0)
    lease.wait({}, {})
    assert bench.leases.situation() is Situation.JUMPING
    bench.other.present = True
    assert bench.leases.situation() is Situation.PACING
    lease.hold()
    assert bench.leases.situation() is Situation.HELD


def test_a_holder_that_is_gone_stops_the_world_for_its_keep_alive_only() -> None:
    """Nothing heard for the keep-alive ends the lease; bytes that never arrive are given up."""
    bench = Bench()
    lease = bench.leases.take("test", None, 30.0)
    lease.wait({}, {"a1": Traffic(0, 5)})
    assert bench.leases.situation() is Situation.HELD
    lease.spoke -= LOST_SECOND + 1.0
    assert bench.leases.situation() is Situation.JUMPING
    lease.heard -= 31.0
    assert bench.leases.situation() is Situation.PACING
    assert not bench.leases.held


def test_slack_lets_a_running_script_be_heard_later_but_not_its_end() -> None:
    """Output of a script that goes on bounds time by the slack; an end stops it at once."""
    bench = Bench()
    lease = bench.leases.take("test", None, 30.0, slack_nanosecond=100)
    lease.wait({}, {"a1": Traffic(0, 0)})
    bench.port.sent_bytes = 4
    bench.leases.note_sent("a1", 1000, running=True)
    assert bench.leases.situation() is Situation.JUMPING
    assert bench.leases.unheard_until() == 1100
    bench.port.sent_bytes = 9
    bench.leases.note_sent("a1", 1050, running=False)
    assert bench.leases.situation() is Situation.HELD
    lease.wait({}, {"a1": Traffic(9, 0)})
    assert bench.leases.situation() is Situation.JUMPING
    assert not bench.leases.unheard


def test_stepped_time_goes_as_far_as_it_is_told(tmp_path: Path) -> None:
    """Everything up to the moment has happened when the answer comes, nothing after it has, and time does not go back."""
    with running(tmp_path, scenario("stepped")) as emulator, Host(emulator) as host:
        host.say(f"e\n{PLATE.format(current='-500u', second=3600)}\n")
        while host.heard.count(b"P") < 1:
            host.hear(b"\n")
        assert emulator.now() == 0.0
        assert emulator.ask("POST", "/advance", {"second": 35})["now_nanosecond"] == START_NANOSECOND + 35 * 10**9
        while host.heard.count(b"P") < 4:
            host.hear(b"\n")
        assert emulator.ask("GET", "/status")["channels"]["a1"]["sent_bytes"] == len(host.heard)
        assert host.heard.count(b"P") == 4
        emulator.ask("POST", "/advance", {"until_nanosecond": START_NANOSECOND + 3600 * 10**9})
        host.hear(b"*\n\n")
        assert host.heard.count(b"P") == 360
        with pytest.raises(Refused, match="does not go back"):
            emulator.ask("POST", "/advance", {"until_nanosecond": START_NANOSECOND})
        with pytest.raises(Refused, match="either second or"):
            emulator.ask("POST", "/advance", {})


def test_a_leaseholder_moves_time_by_waiting(tmp_path: Path) -> None:
    """Time stands while the holder is busy and jumps while it waits, to its own moment too; without a lease it flows."""
    given = scenario("self_advancing", clock={"mode": "self_advancing", "start": START, "scale": 1000})
    with running(tmp_path, given) as emulator:
        assert (emulator.now(), emulator.ask("GET", "/time")["situation"]) == (0.0, "standing")
        with leased(emulator) as host:
            begun = time.monotonic()
            said = host.run(PLATE.format(current="-500u", second=36_000))
            assert said.count(b"P") == 3600
            assert emulator.now() == 36_000.0
            assert emulator.ask("GET", "/time")["situation"] == "held"
            assert time.monotonic() - begun < DEADLINE
            until = START_NANOSECOND + 40_000 * 10**9
            traffic = {"a1": [len(host.heard), host.said]}
            told = emulator.ask("POST", f"/lease/{host.lease}/wait", {"until_nanosecond": until, "traffic": traffic})
            assert told["now_nanosecond"] == until
            assert emulator.ask("POST", f"/lease/{host.lease}/hold", {})["now_nanosecond"] == until
            emulator.ask("DELETE", f"/lease/{host.lease}")
            with pytest.raises(Refused, match="has ended"):
                emulator.ask("POST", f"/lease/{host.lease}/hold", {})
        assert emulator.now() < emulator.now()
        printed, complained = emulator.end()
        assert "as fast as it can" in printed
        assert complained == ""


DEADLINE = 19.0


def test_a_client_without_a_lease_gets_scaled_time(tmp_path: Path) -> None:
    """A script of a host that knows of no lease takes its time at the clock's scale, beside a leaseholder that waits."""
    given = scenario("self_advancing", 2, clock={"mode": "self_advancing", "start": START, "scale": 1000})
    with (
        running(tmp_path, given) as emulator,
        leased(emulator, "a1", channels=["a1"]) as waiting,
        Host(emulator, "a2") as foreign,
    ):
        emulator.ask("POST", f"/lease/{waiting.lease}/hold", {})
        foreign.say(f"e\n{PLATE.format(current='-500u', second=300)}\n")
        emulator.ask(
            "POST",
            f"/lease/{waiting.lease}/wait",
            {"until_nanosecond": START_NANOSECOND + 400 * 10**9, "traffic": {"a1": [0, 0]}},
        )
        assert foreign.hear(b"\n\n").count(b"P") == 30
        speed = emulator.ask("GET", "/speed")
        assert speed["achieved_ratio"] < 1000.0


def test_real_time_is_not_advanced_and_lacks_leases(tmp_path: Path) -> None:
    """Where time passes by itself the control port says so."""
    given = scenario("scaled", clock={"scale": 1000, "start": START})
    with running(tmp_path, given) as emulator:
        assert emulator.ask("GET", "/time")["mode"] == "scaled"
        with pytest.raises(Refused, match="only stepped time is advanced"):
            emulator.ask("POST", "/advance", {"second": 1})


def test_speed_report_names_who_could_not_keep_up(capsys: pytest.CaptureFixture[str]) -> None:
    """The worst and the present lag by channel, and the ratio that the slowest channel reached."""
    clock = Clock(1000.0, 0, time.time_ns())
    clock.begin()
    clock.note_lag("a1", 500.0)
    clock.note_lag("a2", 3000.0)
    report = clock.report()
    assert report.mode is Mode.SCALED
    assert report.worst_lag_second_by_channel == {"a1": 0.5, "a2": 3.0}
    assert not report.kept_up
    assert "a2 was 3.0 s of wall time behind" in report.sentence()
    assert "cannot keep up: a2" in capsys.readouterr().err


def test_channels_take_turns_in_their_order_whoever_asked_first() -> None:
    """Of those that wait for one moment the one named first goes first; an earlier moment goes before all."""
    clock, order = SteppedClock(start_nanosecond=0), list[str]()

    async def wait(name: str, nanosecond: int) -> None:
        await clock.waiter(name).until(nanosecond)
        order.append(name)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock.attach(loop)
        clock.waiter("a1"), clock.waiter("a2"), clock.waiter("a3")
        tasks = [loop.create_task(wait(*one)) for one in (("a3", 5), ("a2", 7), ("a1", 7), ("a2", 5))]
        await clock.advance_to(6)
        assert (order, clock.now_nanosecond()) == (["a2", "a3"], 6)
        await clock.advance_to(7)
        assert order == ["a2", "a3", "a1", "a2"]
        await asyncio.gather(*tasks)

    with asyncio.Runner(loop_factory=QuietLoop) as runner:
        runner.run(main())
