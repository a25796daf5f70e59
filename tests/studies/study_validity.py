"""How often a healthy spectrum is doubted, and how often a cell that did not stand still, or was driven too hard, is seen.

Healthy sweeps are those of emulated cells of every preset and geometry with the instrument's noise. The others are synthetic: a
lithium interface (two depressed arcs and diffusion) whose points are taken one after another as an instrument takes them, three
periods and 20 ms each, while it changes; 0.1 % noise of the modulus on both parts. Last, small pulses and their ends on emulated
cells are held against the impedance of the same cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, get_args

import numpy as np

from emulator.cell.parameters import PresetName
from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.impedance.drift import spectrum_at
from harness.analysis.impedance.fit import fit_impedance
from harness.analysis.impedance.spectrum import Complex, Sweep, sweep_of
from harness.analysis.impedance.validity import Verdict, judge_spectrum
from harness.analysis.interrupt import interrupts
from harness.analysis.pulses import pulse_resistances
from harness.analysis.resistance import Agreement, cross_check
from tests.benchmarks.figure import Figure
from tests.studies.generated import GeneratedCell, generated

NOISE = 1e-3
FREQUENCY = np.geomspace(2e5, 0.1, 51)
MOMENT = np.cumsum(0.02 + 3 / FREQUENCY)
THERMAL_VOLT = 0.0257
GEOMETRIES = ("deposit", "symmetric", "full")
PAUSE_SECOND = 20.0


def study(seeds: int) -> list[Figure]:
    """All figures; a direct current is compared with impedance on 200 cells at most."""
    return [*healthy(seeds), *growing(seeds), *disturbed(seeds), *corrected(seeds), *direct(min(seeds, 200))]


def healthy(seeds: int) -> list[Figure]:
    """``seeds`` emulated cells, shared among presets and geometries, two sweeps each: one with lithium just plated."""
    presets, each = get_args(PresetName), max(1, -(-seeds // (len(get_args(PresetName)) * len(GEOMETRIES))))
    verdicts: list[Verdict] = []
    for preset, geometry in product(presets, GEOMETRIES):
        for seed in range(1, each + 1):
            for cell in generated(_scenario(preset, geometry), seed):
                verdicts += _verdicts(cell)
    count = len(verdicts)
    return [
        Figure("healthy sweeps", count, "", "every preset and geometry"),
        Figure("of them not good", 100 * _share(verdicts, Verdict.SUSPECT, Verdict.REFUSED), "%", "false doubts, at most 1"),
        Figure("of them refused", 100 * _share(verdicts, Verdict.REFUSED), "%", "at most 0.1"),
    ]


def growing(seeds: int) -> list[Figure]:
    """The interface grows in proportion to time by so much during the sweep, and goes on growing."""
    figures = []
    for growth in (0.0, 0.02, 0.05, 0.1, 0.3):
        alone, repeated, second = [], [], []
        for seed in range(seeds):
            sweep, again = _two_sweeps(growth, seed)
            alone.append(judge_spectrum(sweep).verdict)
            repeated.append(judge_spectrum(sweep, repeated_first=complex(again.impedance_ohm[0])).verdict)
            second.append(judge_spectrum(sweep, again=again).verdict)
        for how, found in (("Kramers–Kronig alone", alone), ("the first point again", repeated), ("a second sweep", second)):
            beside = "false doubts, at most 1" if growth == 0.0 else "blind to slow drift" if found is alone else ""
            figures.append(Figure(f"interface + {growth:.0%} in the sweep, not good by {how}", _doubted(found), "%", beside))
    return figures


def disturbed(seeds: int) -> list[Figure]:
    """A contact whose resistance jumps, and amplitudes that the interface does not answer linearly."""
    kinds: list[tuple[str, Callable[[int], Sweep]]] = [
        *((f"contact jumps by {ohm:g} Ω of 95", partial(_loose_contact, ohm)) for ohm in (0.5, 2.0, 5.0)),
        *((f"amplitude {1e3 * volt:.0f} mV", partial(_driven, volt)) for volt in (0.01, 0.05, 0.1, 0.2)),
    ]
    return [
        Figure(f"{name}, not good", _doubted([judge_spectrum(make(seed)).verdict for seed in range(seeds)]), "%")
        for name, make in kinds
    ]


def corrected(seeds: int) -> list[Figure]:
    """Two sweeps of an interface that grows by 10 % in each, interpolated to one moment: what is left, and its σ."""
    before, after, stated, inside = [], [], [], []
    for seed in range(seeds):
        first, second = _two_sweeps(0.1, seed)
        found = spectrum_at(first, second, (NOISE, NOISE))
        truth = _interface(FREQUENCY, 1 + 0.1 * found.moment_second / MOMENT[-1])
        before.append(_rms(first.impedance_ohm / truth - 1))
        left = found.sweep.impedance_ohm - truth
        after.append(_rms(left / truth))
        stated.append(np.sqrt(2) * _rms(found.impedance_std_ohm / truth))
        parts = np.abs(np.concatenate((left.real, left.imag))) <= 1.96 * np.tile(found.impedance_std_ohm, 2)
        inside.append(float(np.mean(parts)))
    return [
        Figure("one sweep against the moment between two, rms", 100 * float(np.mean(before)), "%"),
        Figure("two sweeps interpolated to it, rms", 100 * float(np.mean(after)), "%", f"σ: {100 * float(np.mean(stated)):.4f}"),
        Figure("parts within 1.96 σ of the truth", 100 * float(np.mean(inside)), "%", "95"),
    ]


def direct(seeds: int) -> list[Figure]:
    """A small pulse after a sweep, and its end, on emulated symmetric cells: both against R_s + R_i of the fit."""
    eis = {"step": "eis", "from": "200 kHz", "to": "100 mHz", "points_per_decade": 8, "amplitude": "10 mV", "longest": "30 min"}
    often = {"sampling": {"every": "100 ms"}}
    on = {"step": "plate", "current": "0.5 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}}
    pulse = {"step": "plate", "current": "0.1 mA/cm^2", "until": {"charge": "0.28 uAh/cm^2"}, **often}
    steps = [on, {"step": "rest", "for": "2 h"}, eis, pulse, {"step": "rest", "for": "20 s", **often}]
    found = [_direct(cell) for seed in range(1, seeds + 1) for cell in generated(_of(steps, "bare_fec", "symmetric"), seed)]
    ratios = np.array([[item.ratio_1.value for item in pair] for pair in found], dtype=np.float64)
    figures = []
    for place, how, beside in ((0, "pulse after 1 s", "diffusion adds 2 %"), (1, "interrupt", "")):
        agreeing = 100 * float(np.mean([pair[place].agrees is True for pair in found]))
        figures.append(
            Figure(f"R by {how} over R_s + R_i, mean", float(np.mean(ratios[:, place])), "", f"1; {beside}".rstrip("; "))
        )
        figures.append(Figure(f"{how} agrees with impedance", agreeing, "%", f"95; {beside}".rstrip("; ")))
    return figures


def _direct(cell: GeneratedCell) -> tuple[Agreement, Agreement]:
    assert cell.points is not None
    names = ("test_time_second", "voltage_volt", "current_ampere")
    columns = [cell.samples[name].to_numpy() for name in names]
    own = cell.samples["step_time_second"].to_numpy()
    pulse = pulse_resistances(*columns, step_time_second=own)[-1].at[1].resistance_ohm
    stop = interrupts(*columns, step_time_second=own)[-1].resistance_ohm
    impedance = cell.points["real_impedance_ohm"].to_numpy() + 1j * cell.points["imaginary_impedance_ohm"].to_numpy()
    fit = fit_impedance(cell.points["frequency_hertz"].to_numpy(), impedance)
    total = Estimate.normal(fit.total_resistance_ohm or 0.0, fit.total_resistance_ohm_std or 0.0)
    return cross_check(pulse, total), cross_check(stop, total)


def _scenario(preset: str, geometry: str) -> dict[str, Any]:
    eis = {"step": "eis", "from": "200 kHz", "to": "100 mHz", "points_per_decade": 8, "amplitude": "10 mV", "longest": "30 min"}
    on: dict[str, Any] = {"step": "plate", "current": "0.5 mA/cm^2", "until": {"charge": "0.5 mAh/cm^2"}}
    off: dict[str, Any] = {"step": "strip", "current": "0.5 mA/cm^2", "until": {"charge": "0.3 mAh/cm^2"}}
    if geometry == "full":
        on = {"step": "charge", "current": "C/10", "until": {"charge": "0.5 mAh/cm^2"}}
        off = {"step": "discharge", "current": "C/10", "until": {"charge": "0.3 mAh/cm^2"}}
    rest = {"step": "rest", "for": "30 min"}
    return _of([on, rest, eis, off, rest, eis], preset, geometry)


def _of(steps: Sequence[object], preset: str, geometry: str) -> dict[str, Any]:
    cell = {"name": "c", "geometry": geometry, "preset": preset, "area_cm2": 1.0}
    return {
        "schedule": {"schedule": "validity", "version": 1, "steps": list(steps)},
        "instruments": [{"serial": "EMU1", "channels": [{"name": "a1", "cell": cell}]}],
    }


def _verdicts(cell: GeneratedCell) -> list[Verdict]:
    assert cell.points is not None
    found = []
    for part in cell.points.partition_by("sweep_count", maintain_order=True):
        impedance = part["real_impedance_ohm"].to_numpy() + 1j * part["imaginary_impedance_ohm"].to_numpy()
        found.append(judge_spectrum(sweep_of(part["frequency_hertz"].to_numpy(), impedance)).verdict)
    return found


def _interface(frequency: Array, growth: Array | float = 1.0) -> Complex:
    arcs = 50 / (1 + (1j * frequency / 2000) ** 0.85) + 40 / (1 + (1j * frequency / 30) ** 0.8)
    root = np.sqrt(2j * np.pi * frequency * 5.0)
    return np.asarray(5 + growth * arcs + 10 * np.tanh(root) / root, dtype=np.complex128)


def _measured(impedance: Complex, generator: np.random.Generator, time: Array = MOMENT) -> Sweep:
    noise = generator.normal(size=impedance.size) + 1j * generator.normal(size=impedance.size)
    return sweep_of(FREQUENCY, impedance + NOISE * np.abs(impedance) * noise, time)


def _two_sweeps(growth: float, seed: int) -> tuple[Sweep, Sweep]:
    generator = np.random.default_rng(seed)
    later = MOMENT + MOMENT[-1] + PAUSE_SECOND
    first, second = (_interface(FREQUENCY, 1 + growth * time / MOMENT[-1]) for time in (MOMENT, later))
    return _measured(first, generator), _measured(second, generator, later)


def _loose_contact(size_ohm: float, seed: int) -> Sweep:
    """A contact that is worse by ``size_ohm`` now and then: it changes state with every tenth point."""
    generator = np.random.default_rng(seed)
    worse = np.cumsum(generator.random(FREQUENCY.size) < 0.1) % 2
    return _measured(_interface(FREQUENCY) + size_ohm * worse, generator)


def _driven(amplitude_volt: float, seed: int) -> Sweep:
    """The first harmonic of i = 2 i₀ sinh(E/2V_T) across one arc: R(E) = R₀ (e/2)/I₁(e), e = E/2V_T, E its share of the drive."""
    from scipy.special import iv  # noqa: PLC0415 - as the analysis does

    series, transfer, capacitance = 10.0, 85.0, 5e-5
    share: Array = np.ones(FREQUENCY.size)
    impedance: Complex = np.zeros(FREQUENCY.size, dtype=np.complex128)
    for _ in range(200):
        reduced = np.maximum(amplitude_volt * share / (2 * THERMAL_VOLT), 1e-9)
        resistance = transfer * (reduced / 2) / iv(1, reduced)
        across = resistance / (1 + 2j * np.pi * FREQUENCY * resistance * capacitance)
        impedance = series + across
        share = 0.5 * share + 0.5 * np.abs(across / impedance)
    return _measured(impedance, np.random.default_rng(seed))


def _doubted(verdicts: Sequence[Verdict]) -> float:
    return 100 * _share(verdicts, Verdict.SUSPECT, Verdict.REFUSED)


def _share(verdicts: Sequence[Verdict], *which: Verdict) -> float:
    return sum(verdict in which for verdict in verdicts) / len(verdicts)


def _rms(values: Complex) -> float:
    return float(np.sqrt(np.mean(np.abs(values) ** 2)))
