"""Everything a driver raises.

::

    DriverError
    ├── PortError                 the link to an instrument
    │   ├── PortUnavailable       it could not be opened: absent, refused, or in use
    │   └── PortGone              it was open and has ended
    ├── WireError                 bytes that are not the instrument's language
    ├── ReplyTimeout              nothing came in time; the outcome is unknown
    ├── WrongInstrument           another serial number or family answers
    ├── Rejected                  the instrument refused; nothing happened to the cell
    │   └── NotLicensed           it refused because an option was not bought
    ├── InstrumentFault           the instrument stopped by itself
    │   ├── CellFault             because of the cell: overload, oscillation
    │   └── DeviceFault           because of itself: it must be reset
    └── ProgramInvalid            a program no instrument could hold safely

Messages are one sentence: what was being done, to what, what happened, what to do now.
"""

from __future__ import annotations


class DriverError(Exception):
    """The root of what this package raises."""


class PortError(DriverError):
    """The link to an instrument failed; ``url`` names it."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}")
        self.url = url
        self.what = what


class PortUnavailable(PortError):
    """The port could not be opened."""


class PortGone(PortError):
    """The port was open and has ended."""


class WireError(DriverError):
    """``data`` is not the instrument's language."""

    def __init__(self, what: str, data: bytes) -> None:
        super().__init__(f"{what}: {data!r}")
        self.what = what
        self.data = data


class ReplyTimeout(DriverError):
    """No answer to ``request`` within ``timeout_second``: whether it was carried out is unknown."""

    def __init__(self, url: str, request: str, timeout_second: float) -> None:
        super().__init__(f"{url}: no answer to {request} within {timeout_second:g} s; whether it was carried out is unknown")
        self.url = url
        self.request = request
        self.timeout_second = timeout_second


class WrongInstrument(DriverError):
    """What answers at ``url`` is not what was expected there."""

    def __init__(self, url: str, what: str, expected: str, found: str) -> None:
        super().__init__(
            f"{url}: the {what} is {found!r}, expected {expected!r}; nothing was sent to the cell: "
            "check the cabling or the site file"
        )
        self.url = url
        self.what = what
        self.expected = expected
        self.found = found


class Rejected(DriverError):
    """The instrument refused ``request`` with ``code``; nothing happened to the cell."""

    def __init__(self, url: str, request: str, code: str, meaning: str) -> None:
        super().__init__(f"{url}: {request} was refused with {code} ({meaning}); nothing happened to the cell")
        self.url = url
        self.request = request
        self.code = code
        self.meaning = meaning


class NotLicensed(Rejected):
    """The instrument refused because an option is not licensed."""


class InstrumentFault(DriverError):
    """The instrument stopped a program by itself with ``code``; the cell must be opened explicitly."""

    def __init__(self, url: str, code: str, meaning: str) -> None:
        super().__init__(f"{url}: the running program was stopped with {code} ({meaning}); the cell must be opened explicitly")
        self.url = url
        self.code = code
        self.meaning = meaning


class CellFault(InstrumentFault):
    """The cell made the instrument stop: overload or oscillation."""


class DeviceFault(InstrumentFault):
    """The instrument itself failed and must be reset."""


class ProgramInvalid(DriverError):
    """``where`` in a program is not something an instrument can hold safely."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
