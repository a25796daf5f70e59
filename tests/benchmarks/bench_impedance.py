"""How long fits of spectra take, in processor time: one start, a series of five hundred, the default fit; beside impedance.py.

Where an interpreter of `peers` has impedance.py 1.7.1, it fits the same spectrum from the same start in this run.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable

import numpy as np

from harness.analysis.impedance.circuit_fit import Weights, residuals
from harness.analysis.impedance.circuits import circuit
from harness.analysis.impedance.elements import Grid
from harness.analysis.impedance.fit import fit_impedance
from harness.analysis.impedance.minimum import minimum
from harness.analysis.impedance.series import fit_series
from harness.analysis.impedance.spectrum import Complex, Sweep, sweep_of
from harness.analysis.impedance.starts import box
from tests.benchmarks.figure import Figure
from tests.benchmarks.peers import interpreter_with
from tests.realdata import REALDATA

NAME = "R0-p(R1,CPE1)-p(R2,CPE2)-W1"
START = {"R0": 0.01, "R1": 0.01, "CPE1_Q": 1.0, "CPE1_n": 0.8, "R2": 0.01, "CPE2_Q": 1.0, "CPE2_n": 0.8, "W1_A": 0.01}
FITTED = {
    "R0": 0.016,
    "R1": 0.0103,
    "CPE1_Q": 4.44,
    "CPE1_n": 0.848,
    "R2": 0.0049,
    "CPE2_Q": 0.4,
    "CPE2_n": 0.893,
    "W1_A": 0.00276,
}
SPECTRA = 500
PEER = """
import json, sys, time, warnings
import numpy as np
from impedance.models.circuits import CustomCircuit
warnings.simplefilter("ignore")
given = json.load(sys.stdin)
frequency = np.array(given["frequency"])
impedance = np.array(given["real"]) + 1j * np.array(given["imaginary"])
spent = []
for _ in range(given["repeats"]):
    circuit = CustomCircuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1", initial_guess=given["start"])
    begin = time.process_time()
    circuit.fit(frequency, impedance, weight_by_modulus=True)
    spent.append(time.process_time() - begin)
print(json.dumps({"second": min(spent), "parameters": list(circuit.parameters_)}))
"""


def measure() -> list[Figure]:
    """One start against the peer's, a series from the previous results, and what rollup calls for every sweep."""
    sweep, source = _spectrum()
    own, parameters = _one_start(sweep)
    figures = [Figure("circuit fit, one start, 57 points", own, "ms", f"≤ 5 ms; {source}")]
    if (python := interpreter_with("impedance")) is not None:
        peer, theirs = _peer(python, sweep)
        apart = max(abs(a / b - 1) for a, b in zip(sorted(parameters), sorted(theirs), strict=True))
        figures += [
            Figure("… by impedance.py", peer, "ms", f"parameters apart by at most {apart:.0e}"),
            Figure("… impedance.py / this", peer / own, "×", "≥ 20"),
        ]
    sweeps = _series(sweep)
    begin = time.process_time()
    fit_series(sweeps, circuits=[circuit(NAME)])
    figures.append(Figure(f"{SPECTRA} spectra, each from the previous result", time.process_time() - begin, "s", "≤ 1 s"))
    return [*figures, *_default()]


def _spectrum() -> tuple[Sweep, str]:
    """The published example's capacitive points, or what a fit makes of them where it is not."""
    file = REALDATA / "example_spectrum.csv"
    if not file.exists():
        frequency = np.logspace(-2.5, 3.1, 57)
        return sweep_of(frequency, circuit(NAME).impedance(FITTED, frequency)), "a synthetic spectrum"
    frequency, real, imaginary = np.loadtxt(file, delimiter=",", unpack=True)
    kept = imaginary < 0
    return sweep_of(frequency[kept], real[kept] + 1j * imaginary[kept]), file.name


def _best_ms(repeats: int, work: Callable[[], object]) -> float:
    spent = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return 1e3 * min(spent)


def _one_start(sweep: Sweep) -> tuple[float, list[float]]:
    chosen, grid = circuit(NAME), Grid(sweep.omega)
    function, limits, start = (
        residuals(chosen, sweep, Weights.MODULUS, grid),
        box(chosen, sweep, (0.5, 1.0)),
        chosen.internal(START),
    )
    found = minimum(function, start, *limits)
    return _best_ms(40, lambda: minimum(function, start, *limits)), chosen.natural(found.place).tolist()


def _peer(python: str, sweep: Sweep) -> tuple[float, list[float]]:
    impedance = sweep.impedance_ohm
    given = {
        "frequency": sweep.frequency_hertz.tolist(),
        "real": impedance.real.tolist(),
        "imaginary": impedance.imag.tolist(),
        "start": list(START.values()),
        "repeats": 5,
    }
    done = subprocess.run([python, "-c", PEER], input=json.dumps(given), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    return 1e3 * float(answer["second"]), answer["parameters"]


def _series(sweep: Sweep) -> list[Sweep]:
    """A cell that doubles the one arc's resistance in so many spectra, at 0.3 % noise."""
    generator = np.random.default_rng(1)
    made = []
    for growth in np.linspace(1.0, 2.0, SPECTRA):
        exact = circuit(NAME).impedance({**FITTED, "R1": FITTED["R1"] * growth}, sweep.frequency_hertz)
        made.append(sweep_of(sweep.frequency_hertz, _noisy(exact, generator, 3e-3)))
    return made


def _noisy(exact: Complex, generator: np.random.Generator, share: float) -> Complex:
    noise = generator.normal(size=(2, exact.size)) * share
    return np.asarray(exact + np.abs(exact) * (noise[0] + 1j * noise[1]), dtype=np.complex128)


def _default() -> list[Figure]:
    """The default fit of a lithium cell that grows by a percent from sweep to sweep."""
    frequency = np.logspace(5.3, -1, 51)
    jomega = 2j * np.pi * frequency
    generator = np.random.default_rng(2)
    spent, previous = [], None
    for growth in 1.01 ** np.arange(30):
        root = np.sqrt(jomega * 2.0)
        arcs = 30 * growth / (1 + (jomega * 6e-5) ** 0.85) + 20 * growth / (1 + (jomega * 3e-3) ** 0.8)
        spectrum = _noisy(5 + 3e-7 * jomega + arcs + 3 * np.tanh(root) / root, generator, 1e-3)
        begin = time.process_time()
        previous = fit_impedance(frequency, spectrum, previous=previous)
        spent.append(1e3 * (time.process_time() - begin))
    return [
        Figure("default fit of a sweep, from nothing", spent[0], "ms"),
        Figure("default fit of a sweep, from the previous one", statistics.median(spent[1:]), "ms", "median; ≤ 15 ms"),
    ]
