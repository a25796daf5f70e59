"""The rows of many cycles at once: two columns of charges and what is known of them in, `CycleRow` objects out. No files.

CE = Q_removal / Q_deposit of one pair, the deposit first. With the errors of `harness.analysis.charge`, and s, p for the two
halves, δ ln CE = Σ_ranges [ o (t_s/Q_s − t_p/Q_p) + g (Q_s,range/Q_s − Q_p,range/Q_p) ] + δQ_s/Q_s − δQ_p/Q_p. Charges are signed
and opposite, so on one range the gain cancels and the offset adds: σ_CE = 2 CE σ_o / I for equal currents. That part is the same
in every cycle and is reported by itself, with the converter's step, which at constant current is one more offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import COULOMB_PER_AH, Accuracy
from harness.analysis.integrals import Array, Charges, Index, flag_names
from harness.model.derived import CycleRow

METHOD_VERSION = "ce-4"
KIND_CYCLE = "cycle"

FLAG_INCOMPLETE = "incomplete"
FLAG_FORMATION = "formation"
FLAG_ABOVE_ONE = "above_one"
FLAG_OFFSET_UNKNOWN = "offset_unknown"
FLAG_WRONG_SIGN = "wrong_sign"
FLAG_RANGE_CHANGE = "range_change"
_ROW_FLAGS = (FLAG_INCOMPLETE, FLAG_ABOVE_ONE, FLAG_OFFSET_UNKNOWN, FLAG_RANGE_CHANGE, FLAG_WRONG_SIGN, FLAG_FORMATION)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Systematic:
    """What stays the same at every use of a range, one standard deviation each, for r ranges; NaN is unknown.

    ``offset_ampere`` (r), ``converter_ampere`` (r): the converter's step / √12; ``gain_1``: of the reading, drawn once per range.
    """

    offset_ampere: Array
    converter_ampere: Array
    gain_1: float

    @classmethod
    def of(cls, accuracy: Accuracy, range_ampere: Array) -> Systematic:
        """What an instrument of this accuracy does on these ranges."""
        sizes = [None if np.isnan(size) else float(size) for size in range_ampere]
        offset = [accuracy.offset_std_ampere(size) for size in sizes]
        return cls(
            np.array([np.nan if std is None else std for std in offset]),
            np.array([accuracy.converter_std_ampere(size) for size in sizes]),
            accuracy.gain or 0.0,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """One half of each of n cycles; where ``there`` is false the cycle lacks it and the rest says nothing.

    ``whole`` is false when it was cut short, lost or is still running; resistances are NaN where unknown.
    """

    charge: Charges
    there: Mask
    whole: Mask
    resistance_ohm: Array
    resistance_ohm_std: Array


@dataclass(frozen=True, slots=True, eq=False)
class Cycles:
    """n cycles: their counts, first stamps, durations (NaN unknown), halves, and names of flags found elsewhere."""

    count: Sequence[int]
    unix_time_nanosecond: Sequence[int]
    duration_second: Array
    deposit: Halves
    removal: Halves
    flags: Sequence[frozenset[str]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, eq=False)
class Efficiencies:
    """Efficiencies of n cycles, all NaN where a charge is zero; ``offset_std`` is the part that no average removes."""

    value: Array
    std: Array
    offset_std: Array


def charge_std_coulomb(charge: Charges, systematic: Systematic) -> Array:
    """One standard deviation of each charge (n), in coulomb; an unknown offset counts as none."""
    offset = np.nan_to_num(systematic.offset_ampere, nan=0.0)
    variance = charge.random_std_coulomb**2 + ((systematic.gain_1 * charge.coulomb) ** 2).sum(axis=1)
    held = (np.hypot(offset, systematic.converter_ampere) * charge.second) ** 2
    std: Array = np.sqrt(variance + held.sum(axis=1))
    return std


def knows_offset(charge: Charges, systematic: Systematic) -> Mask:
    """Whether the offset of every range that a charge (n) passed on is known."""
    unknown = np.isnan(systematic.offset_ampere) & (charge.second > 0)
    known: Mask = np.count_nonzero(unknown, axis=1) == 0
    return known


def efficiencies(deposit: Charges, removal: Charges, systematic: Systematic) -> Efficiencies:
    """|Q_removal / Q_deposit| of each pair with its uncertainty (module docstring)."""
    put, taken = deposit.total_coulomb(), removal.total_coulomb()
    usable = (put != 0.0) & (taken != 0.0)
    put, taken = np.where(usable, put, np.nan), np.where(usable, taken, np.nan)
    value = np.abs(taken / put)
    second = removal.second / taken[:, None], deposit.second / put[:, None]
    share = removal.coulomb / taken[:, None] - deposit.coulomb / put[:, None]
    offset = np.nan_to_num(systematic.offset_ampere, nan=0.0)
    same = (offset * (second[0] - second[1])) ** 2 + (systematic.gain_1 * share) ** 2
    same += systematic.converter_ampere**2 * (second[0] ** 2 + second[1] ** 2)
    constant = same.sum(axis=1)
    random = (removal.random_std_coulomb / taken) ** 2 + (deposit.random_std_coulomb / put) ** 2
    return Efficiencies(value, value * np.sqrt(constant + random), value * np.sqrt(constant))


def cycle_rows(
    run_id: str, cycles: Cycles, systematic: Systematic, *, has_efficiency: bool = True, first_cycle: int = 1
) -> list[CycleRow]:
    """The rows of cycles; an efficiency is ``None``, never 0, unless both halves are there and whole.

    ``has_efficiency`` is false for symmetric cells; the cycle ``first_cycle`` is flagged ``formation``.
    """
    deposit, removal = cycles.deposit, cycles.removal
    found = efficiencies(deposit.charge, removal.charge, systematic)
    whole = deposit.there & removal.there & deposit.whole & removal.whole
    counted = whole & np.isfinite(found.value) & has_efficiency
    known = knows_offset(deposit.charge, systematic) & knows_offset(removal.charge, systematic)
    bits = _bits(cycles, found, counted, known, complete=whole & (counted | (not has_efficiency)), first_cycle=first_cycle)
    names = _flag_texts(bits, cycles)
    plated, plated_std = _capacities(deposit, systematic)
    stripped, stripped_std = _capacities(removal, systematic)
    plating, plating_std = _resistances(deposit)
    stripping, stripping_std = _resistances(removal)
    columns: dict[str, Iterable[object]] = {
        "run_id": repeat(run_id),
        "cycle_count": cycles.count,
        "unix_time_nanosecond": cycles.unix_time_nanosecond,
        "kind": repeat(KIND_CYCLE),
        "plating_capacity_ah": plated,
        "plating_capacity_ah_std": plated_std,
        "stripping_capacity_ah": stripped,
        "stripping_capacity_ah_std": stripped_std,
        "coulombic_efficiency": _numbers(found.value, counted),
        "coulombic_efficiency_std": _numbers(found.std, counted),
        "coulombic_efficiency_offset_std": _numbers(found.offset_std, counted & known),
        "plating_resistance_ohm": plating,
        "plating_resistance_ohm_std": plating_std,
        "stripping_resistance_ohm": stripping,
        "stripping_resistance_ohm_std": stripping_std,
        "cycle_duration_second": _numbers(cycles.duration_second, np.isfinite(cycles.duration_second)),
        "flags": names,
        "method_version": repeat(METHOD_VERSION),
    }
    ordered = (columns.get(place.name, repeat(place.default)) for place in fields(CycleRow))
    return [CycleRow(*row) for row in zip(*ordered, strict=False)]


def _bits(cycles: Cycles, found: Efficiencies, counted: Mask, known: Mask, *, complete: Mask, first_cycle: int) -> Index:
    """The flags of each row as bits in the order of ``_ROW_FLAGS``, below them the flags of both charges."""
    deposit, removal = cycles.deposit, cycles.removal
    used = (deposit.charge.second > 0) | (removal.charge.second > 0)
    with np.errstate(invalid="ignore"):
        above = counted & (found.value > 1.0)
    same = np.sign(deposit.charge.total_coulomb()) * np.sign(removal.charge.total_coulomb()) > 0
    first = deposit.there & (np.asarray(cycles.count) == first_cycle)
    masks = (~complete, above, ~known, used.sum(axis=1) > 1, same, first)
    bits = (deposit.charge.flags | removal.charge.flags).astype(np.int64)
    for place, mask in enumerate(masks):
        bits |= mask.astype(np.int64) << (8 + place)
    return bits


def _flag_texts(bits: Index, cycles: Cycles) -> list[str]:
    """Names joined by one space, in the order of the alphabet; most rows share theirs."""
    known: dict[tuple[int, frozenset[str]], str] = {}
    texts = []
    for value, more in zip(bits.tolist(), cycles.flags or [frozenset[str]()] * bits.size, strict=True):
        text = known.get((value, more))
        if text is None:
            own = {name for place, name in enumerate(_ROW_FLAGS) if value >> (8 + place) & 1}
            text = known[value, more] = " ".join(sorted(own | flag_names(value & 0xFF) | more))
        texts.append(text)
    return texts


def _capacities(half: Halves, systematic: Systematic) -> tuple[list[float | None], list[float | None]]:
    size = np.abs(half.charge.total_coulomb()) / COULOMB_PER_AH
    return _numbers(size, half.there), _numbers(charge_std_coulomb(half.charge, systematic) / COULOMB_PER_AH, half.there)


def _resistances(half: Halves) -> tuple[list[float | None], list[float | None]]:
    known = half.there & np.isfinite(half.resistance_ohm)
    return _numbers(half.resistance_ohm, known), _numbers(half.resistance_ohm_std, known & np.isfinite(half.resistance_ohm_std))


def _numbers(values: Array, there: Mask) -> list[float | None]:
    if bool(there.all()):
        whole: list[float | None] = values.tolist()
        return whole
    return [value if known else None for value, known in zip(values.tolist(), there.tolist(), strict=True)]
