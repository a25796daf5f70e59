"""Whether the intervals of impedance fits hold, on emulated cells: about the noise-free fit, and about what the cell is
made of.

Each seed is a cell of its own (its losses, areas and films are drawn). Two sweeps of it are taken without noise; noise of
0.1 % of |Z| is then added to both parts, as the emulated instrument does. Truth is the same fit of the sweep without noise,
settled; both fits begin from the same earlier fit, that of the first cell of the scenario, as rollup begins from the cell's
sweep before.

The scenarios of `CHOSEN_ON` were in view when the family of circuits was chosen. Those of `KEPT_ASIDE` were not: other presets,
builds, temperatures, noise and sweeps. They judge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from harness.analysis.estimate import NORMAL_95
from harness.analysis.impedance.fit import ImpedanceFit, fit_impedance
from harness.analysis.impedance.spectrum import Complex
from tests.benchmarks.figure import Figure
from tests.studies.generated import GeneratedCell, each_cell

NOISE = 1e-3
SETTLED = 3
"""Fits in a row after which that of a sweep without noise does not move."""
QUANTITIES = ("series", "interface", "total")
CHOSEN_ON: dict[str, dict[str, Any]] = {
    "Li||Li, bare, FEC": {"geometry": "symmetric", "preset": "bare_fec"},
    "Li||Li, bare, LP30": {"geometry": "symmetric", "preset": "bare_lp30"},
    "Li||Cu, bare, ether": {"geometry": "deposit", "preset": "bare_ether"},
    "Li||Cu, layers": {"geometry": "deposit", "preset": "claim1_stack"},
    "Li||NMC811, bare, FEC": {"geometry": "full", "preset": "bare_fec"},
    "Li||Cu, three layers on tin": {"build": "three-layers-tin", "counter": "Cu", "electrolyte": "fec"},
}
KEPT_ASIDE: dict[str, dict[str, Any]] = {
    "Li||Cu, calendar": {"geometry": "deposit", "preset": "calendar"},
    "Li||NMC811, zero excess": {"geometry": "full", "preset": "zero_excess"},
    "Li||NMC532, bare, LP30, 40 °C": {"geometry": "full", "preset": "bare_lp30", "counter": "NMC532", "temperature_celsius": 40},
    "Li||Li, bare, FEC, 10 °C, noise 0.3 %": {
        "geometry": "symmetric", "preset": "bare_fec", "temperature_celsius": 10, "noise": 3e-3,
    },
    "Li||Li, bare foil in ether, 4 per decade": {
        "build": "bare-foil", "counter": "Li", "electrolyte": "ether", "points_per_decade": 4,
    },
    "Li||Cu, deposited under CO2, 50 mHz": {"build": "co2-deposited", "counter": "Cu", "electrolyte": "fec", "to": "0.05 Hz"},
}  # fmt: skip
_EIS = {"step": "eis", "from": "200 kHz", "to": "0.1 Hz", "points_per_decade": 8, "amplitude": "10 mV", "longest": "60 min"}
_REST = {"step": "rest", "for": "30 min"}
_begun: dict[str, ImpedanceFit] = {}
"""In each process, the first cell's fit of every scenario."""


class Compared(NamedTuple):
    """One sweep: by quantity whether the interval holds the noise-free number, and whether with the models' spread it holds the
    cell's own; the bias of the noise-free interface resistance. ``None`` where a number was refused.
    """

    held: tuple[bool | None, ...]
    held_physical: tuple[bool | None, ...]
    bias: float | None


def study(seeds: int) -> list[Figure]:
    """Coverage of 95 % intervals by group and scenario, and the bias against the arcs of the cell."""
    figures = []
    for group, scenarios in (("chosen on", CHOSEN_ON), ("kept aside", KEPT_ASIDE)):
        each = math.ceil(seeds / (len(CHOSEN_ON) + len(KEPT_ASIDE)))
        found = {name: compared(cell, each) for name, cell in scenarios.items()}
        pooled = [one for sweeps in found.values() for one in sweeps]
        for place, quantity in enumerate(QUANTITIES):
            share, count = _share([one.held[place] for one in pooled])
            figures.append(
                Figure(f"{group}: {quantity}, 95 % interval holds the noise-free fit", share, "%", f"93 … 97; {count} sweeps")
            )
        for name, sweeps in found.items():
            figures += _of_a_scenario(f"{group}, {name}", sweeps)
    return figures


def compared(cell: Mapping[str, Any], seeds: int) -> list[Compared]:
    """Both sweeps of ``seeds`` cells."""
    work = partial(compare, noise=cell.get("noise", NOISE))
    return [one for sweeps in each_cell(scenario(cell), seeds, work) for one in sweeps]


