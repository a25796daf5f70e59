"""Opens an instrument by the name of its driver. Drivers are found by entry point, so that others can be installed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Protocol, cast

from potentiostat_drivers.clock import Clock
from potentiostat_drivers.errors import DriverError
from potentiostat_drivers.interface import Instrument

GROUP = "potentiostat_drivers"
"""The entry-point group a driver registers its opening function in."""


class OpeningFunction(Protocol):
    """What an entry point of `GROUP` names; the arguments are those of `open_instrument`."""

    def __call__(
        self, url: str, clock: Clock, *, serial: str | None, synchronise: bool = True, capture: Path | None = None
    ) -> Instrument:
        """The instrument at ``url``, not yet connected."""
        ...


def known_kinds() -> tuple[str, ...]:
    """The names of all installed drivers, sorted."""
    return tuple(sorted({entry.name for entry in importlib.metadata.entry_points(group=GROUP)}))


def open_instrument(
    kind: str, url: str, clock: Clock, *, serial: str | None, synchronise: bool = True, capture: Path | None = None
) -> Instrument:
    """The instrument at ``url``, to be entered with ``async with``.

    Args:
        kind: the driver's name, such as ``methodscript``.
        url: a device path, ``socket://host:port`` or ``rfc2217://host:port``.
        clock: wall time, and the scale of the instrument's time.
        serial: the serial number expected there; None compares nothing.
        synchronise: stop whatever runs on entering; False leaves it running, for `Channel.attach`.
        capture: a file to which every byte that passes is appended, as JSON lines.

    Raises:
        DriverError: no driver of that name is installed.
        PortUnavailable: ``url`` is not one. (That it cannot be reached shows on entering.)
    """
    for entry in importlib.metadata.entry_points(group=GROUP, name=kind):
        opening = cast("OpeningFunction", entry.load())
        return opening(url, clock, serial=serial, synchronise=synchronise, capture=capture)
    known = ", ".join(known_kinds()) or "none"
    raise DriverError(f"there is no driver {kind!r} for {url}; installed are: {known}")
