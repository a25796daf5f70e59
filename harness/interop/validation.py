"""A file's columns checked against each other by physics: wrong units, reversed signs, counters that reset or count in lumps.

Every verdict needs a second witness (`harness.interop.witnesses`); a column without one is said to be unchecked, which is no
accusation. Names are believed for what they are about, never for their unit. Nothing is changed unless `repaired` is asked to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from harness.analysis.charge import Array
from harness.interop.explanation import Explanation, disagreeing, explanations
from harness.interop.finding import Finding
from harness.interop.witnesses import LARGEST_VOLT, TIMES, Evidence, Witness, counter_columns, gained, middle, side_of, witnesses

UNIT = "unit"
"""A column's unit is not what its name says, and only this explains the file."""
UNIT_LIKELY = "unit_likely"
"""Likewise, but another column would explain it as well; the sentence names it."""
MISMATCH = "mismatch"
"""Two witnesses differ by a factor that is no unit's."""
STEP_MISMATCH = "step_mismatch"
"""They agree in most steps and differ in these."""
RESET = "counter_reset"
COARSE = "coarse_counter"
SIGN = "sign"
COUNT_UNIT = "cycle_count_unit"
COUNT_FRACTION = "cycle_count_fraction"
MIXED_CONTROL = "mixed_control"
CURRENT_IS_VOLTAGE = "current_holds_voltage"
UNCHECKED = "unchecked"

SURE = 2.5
"""One explanation is taken for certain if people err like it this many times as often as like the next."""
STEP_TOLERANCE = 0.02
COARSE_SHARE = 0.01
LEAST_VOLT = 1e-3
"""A cell that is measured shows more than this for half of its file."""
LEAST_ONSETS = 3
SETTLED_ROWS = 5
MAJORITY = 0.8
SAMPLING_SECOND = (0.02, 1800.0)
"""Testers record between 50 times a second and twice an hour."""
_TESTED = (*TIMES, "current_ampere", "voltage_volt")


def validate(frame: pl.DataFrame) -> list[Finding]:
    """What is odd about a file's columns (machine names, rows in the order of recording), the gravest first.

    ``factor`` is what the column must be multiplied with; the sentence also has the ratio as measured.
    """
    if frame.height < 2:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        file = Evidence.of(frame)
        found = witnesses(file)
        checks = (
            _units(file, found),
            _signs(file),
            _mixed(file),
            _counts(file),
            _steps_that_differ(file, found),
            _counters(file),
        )
        return [*(finding for check in checks for finding in check), *_unchecked(file, found)]


def repaired(frame: pl.DataFrame, findings: Sequence[Finding]) -> tuple[pl.DataFrame, list[Finding]]:
    """``frame`` with every certain unit and sign set right, and the findings with what was done.

    A finding of likelihood is left as it is: which of two columns lies is not known.
    """
    told = []
    for finding in findings:
        if finding.kind in {UNIT, SIGN, COUNT_UNIT} and finding.factor is not None and finding.column in frame.columns:
            right = pl.col(finding.column) * finding.factor
            frame = frame.with_columns(right.round() if finding.kind == COUNT_UNIT else right)
            done = f"{finding.text}; repaired: multiplied by {finding.factor:.6g}"
            told.append(replace(finding, text=done, repaired=True))
        else:
            told.append(finding)
    return frame, told


# -- units -------------------------------------------------------------------------------------------------------------


def _units(file: Evidence, found: Sequence[Witness]) -> Iterator[Finding]:
    wrong = disagreeing(found)
    if not wrong:
        return
    possible = sorted(explanations(found), key=lambda one: -_weight(file, one))
    if not possible:
        for witness in wrong:
            column = next(name for name, power in witness.powers.items() if power < 0 or len(witness.powers) == 1)
            text = f"{witness.what}: {witness.ratio:.5g} instead of 1, which is no unit's factor"
            yield Finding(MISMATCH, column, text, factor=witness.ratio)
        return
    best, others = possible[0], possible[1:]
    rivals = [one for one in others if _weight(file, best) < SURE * _weight(file, one)]
    for column, error in best.errors.items():
        measured = next((witness for witness in wrong if column in witness.powers), wrong[0])
        said = f"{column} is {_times(error)} ({measured.what}: {measured.ratio:.5g} instead of 1)"
        said += "".join(f"; or {_told(one)}" for one in rivals)
        yield Finding(UNIT_LIKELY if rivals else UNIT, column, said, factor=1 / error)


