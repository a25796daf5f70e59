"""Bytes to lines, incrementally. Knows no port and no language.

The two bytes of software flow control (0x11, 0x13) are dropped wherever they stand: some instruments send one at power-up,
in the middle of whatever line comes next. Spaces are never stripped, because a trailing one can carry meaning.
"""

from __future__ import annotations

from potentiostat_drivers.errors import WireError

LONGEST_LINE_BYTE = 65_536
"""A line longer than this is not an instrument's: the link is noise, or another speed."""

_FLOW_CONTROL = b"\x11\x13"


class LineSplitter:
    """Cuts what arrives, in whatever pieces, into lines without their line feed (and without one carriage return before it)."""

    __slots__ = ("_partial",)

    def __init__(self) -> None:
        self._partial = bytearray()

    @property
    def partial(self) -> bytes:
        """What has come since the last line feed."""
        return bytes(self._partial)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes.

        Raises:
            WireError: more than `LONGEST_LINE_BYTE` came without a line feed; what came is forgotten.
        """
        self._partial += data.translate(None, _FLOW_CONTROL)
        if b"\n" not in self._partial:
            self._check_length()
            return []
        *whole, rest = self._partial.split(b"\n")
        self._partial = bytearray(rest)
        self._check_length()
        return [bytes(line.removesuffix(b"\r")) for line in whole]

    def _check_length(self) -> None:
        if len(self._partial) > LONGEST_LINE_BYTE:
            start = bytes(self._partial[:32])
            self._partial.clear()
            raise WireError(f"no line feed within {LONGEST_LINE_BYTE} bytes", start)
