"""The control port: who may use it, what it shows and refuses, and what stays sealed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emulated import PLATE, Host, Refused, running, scenario


def test_control_port_is_for_who_can_read_the_ports_file(tmp_path: Path) -> None:
    """The ports file is its owner's alone and names the port under a key no channel can have; without its token nothing goes."""
    with running(tmp_path, scenario("stepped")) as emulator:
        assert (tmp_path / "ports.json").stat().st_mode & 0o777 == 0o600
        with pytest.raises(Refused) as refused:
            emulator.ask("GET", "/time", token="wrong")
        assert refused.value.status == 403
        status = emulator.ask("GET", "/status")
        assert set(status["channels"]) == {"a1"}
        assert status["channels"]["a1"]["serial"] == "EMU1CH001"


@pytest.mark.parametrize(
    ("request_line", "body", "status", "what"),
    [
        ("GET /channel/b7/truth", None, 404, 'no channel "b7" (known: a1)'),
        ("POST /advance", {"seconds": 3}, 422, "seconds"),
        ("POST /advance", {"second": -3}, 422, "second: Input should be greater"),
        ("POST /fault", {"channel": "a1"}, 422, "fault"),
        ("POST /fault", "cake", 422, "keys and values"),
        ("POST /fault", b"\xff\xfe", 422, "fault: it is no JSON"),
        ("DELETE /fault/ghost", None, 422, 'nothing that lasts is named "ghost"'),
        ("POST /channel/a1/restore", {"kind": "cake"}, 422, "not a snapshot"),
        ("POST /channel/a1/branch", {"onto": "b7"}, 404, 'no channel "b7"'),
    ],
)
def test_refusals_are_one_sentence(tmp_path: Path, request_line: str, body: object, status: int, what: str) -> None:
    """What cannot be done is refused with a status and a sentence that names the place."""
    with running(tmp_path, scenario("stepped")) as emulator:
        method, path = request_line.split()
        with pytest.raises(Refused) as refused:
            emulator.ask(method, path, body)
        assert refused.value.status == status
        assert what in refused.value.what


def test_truth_is_shown_as_of_the_moment_reached(tmp_path: Path) -> None:
    """The latent state of a channel, with the charge that has crossed its cell."""
    with running(tmp_path, scenario("stepped")) as emulator, Host(emulator) as host:
        host.say(f"e\n{PLATE.format(current='-500u', second=3600)}\n")
        host.hear(b"\n")
        emulator.ask("POST", "/advance", {"second": 100})
        told = emulator.ask("GET", "/channel/a1/truth")
        assert told["net_charge_coulomb"] == pytest.approx(-5e-4 * 100.0, rel=1e-12)
        assert told["polarised"]


def test_blind_emulator_seals_the_truth_until_it_ends(tmp_path: Path) -> None:
    """No file and no answer tells the truth before the end; then it is complete, and its owner's alone."""
    with running(tmp_path, scenario("stepped"), "--blind") as emulator:
        with Host(emulator) as host:
            host.say(f"e\n{PLATE.format(current='-500u', second=3600)}\n")
            host.hear(b"\n")
            emulator.ask("POST", "/advance", {"second": 4000})
            host.hear(b"*\n\n")
        for method, path in (("GET", "/channel/a1/truth"), ("POST", "/channel/a1/snapshot")):
            with pytest.raises(Refused, match="blind") as refused:
                emulator.ask(method, path)
            assert refused.value.status == 403
        assert sorted(path.name for path in tmp_path.iterdir()) == ["ports.json", "scenario.yaml"]
        emulator.end()
    assert (tmp_path / "truth.jsonl").stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["scenario", "half_cycle"]
