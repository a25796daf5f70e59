"""Which faults of the instrument are staged, how, and what must be said of each: a table beside `cases`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.faults.cases import IN_PLATE, IN_STRIP, Case, Deeds, awhile

ALWAYS = {"duration": "20 h"}
"""To the end of the run."""
BEFORE_REST = {"cycle": 1, "step": "plate", "q": 0.24}
LATE = {"cycle": 1, "step": "plate", "q": 0.2}


@dataclass(frozen=True, slots=True)
class Said:
    """What must be found: a word of the sentence with which the run ended ("" where it must be completed), flags that a reading
    or a cycle must carry, kinds of incidents.
    """

    ends: str = ""
    flags: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


def said(ends: str = "", flags: str = "", kinds: str = "") -> Said:
    return Said(ends, frozenset(flags.split()), frozenset(kinds.split()))


def always(name: str, do: Deeds, shows: str = "", **more: object) -> Case:
    return Case(name, do, shows, lasts=ALWAYS, **more)  # type: ignore[arg-type]


MEASURING: Sequence[tuple[Case, Said]] = (
    (awhile("current_saturated", {"I1_saturated": {"quantity": "current"}}, "at 0.3 mA of 0.5 mA"),
     said("not the", "overload current_off", "limit")),
    (awhile("current_near_top", {"I1_saturated": {"quantity": "current", "top": 0.16}}, "at 0.48 mA of 0.5 mA"),
     said("", "overload current_off", "doubt")),
    (always("voltage_saturated", {"I1_saturated": {"quantity": "voltage", "top": 0.1}}, "at a tenth", at=IN_STRIP),
     said("voltmeter is overloaded", "voltage_overload", "limit")),
    (always("range_stuck", {"I2_range_stuck": {"at_ampere": 1e-2}}, "at 10 mA for 0.5 mA"), said("", "underload")),
    (awhile("current_offset", {"I3_offset": {"current_ampere": 1e-5}}, "2 % of the current, 10 min"),
     said("", "current_off", "doubt")),
    (always("current_drift", {"I3_offset": {"current_ampere_per_hour": 2e-5}}, "4 % of the current in an hour"),
     said("", "current_off", "doubt")),
    (awhile("gain", {"I3_offset": {"current_gain": 0.5}}, "half too much"), said("current is", "current_off", "limit")),
    (awhile("voltage_offset", {"I3_offset": {"voltage_volt": 0.1}}, "100 mV, 10 min"), said("", "voltage_step", "doubt")),
    (awhile("noise", {"I4_noise": {"voltage_volt": 0.02}}, "20 mV, 10 min"), said("", "noisy", "doubt")),
    (awhile("mains", {"I4_noise": {"voltage_volt": 0.0, "mains_volt": 0.05}}, "50 mV of 50 Hz, 10 min"),
     said("", "noisy", "doubt")),
    (awhile("loud", {"I4_noise": {"voltage_volt": 0.4}}, "0.4 V, 10 min"), said("voltage", "", "limit")),
    (always("voltmeter_frozen", {"I5_dead": {"quantity": "voltage"}}, "the voltmeter, in a plating", at=IN_PLATE),
     said("to the last digit", "frozen", "limit")),
    (always("voltmeter_frozen_late", {"I5_dead": {"quantity": "voltage"}}, "the voltmeter, just before a rest", at=BEFORE_REST),
     said("did not follow", "unresponsive", "limit")),
    (always("voltmeter_zero", {"I5_dead": {"quantity": "voltage", "how": "zero"}}, "0 V in a plating"),
     said("to the last digit", "frozen", "limit")),
    (always("ammeter_frozen", {"I5_dead": {"quantity": "current"}}, "the ammeter, in a plating"), said("against", "", "limit")),
    (always("ammeter_zero", {"I5_dead": {"quantity": "current", "how": "zero"}}, "0 A in a plating"),
     said("not the", "current_off", "limit")),
)  # fmt: skip
LEADS: Sequence[tuple[Case, Said]] = (
    (always("sense_floats", "I7_sense_open", "with 20 mV of pick-up"), said("did not follow", "noisy unresponsive", "limit")),
    (always("sense_high", {"I7_sense_open": {"how": "high", "noise_volt": 0.0}}, "at the rail"), said("voltage", "", "limit")),
    (always("sense_low", {"I7_sense_open": {"how": "low", "noise_volt": 0.0}}, "at the other rail"),
     said("voltage", "", "limit")),
    (always("current_lead", "I8_current_open", "in a plating"), said("not the", "current_off", "limit")),
    (always("reversed", "I9_reversed", "from early in a plating", at={"cycle": 1, "step": "plate", "q": 0.02}),
     said("voltage", "", "limit")),
    (awhile("bounce", {"I10_relay_bounce": {"open": "20 ms", "times": 40, "every": "5 s"}}, "40 times 20 ms"),
     said("", "current_off", "doubt")),
    (awhile("derated", {"I15_derated": {"fraction": 0.0024}}, "0.48 mA for 0.5 mA, 10 min"), said("", "current_off", "doubt")),
    (awhile("derated_much", {"I15_derated": {"fraction": 0.001}}, "0.2 mA for 0.5 mA"), said("not the", "current_off", "limit")),
)  # fmt: skip
DEVICE: Sequence[tuple[Case, Said]] = (
    (Case("emergency_stop", "I11_emergency_stop", "in a plating"), said("0032", "", "instrument")),
    (Case("reboot", "I12_reboot", "in a plating, the port stays", varies=True), said("", "gap", "gap")),
    (Case("reboot_port", {"I12_reboot": {"link": "drops"}}, "in a plating, and the port", varies=True),
     said("", "gap", "gap link_lost")),
    (Case("clock_jump", {"I13_clock_jump": {"second": 300}}, "5 min ahead in a stripping", at=IN_STRIP, varies=True),
     said("", "gap", "gap")),
    (Case("clock_jump_plate", {"I13_clock_jump": {"second": 3600}}, "an hour ahead in a plating", varies=True),
     said("still runs", "", "limit")),
    (Case("clock_back", {"I13_clock_jump": {"second": -300}}, "5 min back in a stripping", at=IN_STRIP, varies=True),
     said("", "gap", "gap")),
    (always("clock_fast", {"I13_clock_drift": {"ppm": 2e5}}, "a fifth too fast from a stripping on", at=IN_STRIP, varies=True),
     said("still runs", "", "limit")),
    (always("memory_full", "I14_memory_full", "before a rest", at=LATE), said("4005", "", "instrument")),
    (Case("executed_twice", ["I16_executed_twice", "T10_refuse"], "adopted after 3 s of wall time", at=LATE,
          lasts={"wall": "3 s"}, on_gap="adopt", varies=True), said("second time", "", "limit gap")),
    (Case("lost_end", "I17_lost_end", "of a plating", lasts={"count": 1}, varies=True), said("", "", "link_lost")),
    (Case("counter_reset", "I18_counter_reset", "in a plating", varies=True), said("", "gap", "gap")),
)  # fmt: skip
FULL_CELL = {"geometry": "full", "preset": "bare_fec", "excess_mah_cm2": 4.0}
SWAPPED: Sequence[tuple[Case, Said]] = (
    (Case("swapped_unlike", {"I6_channels_swapped": {"with": "c1"}}, "with a full cell", lasts=ALWAYS),
     said("voltage", "", "limit")),
    (Case("beside", "", cell=FULL_CELL, on_gap="abort"), said("voltage", "", "limit")),
)  # fmt: skip
CHANNEL_STATIONS = {"measuring": MEASURING, "leads": (*SWAPPED, *LEADS), "device": DEVICE}
CHANNEL_CASES = {
    f"{station}-{case.name}": (station, case, what) for station, cases in CHANNEL_STATIONS.items() for case, what in cases
}
