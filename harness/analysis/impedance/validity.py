"""Say whether one sweep may be believed: good, suspect or refused, each with its reasons in words. Measures nothing itself.

What is judged, and by what:

* *Kramers–Kronig* (`kramers_kronig`): the largest residual below 1 % of |Z| is good, above it suspect; a root mean square above
  2 % is refused. Residuals whose signs do not change often enough to be random are suspect once they matter (a third of a
  percent). What is no more than a sparse sweep cannot follow of an ideal arc is never refused.
* *Standing still* (`drift`): the bias before and after, the first frequency measured again, a second sweep. A change beyond noise
  is suspect from 1 % on and refused from 10 % on: then there is no single state that was measured. Without any of these the
  verdict says that a slow drift cannot be excluded; Kramers–Kronig alone never can.
* *What was measured*: a sweep that ended early, a real part below zero. Above 100 kHz the latter is an artefact of leads and
  reference electrodes, and these points are left out; below it no passive cell has it.

A spectrum that obeys Kramers and Kronig once its imaginary part is turned over was written with the other sign, and is refused
with that reason. Inductive points (Z″ > 0) are no fault: the test's sum has an inductance, and so must the fit's. Lithium is not
at rest for half an hour after plating; a shorter rest is stated with the verdict, not held against the spectrum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.analysis.impedance.drift import Repetition, bias_drift, compare_sweeps, repeated_point
from harness.analysis.impedance.kramers_kronig import FEWEST_POINTS, LEAST_SPAN, KramersKronig, kramers_kronig
from harness.analysis.impedance.spectrum import Sweep

METHOD_VERSION = "validity-1"

SUSPECT_RESIDUAL = 0.01
REFUSED_RMS = 0.02
SYSTEMATIC_RMS = SUSPECT_RESIDUAL / 3
SYSTEMATIC_PROBABILITY = 1e-3
SUSPECT_CHANGE = 0.01
REFUSED_CHANGE = 0.1
CHANGE_PROBABILITY = 1e-3
LEAST_NOISE = 1e-4
ARTEFACT_HERTZ = 1e5
BEYOND_NOISE = 0.01
"""In units of |Z|: a part is below or above zero when it is so by more than this."""
RESTED_SECOND = 1800.0

SLOW_DRIFT_UNSEEN = (
    "Kramers–Kronig cannot see a drift that is slow beside the sweep, and neither the bias, nor a repeated point, nor a second "
    "sweep was given to show one"
)


class Verdict(StrEnum):
    """Whether a spectrum may be believed."""

    GOOD = "good"
    SUSPECT = "suspect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumVerdict:
    """The ``verdict``, the ``reasons`` why it is not good, and ``notes`` to be read with a good one, too.

    ``kramers_kronig`` is ``None`` where the points are too few or too near for the test; ``usable`` is the sweep without the
    points that were left out, the one that a fit should take; ``repetition`` is the second look, where there was one.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    kramers_kronig: KramersKronig | None
    repetition: Repetition | None
    usable: Sweep

    @property
    def reason(self) -> str:
        """The reasons in one line, "" for a good spectrum."""
        return "; ".join(self.reasons)


_Finding = tuple[Verdict, str]


def judge_spectrum(
    sweep: Sweep,
    *,
    bias_before: float | None = None,
    bias_after: float | None = None,
    amplitude_volt: float | None = None,
    repeated_first: complex | None = None,
    again: Sweep | None = None,
    planned_points: int | None = None,
    rest_second: float | None = None,
) -> SpectrumVerdict:
    """Judge one sweep by what is known of it; everything that is not given is not judged.

    Args:
        sweep: what was measured.
        bias_before: the cell's voltage before the sweep, in volt, with ``bias_after`` it.
        bias_after: the voltage after it.
        amplitude_volt: of the excitation; the bias may move by half of it.
        repeated_first: the impedance of the first frequency, measured once more at the end, in ohm.
        again: a second sweep at the same frequencies, or the way back.
        planned_points: how many points the sweep should have had.
        rest_second: how long the cell had rested since lithium was plated or stripped.

    Raises:
        AnalysisError: a bias, an amplitude or a repetition that is no measurement (`drift`).
    """
    usable = _without_artefacts(sweep)
    tested = kramers_kronig(usable) if _enough(usable) else None
    findings = list(_of_what_was_measured(sweep, usable, planned_points))
    if tested is not None:
        findings += [*_of_the_residual(tested), *_of_the_sign(usable, tested)]
    noise = LEAST_NOISE if tested is None else max(tested.noise_1, LEAST_NOISE)
    repetition = _repeated(sweep, again, repeated_first, noise)
    if repetition is not None:
        findings += _of_the_repetition(repetition, "the second sweep" if again is not None else "the repeated first frequency")
    if bias_before is not None and bias_after is not None:
        findings += _of_the_bias(bias_before, bias_after, amplitude_volt)
    unwatched = repetition is None and (bias_before is None or bias_after is None)
    notes = ((SLOW_DRIFT_UNSEEN,) if unwatched else ()) + tuple(_notes(usable, rest_second))
    worst = max((verdict for verdict, _ in findings), key=list(Verdict).index, default=Verdict.GOOD)
    return SpectrumVerdict(worst, tuple(text for _, text in findings), notes, tested, repetition, usable)


