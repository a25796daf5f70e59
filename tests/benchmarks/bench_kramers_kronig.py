"""How long a Kramers–Kronig test of 57 points takes, beside impedance.py 1.7.1 where an interpreter of `peers` has it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable

import numpy as np

from harness.analysis.impedance.kramers_kronig import Part, kramers_kronig, kramers_kronig_by_mu
from harness.analysis.impedance.spectrum import Sweep, sweep_of
from tests.benchmarks.figure import Figure
from tests.benchmarks.peers import interpreter_with
from tests.real_spectra import example_spectrum
from tests.realdata import REALDATA

REPEATS = 30
PEER = """
import contextlib, io, json, sys, time
import numpy as np
from impedance.validation import linKK
given = json.load(sys.stdin)
frequency, impedance = np.array(given["frequency"]), np.array(given["real"]) + 1j * np.array(given["imaginary"])
spent = []
for _ in range(given["repeats"]):
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        order, mu, *_ = linKK(frequency, impedance, c=0.85, max_M=50, fit_type="complex", add_cap=True)
    spent.append(1e3 * (time.perf_counter() - begin))
print(json.dumps({"spent": spent, "order": order, "mu": mu}))
"""


def measure() -> list[Figure]:
    """The shortest of several runs each: the machine may have other work."""
    sweep, source = _spectrum()
    own = kramers_kronig(sweep)
    same = kramers_kronig_by_mu(sweep, part=Part.COMPLEX, capacitance=True)
    default = _best(lambda: kramers_kronig(sweep))
    rule = _best(lambda: kramers_kronig_by_mu(sweep, part=Part.COMPLEX, capacitance=True))
    size = f"{sweep.frequency_hertz.size} points of {source}"
    figures = [
        Figure("Kramers–Kronig test", default, "ms", f"{size}, M = {own.order}, largest residual {own.residual_max_1:.2%}"),
        Figure("the same, published rule, complex + C", rule, "ms", f"M = {same.order}, μ = {same.mu:.3f}"),
    ]
    return [*figures, *_peer(sweep, default, rule)]


def _spectrum() -> tuple[Sweep, str]:
    if REALDATA.is_dir():
        return example_spectrum(), "example_spectrum.csv"
    frequency = np.geomspace(1e4, 1e-2, 57)
    noise = np.random.default_rng(1).normal(scale=1e-3, size=(2, 57))
    impedance = (5 + 80 / (1 + (1j * frequency / 50) ** 0.85) + 4 / np.sqrt(1j * frequency)) * (1 + noise[0] + 1j * noise[1])
    return sweep_of(frequency, impedance), "a synthetic spectrum"


def _best(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        spent.append(1e3 * (time.perf_counter() - begin))
    return min(spent)


def _peer(sweep: Sweep, default: float, rule: float) -> list[Figure]:
    interpreter = interpreter_with("impedance")
    if interpreter is None:
        return []
    given = {
        "frequency": sweep.frequency_hertz.tolist(),
        "real": sweep.impedance_ohm.real.tolist(),
        "imaginary": sweep.impedance_ohm.imag.tolist(),
        "repeats": REPEATS,
    }
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [interpreter, "-c", PEER], input=json.dumps(given), capture_output=True, text=True, check=True, env=environment
    )
    told = json.loads(done.stdout)
    spent = min(told["spent"])
    beside = (
        f"M = {told['order']}, μ = {told['mu']:.3f}: {spent / default:.0f} × the test above, {spent / rule:.0f} × the same rule"
    )
    return [Figure("impedance.py 1.7.1, published rule, complex + C", spent, "ms", beside)]
