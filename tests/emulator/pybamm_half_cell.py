"""PyBaMM's Li||NMC532 half cell (its set "Xu2019"), discharged at several rates: run as a program, it prints JSON.

Apart from the tests, because importing PyBaMM takes a second, brings warnings of its own, and would send telemetry if allowed.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["PYBAMM_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pybamm

RATES = (0.1, 0.5, 1.0, 2.0)
MODELS = {"SPM": pybamm.lithium_ion.SPM, "DFN": pybamm.lithium_ion.DFN}
POINTS = 1500


def discharged(model: str, rate: float) -> dict[str, list[float]]:
    """Time (s) and voltage from the set's first state down to its 3.5 V, POINTS samples of 2.3 h / rate at most."""
    longest = 2.3 * 3600.0 / rate
    simulation = pybamm.Simulation(
        MODELS[model]({"working electrode": "positive"}),
        parameter_values=pybamm.ParameterValues("Xu2019"),
        C_rate=rate,
        var_pts={"x_n": 20, "x_s": 20, "x_p": 20, "r_n": 20, "r_p": 100},
        solver=pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-9),
    )
    solution = simulation.solve([0.0, longest], t_interp=np.linspace(0.0, longest, POINTS))
    return {"time": solution["Time [s]"].entries.tolist(), "volt": solution["Voltage [V]"].entries.tolist()}


if __name__ == "__main__":
    json.dump({model: {str(rate): discharged(model, rate) for rate in RATES} for model in MODELS}, sys.stdout)
