"""What the harness itself may say of a reading, beside what the instrument says: names for ``flags``, with their meaning.

A flag stops nothing. It stays with the reading, goes to the row of its cycle, and a cycle with one of `CHARGE_DOUBTS` is left out
of averages.
"""

from __future__ import annotations

CURRENT_OFF = "current_off"
POTENTIAL_OFF = "potential_off"
NOISY = "noisy"
VOLTAGE_STEP = "voltage_step"
UNRESPONSIVE = "unresponsive"
FROZEN = "frozen"
CLOCK = "clock"

DOUBTS = {
    CURRENT_OFF: "the current that is read is not the one that is set, by more than the instrument's accuracy",
    POTENTIAL_OFF: "the potential that is read is not the one that is set",
    NOISY: "the voltage goes up and down from reading to reading",
    VOLTAGE_STEP: "the voltage has moved in one step and stayed there",
    UNRESPONSIVE: "the voltage did not follow the current",
    FROZEN: "the voltage repeats itself to the last digit",
    CLOCK: "the instrument's clock is ahead of the station's",
}
"""In words, for people."""

CHARGE_DOUBTS = frozenset({CURRENT_OFF, CLOCK, "overload"})
"""The charge of a half cycle with one of these is not known to the error that is stated for it."""
