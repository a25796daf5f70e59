"""PyBaMM's Li||NMC532 half cell, SPMe, through the cycles of `tests.benchmarks.bench_cell`: a program that prints JSON.

``python pybamm_cycles.py CYCLES RUNS``. The first run also builds the model; the least of all is what counts.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"
os.environ["OMP_NUM_THREADS"] = "1"

import pybamm

CYCLE = (
    "Discharge at C/2 until 3.5 V",
    "Rest for 10 minutes",
    "Charge at C/2 until 4.2 V",
    "Hold at 4.2 V until C/20",
    "Rest for 10 minutes",
)


def main() -> None:
    """Solve, and say how long each run took (s of processor time), how many points came out, how many s were simulated."""
    cycles, runs = (int(value) for value in sys.argv[1:3])
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPMe({"working electrode": "positive"}),
        parameter_values=pybamm.ParameterValues("Xu2019"),
        experiment=pybamm.Experiment([CYCLE] * cycles, period="60 s"),
        solver=pybamm.IDAKLUSolver(),
    )
    seconds = []
    for _ in range(runs):
        begun = time.process_time()
        solution = simulation.solve()
        seconds.append(time.process_time() - begun)
    simulated = float(solution.t[-1])
    told = {"version": pybamm.__version__, "second": seconds, "points": len(solution.t), "simulated_second": simulated}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