def _negative_real(sweep: Sweep) -> NDArray[np.bool_]:
    return sweep.impedance_ohm.real < -BEYOND_NOISE * np.abs(sweep.impedance_ohm)


def _inductive(sweep: Sweep) -> NDArray[np.bool_]:
    return sweep.impedance_ohm.imag > BEYOND_NOISE * np.abs(sweep.impedance_ohm)


def _without_artefacts(sweep: Sweep) -> Sweep:
    high = sweep.frequency_hertz >= ARTEFACT_HERTZ
    if not bool(np.any(_negative_real(sweep) & high)):
        return sweep
    kept = ~high
    time = None if sweep.time_second is None else sweep.time_second[kept]
    return Sweep(sweep.frequency_hertz[kept], sweep.impedance_ohm[kept], time, sweep.order[kept])


def _enough(sweep: Sweep) -> bool:
    frequency = np.unique(sweep.frequency_hertz)
    return frequency.size >= FEWEST_POINTS and bool(frequency[-1] >= LEAST_SPAN * frequency[0])


def _of_what_was_measured(sweep: Sweep, usable: Sweep, planned_points: int | None) -> Iterator[_Finding]:
    count = sweep.frequency_hertz.size
    if planned_points is not None and count < planned_points:
        last = sweep.frequency_hertz[-1]
        yield Verdict.SUSPECT, f"the sweep ended after {count} of {planned_points} points, the lowest at {last:.3g} Hz"
    if left_out := count - usable.frequency_hertz.size:
        yield Verdict.SUSPECT, f"the real part is below zero above 100 kHz; {left_out} points there are left out"
    below = np.flatnonzero(_negative_real(usable))
    if below.size:
        where = usable.frequency_hertz[below[0]]
        yield Verdict.REFUSED, f"the real part is below zero at {where:.3g} Hz, which no passive cell has"
    if not _enough(usable):
        yield Verdict.REFUSED, f"{usable.frequency_hertz.size} usable points are too few, or too near, for any test"


def _of_the_residual(tested: KramersKronig) -> Iterator[_Finding]:
    where = f"{tested.residual_max_1:.1%} at {tested.residual_max_hertz:.3g} Hz"
    sparse = tested.residual_max_1 <= tested.resolution_1
    if tested.residual_rms_1 > REFUSED_RMS and not sparse:
        yield Verdict.REFUSED, f"Kramers–Kronig leaves {tested.residual_rms_1:.1%} rms, at most {where}"
    elif tested.residual_max_1 > SUSPECT_RESIDUAL and sparse:
        yield Verdict.SUSPECT, f"Kramers–Kronig leaves {where}, but so few points per decade leave that of a valid arc, too"
    elif tested.residual_max_1 > SUSPECT_RESIDUAL:
        yield Verdict.SUSPECT, f"Kramers–Kronig leaves {where}"
    elif tested.residual_rms_1 > SYSTEMATIC_RMS and tested.runs_probability_1 < SYSTEMATIC_PROBABILITY:
        yield Verdict.SUSPECT, f"what Kramers–Kronig leaves ({tested.residual_rms_1:.2%} rms) is systematic, not noise"


def _of_the_sign(sweep: Sweep, tested: KramersKronig) -> Iterator[_Finding]:
    if tested.residual_rms_1 <= REFUSED_RMS or not bool(np.mean(_inductive(sweep)) > 0.5):
        return
    turned = kramers_kronig(replace(sweep, impedance_ohm=sweep.impedance_ohm.conj()))
    if turned.residual_rms_1 <= REFUSED_RMS:
        yield Verdict.REFUSED, "turned over, the imaginary part is valid: it must be negative where the cell is capacitive"


def _repeated(sweep: Sweep, again: Sweep | None, first_ohm: complex | None, noise: float) -> Repetition | None:
    """What was measured twice, compared; a whole second sweep says more than one point."""
    if again is not None:
        return compare_sweeps(sweep, again, noise)
    return None if first_ohm is None else repeated_point(sweep, first_ohm, noise)


def _of_the_repetition(repetition: Repetition, what: str) -> Iterator[_Finding]:
    if repetition.probability_1 >= CHANGE_PROBABILITY or repetition.difference_rms_1 <= SUSPECT_CHANGE:
        return
    changed = repetition.difference_rms_1
    verdict = Verdict.REFUSED if changed > REFUSED_CHANGE else Verdict.SUSPECT
    yield verdict, f"{what} differs by {changed:.1%} from the first, which noise does not explain"


def _of_the_bias(before: float, after: float, amplitude_volt: float | None) -> Iterator[_Finding]:
    drift = bias_drift(before, after, amplitude_volt)
    if not drift.steady:
        moved, limit = 1e3 * drift.change_volt, 1e3 * drift.limit_volt
        yield Verdict.SUSPECT, f"the bias moved by {moved:+.1f} mV during the sweep, more than {limit:.3g} mV"


def _notes(sweep: Sweep, rest_second: float | None) -> Iterator[str]:
    inductive = int(np.sum(_inductive(sweep)))
    if inductive:
        yield f"{inductive} points are inductive: a fit must have an inductance, too"
    if rest_second is not None and rest_second < RESTED_SECOND:
        yield f"the cell had rested for {rest_second / 60:.3g} min; lithium is not at rest for 30 min after plating"
