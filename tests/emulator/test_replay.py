"""Wire logs: written while serving, played back as instrument and as host, and every deviation shown."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulated import DEADLINE_SECOND, PLATE, START, START_NANOSECOND, Host, leased, running, scenario

TRANSCRIPTS = Path(__file__).parents[1] / "wire" / "methodscript"
SCALED = {"mode": "scaled", "start": START, "scale": 2000.0}


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "emulator", "replay", *map(str, words)]


def played(log: Path, pieces: list[bytes]) -> tuple[int, str, bytes]:
    """Serve ``log`` and say ``pieces`` to it: exit status, what it printed, what it said."""
    process = subprocess.Popen(command(log), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    host, port = process.stdout.readline().strip().removeprefix("socket://").split(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=DEADLINE_SECOND) as client:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(65_536):
            heard += data
    said, complained = process.communicate(timeout=DEADLINE_SECOND)
    assert complained == ""
    return process.returncode, said, heard


def test_wire_log_has_every_byte_with_its_moment(tmp_path: Path) -> None:
    """The pieces of one direction together are what passed; moments are emulated and never fall."""
    with running(tmp_path, scenario("self_advancing"), "--record", str(tmp_path / "wire")) as emulator, leased(emulator) as host:
        host.say("t\n")
        host.hear(b"*\n")
        said = host.run(PLATE.format(current="-500u", second=100))
        assert said.count(b"P") == 10
        head, *pieces = map(json.loads, (tmp_path / "wire" / "a1.jsonl").read_text().splitlines())
        assert (head["channel"], head["serial"], head["seed"]) == ("a1", "EMU1CH001", 7)
        assert "".join(piece["text"] for piece in pieces if piece["direction"] == "to_host").encode() == host.heard
        assert sum(len(piece["text"]) for piece in pieces if piece["direction"] == "from_host") == host.said
        moments = [piece["nanosecond"] for piece in pieces]
        assert moments == sorted(moments)
        samples = [piece["nanosecond"] for piece in pieces if piece["text"].startswith("P")]
        assert samples == [START_NANOSECOND + 10 * number * 10**9 for number in range(10)]


@pytest.mark.parametrize("name", ["session.wire", "cycle.wire"])
def test_a_transcript_is_served_to_a_faithful_host(name: str) -> None:
    """The host that says what was said hears what was heard, and the exit status is 0."""
    lines = [line for line in (TRANSCRIPTS / name).read_text().splitlines() if line[:2] in ("> ", "< ")]
    unescaped = [(line[0], line[2:].encode().decode("unicode_escape").encode("latin-1")) for line in lines]
    status, said, heard = played(TRANSCRIPTS / name, [data for sign, data in unescaped if sign == ">"])
    assert (status, "as recorded" in said) == (0, True)
    assert heard == b"".join(data for sign, data in unescaped if sign == "<")


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        ([b"\nZ\ni\n"], "the host deviates"),
        ([b"\nZ\n"], "the host left; it had still to say"),
    ],
)
def test_a_host_that_deviates_is_shown_where(pieces: list[bytes], sentence: str) -> None:
    """The turn, what was recorded and what was said instead; the exit status is 1."""
    status, said, _ = played(TRANSCRIPTS / "session.wire", pieces)
    assert status == 1
    assert sentence in said
    assert "turn" in said


def test_the_host_is_played_against_an_emulator(tmp_path: Path) -> None:
    """The same seed answers every line as recorded; another seed does not, and the lines that differ are shown."""
    with running(tmp_path / "one", scenario("scaled", clock=SCALED), "--record", str(tmp_path)) as emulator:
        with Host(emulator) as host:
            host.say("i\n")
            host.hear(b"\n")
            host.run(PLATE.format(current="-500u", second=600))
        emulator.end()
    for seed, status, word in ((7, 0, "all as recorded"), (8, 1, "1 of them answered otherwise")):
        with running(tmp_path / str(seed), scenario("scaled", clock=SCALED, seed=seed)) as emulator:
            words = command(tmp_path / "a1.jsonl", "--as-client", emulator.ports["a1"]["url"])
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stdout + done.stderr
        assert word in done.stdout


HEAD = '{"kind": "wire log", "channel": "a1", "serial": "EMU1", "model": "es4_hr", "seed": 1}\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ('{"kind": "cake"}\n', "a1.jsonl:1: kind: Input should be 'wire log'"),
        (HEAD + '{"nanosecond": 1, "direction": "up"}\n', "a1.jsonl:2: direction"),
        (HEAD + '{"nanosecond": 1, "direction": "to_host"}\n', "a1.jsonl:2: a piece has either text or hex"),
    ],
)
def test_a_log_that_is_none_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """Status 2, the line, and one sentence."""
    (tmp_path / "a1.jsonl").write_text(text)
    done = subprocess.run(command(tmp_path / "a1.jsonl"), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
