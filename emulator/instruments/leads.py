"""The wires between an instrument and its cell: what they add to a voltage, what leaks through them, and how they come off.

With the instrument's current I, the current through the cell is p I + i_leak (p = −1 when the leads are swapped), and

    sensed voltage   = p V_cell + I R_sensed,      R_sensed = R_contact (+ 2 R_lead with two wires)
    terminal voltage = sensed voltage + 2 R_lead I (four wires),

the latter being what the instrument's output must deliver, and what its compliance bounds.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from emulator.cell.cells import Cell
from emulator.instruments.converter import Imperfections

_SETTLED_VOLT = 1e-9
_SETTLED_AMPERE = 1e-12
_MOST_TRIALS = 200


class Sense(enum.Enum):
    """What the voltmeter is connected to."""

    CELL = "cell"
    FLOATING = "floating"
    HIGH = "high"
    LOW = "low"


class Leads:
    """The wires of one channel and the ``cell`` at their end. Faults change ``sense``, ``open`` and ``polarity``.

    ``rail_volt`` is where an open sense lead is driven. While ``plain`` they change nothing and the cell can be asked itself.
    """

    __slots__ = ("_lead", "_rail", "_sensed", "cell", "leakage", "open", "plain", "polarity", "sense")

    def __init__(self, cell: Cell, imperfections: Imperfections, rail_volt: float) -> None:
        self.cell = cell
        self.leakage = imperfections.leakage_ampere
        two_wires = imperfections.wires == 2
        self._sensed = imperfections.contact_ohm + (2.0 * imperfections.lead_ohm if two_wires else 0.0)
        self._lead = 0.0 if two_wires else 2.0 * imperfections.lead_ohm
        self._rail = rail_volt
        self.sense = Sense.CELL
        self.open = False
        self.polarity = 1.0
        self.plain = True
        self.look()

    @property
    def sensed_ohm(self) -> float:
        """The resistance that the voltmeter sees in series with the cell."""
        return self._sensed

    def look(self) -> None:
        """Something was changed: find out whether the leads still change nothing."""
        self.plain = (
            not (self._sensed or self._lead or self.leakage or self.open) and self.polarity == 1.0 and self.sense is Sense.CELL
        )

    def through(self, current: float) -> float:
        """The current through the cell while the instrument gives ``current``."""
        return (0.0 if self.open else self.polarity * current) + self.leakage

    def advance(self, current: float, second: float) -> None:
        """Carry the instrument's ``current`` for ``second``."""
        self.cell.advance(self.through(current), second)

    def voltage(self, current: float, ahead_second: float = 0.0) -> float:
        """What the voltmeter is given."""
        match self.sense:
            case Sense.CELL:
                return self._at_cell(current, ahead_second)
            case Sense.FLOATING:
                return 0.0
            case Sense.HIGH:
                return self._rail
            case Sense.LOW:
                return -self._rail

    def terminal(self, current: float) -> float:
        """What the output delivers; with an open current lead nothing flows, and that is not seen here."""
        return self._at_cell(current, 0.0) + self._lead * (0.0 if self.open else current)

    def current_for(self, volt: float, second: float, limit: float, guess: float = 0.0) -> float:
        """What a potentiostat gives to bring the sensed voltage to ``volt``, within ± ``limit``.

        With its sense lead open it cannot, and goes to the limit.
        """
        if self.open:
            return 0.0
        if self.sense is not Sense.CELL:
            missing = volt - self.voltage(0.0)
            return limit if missing > 0.0 else -limit if missing < 0.0 else 0.0
        if self._sensed or self.leakage:
            return _root(lambda current: self._at_cell(current, second) - volt, limit, guess)
        return self.polarity * self.cell.current_for(self.polarity * volt, second, limit, self.polarity * guess)

    def _at_cell(self, current: float, ahead_second: float) -> float:
        flowing = 0.0 if self.open else current
        return self.polarity * self.cell.voltage(self.through(current), ahead_second) + self._sensed * flowing


def _root(error: Callable[[float], float], limit: float, guess: float) -> float:
    """Where ``error``, which rises with current, is zero within ± ``limit``: regula falsi with the Illinois rule."""
    low, high = -limit, limit
    low_error, high_error = error(low), error(high)
    if low_error >= 0.0:
        return low
    if high_error <= 0.0:
        return high
    trial, side = min(max(guess, low), high), 0
    for _ in range(_MOST_TRIALS):
        found = error(trial)
        if abs(found) < _SETTLED_VOLT or high - low < _SETTLED_AMPERE:
            break
        if found > 0.0:
            high, high_error = trial, found
            low_error *= 0.5 if side == 1 else 1.0
            side = 1
        else:
            low, low_error = trial, found
            high_error *= 0.5 if side == -1 else 1.0
            side = -1
        trial = (low * high_error - high * low_error) / (high_error - low_error)
    return trial