def _weight(file: Evidence, one: Explanation) -> float:
    """How likely an explanation is: how people err, and whether a cell and a tester's pace then come out."""
    weight = one.weight * math.prod(1.05 if error < 1 else 1.0 for error in one.errors.values())
    if "voltage_volt" in one.errors:
        volt = middle(np.abs(file.columns["voltage_volt"])) / one.errors["voltage_volt"]
        weight *= 1.0 if LEAST_VOLT < volt < LARGEST_VOLT else 0.05
    time = file.time
    if time is None:
        return weight
    interval = np.diff(file.columns[time])
    pace = float(np.median(interval[interval > 0])) if bool((interval > 0).any()) else 1.0
    before, after = (SAMPLING_SECOND[0] <= value <= SAMPLING_SECOND[1] for value in (pace, pace / one.errors.get(time, 1.0)))
    return weight if after else 0.3 * weight if not before else 0.1 * weight


def _times(error: float) -> str:
    return f"{error:.6g} times too large" if error > 1 else f"{1 / error:.6g} times too small"


def _told(one: Explanation) -> str:
    return " and ".join(f"{column} is {_times(error)}" for column, error in one.errors.items())


def _unchecked(file: Evidence, found: Sequence[Witness]) -> Iterator[Finding]:
    checked = {column for witness in found for column in witness.powers}
    checked |= {"unix_time_second", *(name for name, amounts in file.amounts.items() if amounts.lump == 0)}
    for column in (*_TESTED, *counter_columns(file.columns), *counter_columns(file.columns, "_wh")):
        if column in file.columns and column not in checked:
            said = f"{column} cannot be checked: no other column of this file says the same in another way"
            yield Finding(UNCHECKED, column, said)


# -- signs -------------------------------------------------------------------------------------------------------------


def _signs(file: Evidence) -> Iterator[Finding]:
    """The current against what it does to the voltage, what the steps are called, and what the counters counted."""
    if "current_ampere" not in file.columns:
        return
    against = {
        "a step of the current moves the voltage the other way": _voltage_votes(file),
        "steps that are called charge have a negative current": _word_votes(file),
    }
    heard = {said: votes for said, votes in against.items() if votes is not None}
    reversed_by = [said for said, votes in heard.items() if votes > MAJORITY]
    current_reversed = bool(reversed_by) and all(votes > MAJORITY for votes in heard.values())
    if current_reversed:
        said = "current_ampere has the wrong sign (positive must charge the cell): " + " and ".join(reversed_by)
        yield Finding(SIGN, "current_ampere", said, factor=-1.0)
    for counter, votes in _counter_votes(file).items():
        if votes > MAJORITY and not current_reversed:
            yield _counter_sign(counter, known=bool(heard))
        elif votes < 1 - MAJORITY and current_reversed:
            side = side_of(counter)
            said = "counts what goes the other way" if side else "has the wrong sign"
            yield Finding(SIGN, counter, f"{counter} {said}, as the current has it", factor=None if side else -1.0)


def _counter_sign(counter: str, *, known: bool) -> Finding:
    unsaid = "" if known else "; which is wrong this file does not say"
    if side_of(counter):
        return Finding(SIGN, counter, f"{counter} counts while the current goes the other way{unsaid}")
    return Finding(SIGN, counter, f"{counter} and current_ampere have opposite signs{unsaid}", factor=-1.0 if known else None)


