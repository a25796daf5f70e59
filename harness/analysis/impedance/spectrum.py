"""One sweep as the analysis takes it: sorted from high to low frequency, every number finite, signs understood. No models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.charge import Array
from harness.errors import AnalysisError

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Frequencies in hertz, falling, and impedances in ohm (imaginary part negative where capacitive), of one length.

    ``time_second`` are the moments of the points where they are known, in the same order; ``order`` are the places they had in
    what was given.
    """

    frequency_hertz: Array
    impedance_ohm: Complex
    time_second: Array | None
    order: NDArray[np.intp]

    @property
    def omega(self) -> Array:
        """Angular frequencies in radians per second."""
        return 2 * np.pi * self.frequency_hertz


def sweep_of(frequency_hertz: Array, impedance_ohm: Complex, time_second: Array | None = None, *, fewest: int = 2) -> Sweep:
    """What was measured, checked. Points without a finite impedance are left out; a repeated frequency stays.

    Raises:
        AnalysisError: lengths differ, a frequency is not a positive number, all impedances are missing or zero, or fewer than
            ``fewest`` points are left.
    """
    frequency = np.asarray(frequency_hertz, dtype=np.float64).ravel()
    impedance = np.asarray(impedance_ohm, dtype=np.complex128).ravel()
    if frequency.size != impedance.size:
        raise AnalysisError(f"a spectrum has {frequency.size} frequencies and {impedance.size} impedances; give one for each")
    wrong = np.flatnonzero(~(np.isfinite(frequency) & (frequency > 0)))
    if wrong.size:
        raise AnalysisError(
            f"point {int(wrong[0]) + 1} of a spectrum has the frequency {frequency[wrong[0]]:g} Hz; it must be positive"
        )
    valid = np.isfinite(impedance) & (np.abs(impedance) > 0)
    if int(valid.sum()) < fewest:
        raise AnalysisError(f"a spectrum of {int(valid.sum())} usable points was given; this needs {fewest}")
    kept = np.flatnonzero(valid)
    order = kept[np.argsort(-frequency[kept], kind="stable")]
    moments = None if time_second is None else np.asarray(time_second, dtype=np.float64).ravel()[order]
    return Sweep(frequency[order], impedance[order], moments, order)
