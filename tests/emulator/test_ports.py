"""The emulator as a process: ports, transcripts, absent hosts, signals, complaints."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

SESSION = (Path(__file__).parents[1] / "wire" / "methodscript" / "session.wire").read_text().splitlines()
DEADLINE_SECOND = 15.0

SCENARIO = """
seed: 7
clock: {{scale: {scale}, start: 2026-01-01T00:00:00Z}}
truth: {{file: truth.jsonl}}
instruments:
  - serial: EMU4HR20B
    model: es4_hr
    channels:
      - name: a1
        listen: {listen}
        serial: EMU4HR20B0001
        cell: {{geometry: deposit, preset: bare_fec, area_cm2: 1.0, overrides: {{cell_scatter: 0}}}}
"""

PLATE = (
    "var p\nvar c\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\nmeas_loop_cp p c -500u 10 {second}\n"
    "pck_start\npck_add p\npck_add c\npck_end\nendloop\non_finished:\ncell_off\n"
)


class Started(Protocol):
    process: subprocess.Popen[str]
    directory: Path
    ports: dict[str, dict[str, str]]

    def truth(self) -> list[dict[str, Any]]: ...


Emulated = Callable[[str], Started]


class Host:
    """A host on a socket or a terminal, byte by byte, with a deadline."""

    def __init__(self, url: str) -> None:
        self._socket: socket.socket | None = None
        self._unread = b""
        if url.startswith("socket://"):
            host, port = url.removeprefix("socket://").split(":")
            self._socket = socket.create_connection((host, int(port)))
            self._file = self._socket.fileno()
        else:
            self._file = os.open(url, os.O_RDWR | os.O_NOCTTY)

    def tell(self, data: bytes) -> None:
        os.write(self._file, data)

    def hear(self, enough: Callable[[bytes], bool]) -> bytes:
        heard, deadline = self._unread, time.monotonic() + DEADLINE_SECOND
        self._unread = b""
        while not enough(heard):
            ready, _, _ = select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, heard
            data = os.read(self._file, 4096)
            assert data, heard
            heard += data
        return heard

    def lines(self, count: int) -> bytes:
        heard = self.hear(lambda heard: heard.count(b"\n") >= count)
        parts = heard.split(b"\n", count)
        self._unread = parts.pop()
        return b"\n".join(parts) + b"\n"

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._file)


def unescaped(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECOND
    while not happened():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


@pytest.mark.parametrize("listen", ["tcp", "pty"])
def test_session_is_the_golden_one(emulated: Emulated, listen: str) -> None:
    """The session of the manuals goes byte for byte, over either kind of port, but for the cell's own voltage and current."""
    host = Host(emulated(SCENARIO.format(scale=1, listen=listen)).ports["a1"]["url"])
    if listen == "pty":
        host.tell(b"\n")
        host.lines(1)
    for line in SESSION:
        if line.startswith("> "):
            host.tell(unescaped(line[2:]))
        elif line.startswith("< "):
            expected = unescaped(line[2:])
            heard = host.lines(expected.count(b"\n"))
            if expected.startswith(b"P"):
                assert heard[:3] + heard[-8:] == expected[:3] + expected[-8:]
                assert len(heard) == len(expected)
            else:
                assert heard == expected
    host.close()


def test_tcp_and_pty_give_the_same_bytes(emulated: Emulated) -> None:
    """One scenario, one script, two kinds of port: one transcript, and the same again on a third run."""
    transcripts = []
    for listen in ("tcp", "pty", "tcp"):
        host = Host(emulated(SCENARIO.format(scale=2000, listen=listen)).ports["a1"]["url"])
        host.tell(b"\n")
        host.lines(1)
        host.tell(f"e\n{PLATE.format(second=2000)}\n".encode())
        transcripts.append(host.hear(lambda heard: heard.endswith(b"\n\n")))
        host.close()
    assert transcripts[0].count(b"P") == 200
    assert transcripts[1] == transcripts[0]
    assert transcripts[2] == transcripts[0]


@pytest.mark.parametrize("listen", ["tcp", "pty"])
def test_script_runs_to_its_own_end_without_a_host(emulated: Emulated, listen: str) -> None:
    """A host that goes away loses samples; the script goes on, a new host hears its rest, and the cell ends open."""
    started = emulated(SCENARIO.format(scale=1000, listen=listen))
    url = started.ports["a1"]["url"]
    host = Host(url)
    host.tell(b"\n")
    host.lines(1)
    host.tell(f"e\n{PLATE.format(second=3600)}\n".encode())
    host.hear(lambda heard: b"P" in heard)
    host.close()
    again = Host(url)
    rest = again.hear(lambda heard: heard.endswith(b"*\n\n"))
    assert b"Pab" in rest
    again.tell(b"e\nvar p\nmeas_loop_ocp p 100m 100m\nendloop\n\n")
    assert again.lines(4) == b"e\nM000B\n*\n\n"
    again.close()
    (row,) = [row for row in started.truth() if row["kind"] == "half_cycle"]
    assert row["charge_coulomb"] == pytest.approx(-5e-4 * 3600.0, rel=1e-12)
    assert row["end_unix_time_nanosecond"] - row["start_unix_time_nanosecond"] == 3600 * 10**9