def _voltage_votes(file: Evidence) -> float | None:
    """The share of the current's steps that moved the voltage against it; ``None`` where they are too few.

    The voltage is taken a few rows after the step, or before the next: some testers stamp the new current on the old voltage.
    """
    if "voltage_volt" not in file.columns:
        return None
    current, voltage = np.nan_to_num(file.columns["current_ampere"]), file.columns["voltage_volt"]
    change = np.diff(current)
    onset = np.flatnonzero(np.abs(change) > 0.2 * float(np.max(np.abs(current), initial=0.0)))
    after = np.minimum(onset + SETTLED_ROWS, np.append(onset[1:], current.size - 1))
    moved = voltage[after] - voltage[onset]
    clear = np.abs(moved) > 3 * float(np.nanmedian(np.abs(np.diff(voltage))))
    if int(clear.sum()) < LEAST_ONSETS:
        return None
    return float(np.mean(moved[clear] * change[onset][clear] < 0))


def _word_votes(file: Evidence) -> float | None:
    """The share of rows whose current goes against the name of their step."""
    for name in ("step_type", "step_name", "state"):
        if name in file.words:
            words = file.words[name].str.to_lowercase()
            down = words.str.contains(r"dch|disch").fill_null(value=False).to_numpy()
            up = words.str.contains(r"chg|charg").fill_null(value=False).to_numpy() & ~down
            current = np.nan_to_num(file.columns["current_ampere"])
            flowing = (up | down) & (np.abs(current) > 1e-3 * float(np.max(np.abs(current), initial=0.0)))
            if int(flowing.sum()) >= LEAST_ONSETS:
                return float(np.mean((current[flowing] > 0) == down[flowing]))
    return None


def _counter_votes(file: Evidence) -> dict[str, float]:
    """For each counter with a direction, the share of its charge that was counted against the current."""
    votes = {}
    for counter, amounts in file.amounts.items():
        side = side_of(counter)
        if not counter.endswith("_ah") or not (side or "net" in counter or "increment" in counter):
            continue
        counted = side * np.abs(amounts.counted) if side else amounts.counted
        size = np.abs(counted)
        if float(size.sum()) > 0:
            votes[counter] = float(size[counted * amounts.expected < 0].sum() / size.sum())
    return votes


# -- columns of two meanings -------------------------------------------------------------------------------------------


def _mixed(file: Evidence) -> Iterator[Finding]:
    """A control column that is in ampere (or mA) in some rows and in volt in others, and a current taken from one."""
    current, voltage = file.columns.get("current_ampere"), file.columns.get("voltage_volt")
    if current is None or voltage is None:
        return
    for name, values in file.columns.items():
        if "control" in name and name != "control_voltage_volt":
            is_volt = np.abs(values - voltage) < 2e-3 * np.abs(voltage)
            is_current = np.zeros_like(is_volt)
            for scale in (1.0, 1e3):
                is_current |= (np.abs(values - scale * current) < 2e-2 * np.abs(values)) & (values != 0)
            both = [int((one & ~other).sum()) for one, other in ((is_volt, is_current), (is_current, is_volt))]
            if min(both) >= max(10, 0.01 * values.size):
                text = f"{name} holds the voltage in {both[0]} rows and the current in {both[1]}: it is no current there"
                yield Finding(MIXED_CONTROL, name, text, rows=tuple(np.flatnonzero(is_volt & ~is_current).tolist()))
    yield from _current_that_is_voltage(file, current, voltage)


def _current_that_is_voltage(file: Evidence, current: Array, voltage: Array) -> Iterator[Finding]:
    """Whole steps in which current and voltage are one number (or one in mA), in a file where other steps differ."""
    first = file.steps.first
    rows = np.diff(np.append(first, current.size))
    flowing = np.maximum.reduceat(np.abs(np.nan_to_num(current)), first) > 0
    for scale in (1.0, 1e3):
        same = np.abs(current * scale - voltage) < 2e-3 * np.abs(voltage)
        whole = np.logical_and.reduceat(same, first) & (rows >= 5)
        if bool(whole.any()) and bool((~whole & flowing & (rows >= 5)).any()):
            inside = np.flatnonzero(np.repeat(whole, rows))
            text = "current_ampere holds the voltage in these rows: it was taken from a control column"
            yield Finding(CURRENT_IS_VOLTAGE, "current_ampere", text, rows=tuple(inside.tolist()))
            return


