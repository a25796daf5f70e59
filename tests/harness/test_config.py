from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_site
from harness.errors import BadInput

GOOD = """
station = "lab3"

[[channel]]
name = "a1"
driver = "methodscript"
url = "/dev/ttyACM0"
window = ["-0.5 V", "4.5 V"]
current = "5 mA"
accuracy = { offset = "0.02 %", gain = "0 %" }
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_site_becomes_plain_numbers(tmp_path: Path) -> None:
    """Quantities come out in SI units, zero is a value, and the state directory lies beside the file."""
    site = load_site(written(tmp_path, GOOD))
    channel = site.channel[0]
    assert channel.window == (-0.5, 4.5)
    assert channel.current == pytest.approx(5e-3)
    assert channel.accuracy is not None
    assert channel.accuracy.offset == pytest.approx(2e-4)
    assert channel.accuracy.gain == 0.0
    assert site.state_directory == tmp_path / "lab3"
    assert site.influx is None


@pytest.mark.parametrize(
    ("change", "into", "complaint"),
    [
        (
            "-0.5 V",
            "-0,5 V",
            'site.toml: channel[0].window[0]: "-0,5 V" is not a quantity (decimal comma?); write a decimal point',
        ),
        ("-0.5 V", "5 V", "channel[0]: window [5 V, 4.5 V] is empty; write the lower voltage first"),
        ("5 mA", "5 mV", 'channel[0].current: "5 mV" has the unit millivolt; expected something like A'),
        ('"5 mA"', "0.005", 'channel[0].current: 0.005 has no unit; write it as text, for example "1 A"'),
        ("5 mA", "0 mA", "channel[0]: current must be positive"),
        ("lab3", "Lab 3", 'station: "Lab 3" is not an id'),
        ("driver", "drover", "channel[0].driver: it is missing and has no default"),
        ('"a1"', '"a1"\nserail = "X"', "channel[0].serail: this key is not known here; check its spelling"),
        ('"lab3"\n', '"lab3"\n[clock]\nscale = 10\n', "clock: a scale other than 1 needs start = <UTC time> beside it"),
        ('"lab3"\n', '"lab3"\n[clock]\nmode = "leased"\n', 'clock: mode = "leased" and control ='),
        (
            '"lab3"\n',
            '"lab3"\n[clock]\nmode = "leased"\ncontrol = "ports.json"\nscale = 10\nstart = 2026-01-01T00:00:00Z\n',
            "clock: leased time is the emulator's",
        ),
        (
            '"lab3"\n',
            '"lab3"\n[clock]\nscale = 10\nstart = 2026-01-01T00:00:00\n',
            "clock.start: 2026-01-01T00:00:00 has no time zone",
        ),
        ('"lab3"', "lab3", "this is not TOML"),
    ],
)
def test_site_complaint_is_one_sentence_with_its_place(tmp_path: Path, change: str, into: str, complaint: str) -> None:
    """What is wrong in a site file is said once, with its path in the file."""
    with pytest.raises(BadInput) as caught:
        load_site(written(tmp_path, GOOD.replace(change, into, 1)))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_site_refuses_two_channels_on_one_port(tmp_path: Path) -> None:
    """One port serves one channel."""
    twice = GOOD + GOOD[GOOD.index("[[channel]]") :].replace('"a1"', '"a2"')
    with pytest.raises(BadInput, match='two channels have the url "/dev/ttyACM0"'):
        load_site(written(tmp_path, twice))


def test_site_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """An absent file is named."""
    with pytest.raises(BadInput, match=r"site\.toml: the site file cannot be read \(No such file or directory\)"):
        load_site(tmp_path / "site.toml")


def test_secret_must_be_ours_alone(tmp_path: Path) -> None:
    """A secret that others can read is refused; one of mode 0600 is read without its line end."""
    site = load_site(written(tmp_path, GOOD))
    secret = tmp_path / "token"
    secret.write_text("hush\n", encoding="utf-8")
    secret.chmod(0o644)
    with pytest.raises(BadInput, match="others can read it; chmod 600 it"):
        site.secret(Path("token"))
    secret.chmod(0o600)
    assert site.secret(Path("token")) == "hush"
    assert site.secret(None) is None
