import importlib.metadata
from pathlib import Path

import pytest

from potentiostat_drivers.clock import SystemClock
from potentiostat_drivers.errors import DriverError, PortUnavailable
from potentiostat_drivers.methodscript.driver import MethodScriptInstrument
from potentiostat_drivers.opening import GROUP, known_kinds, open_instrument


def test_methodscript_is_found_by_its_entry_point(tmp_path: Path) -> None:
    """The driver named in the project's metadata opens; nothing is connected yet."""
    instrument = open_instrument(
        "methodscript", "socket://127.0.0.1:1", SystemClock(), serial="EMU1", synchronise=False, capture=tmp_path / "raw.jsonl"
    )
    assert isinstance(instrument, MethodScriptInstrument)
    assert instrument.channels[0].name == "EMU1"
    assert not list(tmp_path.iterdir())


def test_unknown_kind_names_the_known_ones() -> None:
    """A slip in the site file is answered with what there is."""
    assert "methodscript" in known_kinds()
    with pytest.raises(DriverError, match=r"no driver 'methodscrypt' for /dev/ttyACM0; installed are: .*methodscript"):
        open_instrument("methodscrypt", "/dev/ttyACM0", SystemClock(), serial=None)


def test_kind_of_port_that_does_not_exist_is_refused_at_once() -> None:
    """A URL nobody can open is refused before anything is waited for."""
    with pytest.raises(PortUnavailable, match="udp:// is no kind of port"):
        open_instrument("methodscript", "udp://127.0.0.1:1", SystemClock(), serial=None)


def test_every_installed_driver_loads() -> None:
    """What the metadata promises can be imported."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        assert callable(entry.load())