def compare(cell: GeneratedCell, noise: float) -> list[Compared]:
    """What the fits of a cell's noisy sweeps say, beside those of its clean ones and its arcs."""
    assert cell.points is not None
    found = []
    generator = np.random.default_rng(round(1e6 * float(cell.points["real_impedance_ohm"].sum())))
    for points, row in zip(cell.points.partition_by("sweep_count", maintain_order=True), cell.truth["impedance"], strict=True):
        frequency = points["frequency_hertz"].to_numpy()
        exact = points["real_impedance_ohm"].to_numpy() + 1j * points["imaginary_impedance_ohm"].to_numpy()
        begun = _begun.setdefault(f"{cell.name} {frequency.size}", fit_impedance(frequency, exact))
        found.append(_compared(frequency, exact, begun, row, generator.normal(size=(2, exact.size)) * noise))
    return found


def scenario(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Two cycles with a sweep after each deposit, without the instrument's imperfections."""
    settings = dict(cell)
    settings.pop("noise", None)
    sweep: dict[str, Any] = {name: settings.pop(name, value) for name, value in _EIS.items()}
    geometry = settings.get("geometry", "symmetric" if settings.get("counter") == "Li" else "deposit")
    if geometry == "full":
        steps = [
            {"step": "charge", "current": "C/3", "until": {"voltage_above": "4.2 V"}, "longest": "8 h"},
            _REST,
            sweep,
            {"step": "discharge", "current": "C/3", "until": {"voltage_below": "3 V"}, "longest": "8 h"},
        ]
    else:
        end = {"voltage_above": "1 V"} if geometry == "deposit" else {"charge": "1 mAh/cm^2"}
        plate = {"step": "plate", "current": "1 mA/cm^2", "until": {"charge": "1 mAh/cm^2"}}
        steps = [plate, _REST, sweep, {"step": "strip", "current": "1 mA/cm^2", "until": end, "longest": "3 h"}]
    schedule = {"schedule": "sweeps", "version": 1, "steps": [{"step": "repeat", "count": 2, "steps": steps}]}
    name = "-".join(str(value) for value in settings.values()).replace("_", "-").lower()
    channel = {"name": "a1", "cell": {"name": name, "area_cm2": 1.267, **settings}}
    return {"schedule": schedule, "instruments": [{"serial": "EMU1", "imperfections": "none", "channels": [channel]}]}


def _compared(
    frequency: np.ndarray[tuple[int], np.dtype[np.float64]],
    exact: Complex,
    begun: ImpedanceFit,
    row: Mapping[str, Any],
    noise: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> Compared:
    clean = begun
    for _ in range(SETTLED):
        clean = fit_impedance(frequency, exact, previous=clean)
    true = _numbers(clean, "_noise_std")
    fit = fit_impedance(frequency, exact + np.abs(exact) * (noise[0] + 1j * noise[1]), previous=begun)
    series, interface = row["series_resistance_ohm"], row["interface_resistance_ohm"]
    physical = ((series, 0.0), (interface, 0.0), (series + interface, 0.0))
    return Compared(
        tuple(_holds(one, other) for one, other in zip(_numbers(fit, "_noise_std"), true, strict=True)),
        tuple(_holds(one, other) for one, other in zip(_numbers(fit, "_std"), physical, strict=True)),
        None if true[1] is None else true[1][0] / interface - 1.0,
    )


def _numbers(fit: ImpedanceFit, ending: str) -> list[tuple[float, float] | None]:
    numbers = []
    for name in QUANTITIES:
        value, std = getattr(fit, f"{name}_resistance_ohm"), getattr(fit, f"{name}_resistance_ohm{ending}")
        numbers.append(None if value is None else (float(value), float(std)))
    return numbers


def _holds(found: tuple[float, float] | None, true: tuple[float, float] | None) -> bool | None:
    if found is None or true is None:
        return None
    return abs(found[0] - true[0]) <= NORMAL_95 * found[1]


def _share(held: Sequence[bool | None]) -> tuple[float, int]:
    """Percent of those that have an answer, and how many have."""
    known = [one for one in held if one is not None]
    return (100.0 * sum(known) / len(known) if known else math.nan), len(known)


def _of_a_scenario(name: str, sweeps: Sequence[Compared]) -> list[Figure]:
    shares = [_share([one.held[place] for one in sweeps]) for place in range(3)]
    physical = [_share([one.held_physical[place] for one in sweeps]) for place in range(3)]
    biases = [one.bias for one in sweeps if one.bias is not None]
    beside = f"series {shares[0][0]:.1f} ({shares[0][1]}), total {shares[2][0]:.1f}; {shares[1][1]} of {len(sweeps)} sweeps"
    seen = f"reported, not promised; series {physical[0][0]:.0f}, total {physical[2][0]:.0f}"
    return [
        Figure(f"{name}: interface, holds the noise-free fit", shares[1][0], "%", beside),
        Figure(f"{name}: … with the models' spread holds the cell's arcs", physical[1][0], "%", seen),
        Figure(
            f"{name}: … noise-free fit beside the cell's arcs, median", 100 * float(np.median(biases or [math.nan])), "%", "bias"
        ),
    ]
