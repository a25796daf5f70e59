"""The emulator's truth file as rows: what one channel really did. Reads; joins and judges nothing.

The file is JSON lines, one ``kind`` per line; kinds and fields that are not known here are passed over, so that an older or newer
emulator can be read as far as it goes. Only what the emulator has always written is required of a line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import BadInput


@dataclass(frozen=True, slots=True)
class TrueHalfCycle:
    """One uninterrupted direction of current: signed charge, + is oxidation at the working electrode.

    The two efficiencies are those of the lithium's own books and of a reservoir block, ``None`` where they do not apply.
    """

    channel: str
    start_nanosecond: int
    end_nanosecond: int
    charge_coulomb: float
    coulombic_efficiency_lithium: float | None = None
    coulombic_efficiency_adams: float | None = None
    residual_mah_cm2: float | None = None
    sei_lithium_mah_cm2: float | None = None
    dead_lithium_mah_cm2: float | None = None
    calendar_lithium_mah_cm2: float | None = None


@dataclass(frozen=True, slots=True)
class TrueArc:
    """One arc behind a sweep: how much of it relaxes above the sweep's highest frequency, and how much below its lowest."""

    name: str
    resistance_ohm: float
    share_above: float
    share_below: float


@dataclass(frozen=True, slots=True)
class TrueSweep:
    """One sweep; ``series_resistance_ohm`` is the resistance without any arc, ``shunt_siemens`` a short across everything."""

    channel: str
    start_nanosecond: int
    end_nanosecond: int
    series_resistance_ohm: float
    arcs: tuple[TrueArc, ...]
    shunt_siemens: float = 0.0


@dataclass(frozen=True, slots=True)
class TrueFault:
    """One activation of a fault. ``acts`` are the changes it made, one dictionary each, with the bytes where there were any;
    ``identity`` tells it from others: channel, fault, event and how many times the event had come before.
    """

    channel: str
    fault: str
    start_nanosecond: int
    end_nanosecond: int | None = None
    acts: tuple[Mapping[str, object], ...] = ()
    identity: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TruthRows:
    """A whole file. ``scenarios`` are its first rows, one per start of the emulator, newest last."""

    scenarios: list[Mapping[str, object]] = field(default_factory=list)
    half_cycles: list[TrueHalfCycle] = field(default_factory=list)
    sweeps: list[TrueSweep] = field(default_factory=list)
    faults: list[TrueFault] = field(default_factory=list)


Content = dict[str, object]


def read_truth(truth_path: Path) -> TruthRows:
    """The rows of a truth file; a last line without its end is not there yet.

    Raises:
        BadInput: the file cannot be read or a line is not what the emulator writes.
    """
    try:
        text = truth_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(truth_path), f"the truth file cannot be read ({error})") from None
    rows = TruthRows()
    whole = text[: text.rfind("\n") + 1]
    for number, line in enumerate(whole.splitlines(), start=1):
        if line.strip():
            _take(rows, line, f"{truth_path}:{number}")
    _refuse_two_histories(rows, truth_path)
    return rows


def check_channel(rows: TruthRows, channel: str, truth_path: Path) -> None:
    """Refuse a truth that says nothing of ``channel``, for everything measured there would then stand without comparison.

    Raises:
        BadInput: no current and no sweep of that channel is in it.
    """
    known = {row.channel for row in rows.half_cycles} | {row.channel for row in rows.sweeps}
    if channel not in known:
        there = ", ".join(sorted(known)) or "no channel at all"
        raise BadInput(str(truth_path), f"it holds nothing of channel {channel}, only of {there}; name the truth of this run")


def _refuse_two_histories(rows: TruthRows, truth_path: Path) -> None:
    """A channel has one past: rows that overlap come of two emulators that wrote one file, and must not be added up."""
    ended: dict[str, int] = {}
    for row in rows.half_cycles:
        if row.start_nanosecond < ended.get(row.channel, row.start_nanosecond):
            what = f"currents of channel {row.channel} overlap in time: the emulator was started twice with one truth file"
            raise BadInput(str(truth_path), f"{what}; cut it at the second line of kind scenario")
        ended[row.channel] = row.end_nanosecond


def _take(rows: TruthRows, line: str, where: str) -> None:
    try:
        content = json.loads(line)
        if not isinstance(content, dict):
            raise BadInput(where, "this line is not a JSON object; it is no truth file")
        take = _TAKEN.get(str(content.get("kind")))
        if take is not None:
            take(rows, content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(where, f"this line is not what the emulator writes ({type(error).__name__}: {error})") from None


def _half_cycle(rows: TruthRows, content: Content) -> None:
    names = ("coulombic_efficiency_lithium", "coulombic_efficiency_adams", "residual_mah_cm2")
    losses = ("sei_lithium_mah_cm2", "dead_lithium_mah_cm2", "calendar_lithium_mah_cm2")
    start, end = _span(content)
    rows.half_cycles.append(
        TrueHalfCycle(
            str(content["channel"]),
            start,
            end,
            _finite(content["charge_coulomb"]),
            *(None if content.get(name) is None else _finite(content[name]) for name in (*names, *losses)),
        )
    )


def _sweep(rows: TruthRows, content: Content) -> None:
    start, end = _span(content)
    arcs = content.get("arcs", {})
    if not isinstance(arcs, dict):
        raise TypeError("its arcs are no table")
    found = tuple(_arc(str(name), values) for name, values in arcs.items())
    series = _finite(content["series_resistance_ohm"])
    shunt = _finite(content.get("shunt_siemens", 0.0))
    rows.sweeps.append(TrueSweep(str(content["channel"]), start, end, series, found, shunt))


def _arc(name: str, values: Mapping[str, object]) -> TrueArc:
    above, below = (_finite(values.get(f"share_{side}", 0.0)) for side in ("above_frequency_max", "below_frequency_min"))
    return TrueArc(name, _finite(values["resistance_ohm"]), above, below)


def _fault(rows: TruthRows, content: Content) -> None:
    """The beginning of a fault, or an act or the end of one that has begun."""
    stamp, channel, fault = _whole(content["unix_time_nanosecond"]), str(content["channel"]), str(content["fault"])
    identity = (channel, fault, str(content.get("event")), str(content.get("activation")))
    if content["phase"] == "begin":
        rows.faults.append(TrueFault(channel, fault, stamp, identity=identity))
        return
    place = next((place for place in reversed(range(len(rows.faults))) if rows.faults[place].identity == identity), None)
    if place is None:
        raise ValueError(f"{fault} on {channel} goes on without having begun")
    known = rows.faults[place]
    if content["phase"] == "end":
        rows.faults[place] = replace(known, end_nanosecond=stamp)
    else:
        rows.faults[place] = replace(known, acts=(*known.acts, content))


def _scenario(rows: TruthRows, content: Content) -> None:
    rows.scenarios.append(content)


_TAKEN: dict[str, Callable[[TruthRows, Content], None]] = {
    "scenario": _scenario,
    "half_cycle": _half_cycle,
    "impedance": _sweep,
    "fault": _fault,
}


def _span(content: Content) -> tuple[int, int]:
    start, end = _whole(content["start_unix_time_nanosecond"]), _whole(content["end_unix_time_nanosecond"])
    if end < start:
        raise ValueError("it ends before it starts")
    return start, end


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not finite")
    return float(value)