def _counts(file: Evidence) -> Iterator[Finding]:
    """Counts must be whole: a unit called cycle may have been read as 2π radians."""
    for name in ("cycle_count", "step_count", "half_cycle_count"):
        values = file.columns.get(name)
        if values is None:
            continue
        given = values[np.isfinite(values)]
        turns = given / (2 * math.pi)
        if bool(np.allclose(given, np.round(given), atol=1e-6)):
            continue
        if bool(np.allclose(turns, np.round(turns), atol=1e-3, rtol=1e-4)):
            text = f"{name} is multiplied by 2π ({given[given != 0][0]:.5g}): a program took cycles for an angle"
            yield Finding(COUNT_UNIT, name, text, factor=1 / (2 * math.pi))
        else:
            rows = np.flatnonzero(np.abs(values - np.round(values)) > 1e-6)
            yield Finding(COUNT_FRACTION, name, f"{name} is no whole number in {rows.size} rows", rows=tuple(rows.tolist()))


# -- counters ----------------------------------------------------------------------------------------------------------


def _steps_that_differ(file: Evidence, found: Sequence[Witness]) -> Iterator[Finding]:
    """Single steps whose counter and integral differ, where on the whole they agree."""
    agreeing = {name for witness in found if witness not in disagreeing(found) for name in witness.powers}
    votes = _counter_votes(file)
    for counter, amounts in file.amounts.items():
        if counter not in agreeing:
            continue
        expected, counted = np.abs(amounts.expected), np.abs(amounts.counted)
        side = side_of(counter) * (-1 if votes.get(counter, 0.0) > MAJORITY else 1)
        meant = np.ones_like(counted, dtype=np.bool_) if side == 0 else np.sign(amounts.expected) == side
        rows = np.diff(np.append(file.steps.first, file.steps.edge.size))
        allowed = STEP_TOLERANCE * np.maximum(expected, counted) + amounts.bracket + 2 * amounts.lump + 2 * expected / rows
        odd = meant & (np.abs(expected - counted) > allowed) & (expected > 0.01 * float(np.max(expected, initial=0.0)))
        if bool(odd.any()):
            worst = int(np.argmax(np.where(odd, np.abs(expected - counted) / np.maximum(expected, counted), 0.0)))
            share = counted[worst] / expected[worst]
            steps = _many(int(odd.sum()), "step")
            text = f"in {steps} {counter} gained another charge than the current says; at worst {share:.4g} of it"
            yield Finding(STEP_MISMATCH, counter, text, rows=tuple(file.steps.first[odd].tolist()))


def _counters(file: Evidence) -> Iterator[Finding]:
    """Counters that fall back inside a step, and counters whose one count is a large part of a half cycle."""
    for counter in counter_columns(file.columns):
        values = np.abs(file.columns[counter])
        if side_of(counter) and "increment" not in counter and file.steps.numbered:
            before = np.concatenate((values[:1], values[:-1]))
            fell = file.steps.inside & (values < 0.5 * before) & (before > 0.01 * float(np.nanmax(values)))
            if bool(fell.any()):
                rows = np.flatnonzero(fell)
                text = f"{counter} begins anew inside a step in {_many(rows.size, 'row')}: only sums of its gains are whole"
                yield Finding(RESET, counter, text, rows=tuple(rows.tolist()))
        yield from _coarse(file, counter)


def _coarse(file: Evidence, counter: str) -> Iterator[Finding]:
    if file.time is None or counter not in file.amounts or "increment" in counter:
        return
    typical = float(np.max(np.abs(file.amounts[counter].counted), initial=0.0))
    lump = file.amounts[counter].lump
    if typical == 0.0 or lump < COARSE_SHARE * typical:
        return
    current = np.nan_to_num(file.columns["current_ampere"])
    meant = current * side_of(counter) > 0 if side_of(counter) else current != 0
    flowing = file.steps.inside & meant & (np.diff(file.columns[file.time], prepend=np.inf) > 0)
    if int(flowing.sum()) >= 10 and float(np.mean(gained(file.columns[counter], counter)[flowing] == 0)) > 0.3:
        text = f"{counter} counts in lumps of {lump:.4g} Ah, {lump / typical:.0%} of the largest step's charge"
        yield Finding(COARSE, counter, text)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
