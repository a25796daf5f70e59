"""The state of a running script, and what it sends: variables, packet, timer, output. No statements and no time of its own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator

from emulator.instruments.channel import Channel
from emulator.instruments.methodscript import codes
from emulator.instruments.methodscript.codes import ScriptFault
from emulator.instruments.methodscript.syntax import Script
from emulator.instruments.methodscript.wire import Number, encode_metadata, encode_value

LONGEST_PACKET = 30

GO = 0
BREAK = 1
ABORT = 2
"""What a statement says to the block around it."""

Step = Callable[[], int]
"""A statement that takes no time."""

Timed = Callable[[], Generator[float, None, int]]
"""A statement that takes time: it yields the ``elapsed`` seconds at which it wants to go on."""


class Stop(enum.Enum):
    """What the host asked for while the script waited."""

    NONE = 0
    SKIP = 1
    ABORT = 2


class Machine:
    """Variables by slot (``values``, ``types``, ``metas``), the packet in the making, and the lines to send."""

    __slots__ = (
        "_current_key",
        "_current_meta",
        "_packet",
        "arrays",
        "channel",
        "held",
        "lines",
        "metas",
        "names",
        "output",
        "say_set_points",
        "stop",
        "stop_elapsed",
        "types",
        "values",
    )

    def __init__(self, script: Script, channel: Channel, *, say_set_points: bool = False) -> None:
        count = len(script.names)
        self.channel = channel
        self.names = script.names
        self.values: list[Number] = [0.0] * count
        self.types: list[str] = ["ja"] * count
        self.metas: list[str] = [""] * count
        self.arrays: dict[int, list[Number]] = {slot: [0.0] * size for slot, size in script.arrays.items()}
        self.lines: list[str] = []
        self.output = True
        self.say_set_points = say_set_points
        channel.timer.start(channel.elapsed)
        self.stop = Stop.NONE
        self.stop_elapsed = 0.0
        self.held = False
        self._packet: list[str] | None = None
        self._current_key = (-1, -1)
        self._current_meta = ""

    def line(self, text: str) -> None:
        """Send one line."""
        self.lines.append(text)

    def start_packet(self) -> int:
        """``pck_start``."""
        self._packet = []
        return GO

    def add_to_packet(self, slot: int, line: int) -> None:
        """``pck_add``.

        Raises:
            ScriptFault: no packet was started, or it is full.
        """
        packet = self._packet
        if packet is None:
            raise ScriptFault(codes.PACKET_SEQUENCE, line)
        if len(packet) >= LONGEST_PACKET:
            raise ScriptFault(codes.PACKET_TOO_LONG, line)
        packet.append(self.types[slot] + encode_value(self.values[slot]) + self.metas[slot])

    def end_packet(self, line: int) -> None:
        """``pck_end``.

        Raises:
            ScriptFault: no packet was started.
        """
        if self._packet is None:
            raise ScriptFault(codes.PACKET_SEQUENCE, line)
        if self.output:
            self.lines.append("P" + ";".join(self._packet))
        self._packet = None

    def put(self, slot: int, value: Number, vartype: str, meta: str = "") -> None:
        """Give a variable its value, type and metadata."""
        self.values[slot] = value
        self.types[slot] = vartype
        self.metas[slot] = meta

    def measure_voltage(self, slot: int) -> None:
        """One reading of the potential into a variable."""
        self.values[slot] = self.channel.read_voltage()
        self.types[slot] = "ab"
        self.metas[slot] = self.voltage_meta() if self.channel.voltmeter.doubtful else ""

    def measure_current(self, slot: int) -> None:
        """One reading of the current into a variable, with status and range."""
        self.values[slot] = self.channel.read_current()
        self.types[slot] = "ba"
        self.metas[slot] = self.current_meta()

    def voltage_meta(self) -> str:
        """Metadata of a doubtful voltage reading; of any other nothing is said."""
        return encode_metadata(*self.channel.voltage_status())

    def current_meta(self) -> str:
        """Metadata of the latest current reading."""
        key = self.channel.current_status()
        if key != self._current_key:
            self._current_key = key
            self._current_meta = encode_metadata(*key)
        return self._current_meta

    def interrupted(self) -> bool:
        """Whether the host wants the present wait to end; if so the cell is brought to that moment."""
        if self.stop is Stop.NONE:
            return False
        self.channel.advance(self.stop_elapsed)
        return True