def test_truth_begins_with_the_scenario(emulated: Emulated) -> None:
    """The first row names the seed, the parameters' hash and the offsets that were drawn."""
    first, *_ = emulated(SCENARIO.format(scale=1000, listen="tcp")).truth()
    assert (first["kind"], first["seed"], first["time_scale"]) == ("scenario", 7, 1000.0)
    channel = first["channels"]["a1"]
    assert channel["serial"] == "EMU4HR20B0001"
    assert len(channel["parameters_sha256"]) == 64
    assert abs(channel["current_offset_ampere"]["0.001"]) < 2e-6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_cleanly_and_closes_the_truth(emulated: Emulated, number: signal.Signals) -> None:
    """The half cycle at hand is written, the exit status is 0, nothing is said on standard error."""
    started = emulated(SCENARIO.format(scale=1000, listen="tcp"))
    host = Host(started.ports["a1"]["url"])
    host.tell(f"e\n{PLATE.format(second=1000000)}\n".encode())
    host.hear(lambda heard: heard.count(b"P") > 2)
    started.process.send_signal(number)
    _, complaints = started.process.communicate(timeout=DEADLINE_SECOND)
    assert (started.process.returncode, complaints) == (0, "")
    assert started.truth()[-1]["direction"] == "reduction"
    host.close()


def test_events_happen_at_their_time(emulated: Emulated) -> None:
    """A link drop cuts the connection; a runtime error stops the script with the cell on."""
    events = (
        "events:\n  - {at: {channel: a1, time: '10 min'}, do: {P7_runtime_error: {code: '0080'}}}\n"
        "  - {at: {channel: a1, time: '40 min'}, do: T10_refuse, for: {wall: '0.1 s'}}\n"
    )
    started = emulated(SCENARIO.format(scale=1000, listen="tcp") + events)
    host = Host(started.ports["a1"]["url"])
    host.tell(f"e\n{PLATE.format(second=36000)}\n".encode())
    assert host.hear(lambda heard: heard.endswith(b"\n\n")).endswith(b"!0080: Line 1\n\n")
    host.tell(b"e\nvar p\nmeas_loop_ocp p 100m 100m\nendloop\n\n")
    assert host.lines(3) == b"e\n!0014: Line 2\n\n"
    wait_for(lambda: any(row.get("fault") == "T10_refuse" for row in started.truth()))
    with pytest.raises((AssertionError, ConnectionError)):
        host.hear(lambda _heard: False)
    host.close()


def test_slow_host_does_not_hold_up_another_channel(emulated: Emulated) -> None:
    """A host that never reads costs its own samples only."""
    other = "      - {name: a2, listen: tcp, cell: {geometry: deposit}}\n"
    started = emulated(SCENARIO.format(scale=2000, listen="pty") + other)
    deaf, host = Host(started.ports["a1"]["url"]), Host(started.ports["a2"]["url"])
    deaf.tell(b"\n")
    deaf.lines(1)
    script = PLATE.format(second=8000).replace(" 10 ", " 1 ")
    for one in (deaf, host):
        one.tell(f"e\n{script}\n".encode())
    assert host.hear(lambda heard: heard.endswith(b"*\n\n")).count(b"P") == 8000
    wait_for(lambda: sum(row["kind"] == "half_cycle" for row in started.truth()) == 2)
    charges = [row["charge_coulomb"] for row in started.truth() if row["kind"] == "half_cycle"]
    assert charges == pytest.approx([-4.0, -4.0], rel=1e-12)
    deaf.close()
    host.close()


UNKNOWN_STATE = 'events: [{when: "dead_mah > 0.2", channel: a1, do: C2_hard_short, for: {duration: 1 h}}]'


@pytest.mark.parametrize(
    ("listen", "extra", "place"),
    [
        ("carrier pigeon", "", "instruments[0].channels[0].listen"),
        ("tcp", UNKNOWN_STATE, "events[0].when"),
        ("tcp", "truth: {file: scenario.yaml/truth.jsonl}", "truth.file"),
    ],
)
def test_bad_scenario_is_one_sentence_and_status_2(listen: str, extra: str, place: str, tmp_path: Path) -> None:
    """The complaint names the place in the file, also where only the cells can tell; nothing is served."""
    path = tmp_path / "scenario.yaml"
    text = SCENARIO.format(scale=1000, listen=listen)
    path.write_text((text.replace("truth: {file: truth.jsonl}\n", "") if "truth" in extra else text) + extra)
    done = subprocess.run([sys.executable, "-m", "emulator", str(path)], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{path}: {place}: ")
    assert done.stderr.count("\n") == 1


def test_stalling_instrument_keeps_the_current_on_without_a_reader(emulated: Emulated) -> None:
    """With reader_absent: stall a script waits in its output while charge flows beyond its own limits, until somebody reads."""
    started = emulated("reader_absent: stall\n" + SCENARIO.format(scale=1000, listen="tcp"))
    host = Host(started.ports["a1"]["url"])
    host.tell(f"e\n{PLATE.format(second=600)}\n".encode())
    host.hear(lambda heard: b"P" in heard)
    host.close()
    gone = time.monotonic()
    wait_for(lambda: time.monotonic() > gone + 1.5)
    again = Host(started.ports["a1"]["url"])
    again.hear(lambda heard: heard.endswith(b"*\n\n"))
    again.close()
    (row,) = [row for row in started.truth() if row["kind"] == "half_cycle"]
    assert row["charge_coulomb"] < -5e-4 * (600.0 + 1000.0)
