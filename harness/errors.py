"""Everything the harness raises for a reason it can name.

::

    HarnessError
    ├── BadInput            a file or argument written by a person; exit status 2
    ├── Refused             a command that cannot be carried out now: unknown cell, channel in use, …
    ├── JournalError        the journal cannot be opened, read or written
    ├── StoreError          InfluxDB or another copy of the journal does not answer as it should
    ├── BrokerError         the MQTT broker cannot be reached or started
    └── AnalysisError       numbers that cannot be computed from what was given

Messages are one sentence: what was being done, to what, what happened, what to do now.
"""

from __future__ import annotations


class HarnessError(Exception):
    """The root of what the harness raises. Its arguments are its facts, so that it can cross to another process."""

    def __str__(self) -> str:
        return ": ".join(str(fact) for fact in self.args if fact)


class BadInput(HarnessError):
    """``where`` (a path in a file, or an argument) holds something unusable; ``what`` says what and what instead."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where = where
        self.what = what

    def inside(self, prefix: str) -> BadInput:
        """The same complaint, located inside ``prefix``."""
        joined = f"{prefix}{'' if self.where.startswith('[') or not self.where else '.'}{self.where}"
        return BadInput(joined, self.what)


class Refused(HarnessError):
    """A command was understood and is refused; nothing was done."""


class JournalError(HarnessError):
    """The journal at ``path`` cannot be used."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(path, what)
        self.path = path
        self.what = what


class StoreError(HarnessError):
    """A store at ``url`` failed."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(url, what)
        self.url = url
        self.what = what


class BrokerError(HarnessError):
    """The broker at ``url`` failed."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(url, what)
        self.url = url
        self.what = what


class AnalysisError(HarnessError):
    """``what`` cannot be computed from the given numbers."""
