"""The truth of one impedance sweep: every resistance behind it, and what of them lies above its highest frequency.

A potentiostat that stops at f_max cannot tell a faster arc from a resistor: a layer of LiPON at room temperature answers at
217 kHz and hides in the series resistance of a sweep from 200 kHz. How much of an arc lies above f_max is the part of its
distribution of relaxation times below 1/ω_max; for a depressed arc R / (1 + (jωτ)ⁿ) that is, with s = −ln(ω_max τ) and
θ = (1 − n) π,

    share = 1/2 + arctan(tanh(n s / 2) / tan(θ / 2)) / (n π)        (Cole and Cole 1941, their distribution integrated)

and for n = 1 the step at ω_max τ = 1. An arc whose share is neither near 0 nor near 1 is cut by f_max; a fit may put it on either
side. A short inside the cell, ``shunt_siemens``, lies across all of that: a sweep then shows less than the resistances behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from emulator.cell.impedance import Arc, Elements
from emulator.truth import Value


def share_above(arc: Arc, frequency_hertz: float) -> float:
    """The fraction of ``arc`` that relaxes above ``frequency_hertz``."""
    if arc.second <= 0.0:
        return 1.0
    below = -math.log(2.0 * math.pi * frequency_hertz * arc.second)
    if arc.exponent >= 1.0:
        return 1.0 if below > 0.0 else 0.0
    slope = math.tan(0.5 * (1.0 - arc.exponent) * math.pi)
    return 0.5 + math.atan(math.tanh(0.5 * arc.exponent * below) / slope) / (arc.exponent * math.pi)


def resistances(elements: Elements) -> dict[str, Value]:
    """The resistances of a cell in this state, by kind, Ω of the whole cell."""
    return {
        "series_resistance_ohm": elements.series_ohm,
        "interface_resistance_ohm": elements.interface_ohm,
        "charge_transfer_resistance_ohm": _sum_of(elements.arcs, "charge_transfer"),
        "film_resistance_ohm": _sum_of(elements.arcs, "film"),
        "layer_resistance_ohm": elements.interface_ohm - _sum_of(elements.arcs, "charge_transfer", "film"),
        "diffusion_resistance_ohm": elements.diffusion_ohm,
    }


def sweep_row(elements: Elements, frequencies: Sequence[float]) -> dict[str, Value]:
    """What a sweep over ``frequencies`` met: resistances, arcs, and how much of them hides above its highest frequency."""
    highest = max(frequencies)
    shares = [share_above(arc, highest) for arc in elements.arcs]
    hidden = math.fsum(arc.ohm * share for arc, share in zip(elements.arcs, shares, strict=True))
    return {
        "point_count": len(frequencies),
        "frequency_max_hertz": highest,
        "frequency_min_hertz": min(frequencies),
        **resistances(elements),
        "shunt_siemens": elements.shunt_siemens,
        "hidden_resistance_ohm": hidden,
        "apparent_series_resistance_ohm": elements.series_ohm + hidden,
        "visible_interface_resistance_ohm": elements.interface_ohm - hidden,
        "arcs": {arc.name: _arc(arc, share, min(frequencies)) for arc, share in zip(elements.arcs, shares, strict=True)},
    }


def _arc(arc: Arc, share: float, lowest_hertz: float) -> Value:
    return {
        "resistance_ohm": arc.ohm,
        "time_constant_second": arc.second,
        "exponent": arc.exponent,
        "frequency_hertz": 1.0 / (2.0 * math.pi * arc.second) if arc.second > 0.0 else None,
        "share_above_frequency_max": share,
        "share_below_frequency_min": 1.0 - share_above(arc, lowest_hertz),
    }


def _sum_of(arcs: Sequence[Arc], *endings: str) -> float:
    return math.fsum(arc.ohm for arc in arcs if arc.name.endswith(endings))
