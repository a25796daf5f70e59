"""What the error of a cycle's row is made of, per half cycle: the offset's part, in common to all cycles, and the rest.

A row holds σ(CE) and its offset part, of which σ_CE,o = CE σ_o (t_s/Q_s + t_p/Q_p). The offset lowers one magnitude and raises
the other, so Q_p − Q_s errs by σ_o (t_p + t_s) = Q_p σ_CE,o + (1 − CE) σ_o t_p. A row tells neither durations nor currents: the
currents are taken to be equal, t ∝ Q, so that σ_o t = Q σ_CE,o / 2 CE in either half. What is left of σ(CE) is random and taken
to be the same charge in either half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.derived import CycleRow

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RowErrors:
    """Per row, NaN where unknown: capacities (Ah) and their σ, the offset's charge in each half, the random one of either half,
    and the two parts of σ(CE); ``gain`` is what is left of the deposit's own σ, relative. Offset charges of all halves have one
    sign in the sum Σ (Q_p − Q_s).

    Without an efficiency only the capacities and their σ are known. It may all be common to all rows, and a sum must take it so.
    """

    deposit: Array
    removal: Array
    deposit_std: Array
    removal_std: Array
    deposit_offset: Array
    removal_offset: Array
    random: Array
    gain: Array
    ratio_random: Array
    ratio_offset: Array


def row_errors(rows: Sequence[CycleRow]) -> RowErrors:
    """The errors of ``rows``, in their order."""
    deposit, deposit_std = _column(rows, "plating_capacity_ah"), _column(rows, "plating_capacity_ah_std")
    removal, removal_std = _column(rows, "stripping_capacity_ah"), _column(rows, "stripping_capacity_ah_std")
    total, offset = _column(rows, "coulombic_efficiency_std"), _column(rows, "coulombic_efficiency_offset_std")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = removal / deposit
        ratio_random = np.sqrt(np.maximum(total**2 - np.nan_to_num(offset) ** 2, 0.0))
        common = 0.5 * offset / ratio
        in_deposit, in_removal = common * deposit, common * removal
        random = ratio_random / ratio / np.hypot(1 / deposit, 1 / removal)
        gain = np.sqrt(np.maximum(deposit_std**2 - random**2 - np.nan_to_num(in_deposit) ** 2, 0.0)) / deposit
    return RowErrors(
        deposit, removal, deposit_std, removal_std, in_deposit, in_removal, random, np.nan_to_num(gain), ratio_random, offset
    )  # fmt: skip


def _column(rows: Sequence[CycleRow], name: str) -> Array:
    return np.array([math.nan if (value := getattr(row, name)) is None else value for row in rows], dtype=np.float64)
