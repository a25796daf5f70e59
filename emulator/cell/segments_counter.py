"""What lies between and opposite, over a segment of constant current, in closed form: every mode is one exponential.

The equations are those of `emulator.cell.kernel_counter`: three modes of the electrolyte, five relaxations of the cathode's
spheres, a foil of constant kinetics. j > 0 (A/cm²) oxidises the working electrode. All functions take an `Arithmetic` first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from emulator.cell import materials
from emulator.cell.materials import DIFFUSION_RATES, DIFFUSION_WEIGHTS, HIGHEST_STOICHIOMETRY, LOWEST_STOICHIOMETRY
from emulator.cell.segments_numbers import SCALARS, Arithmetic, Number

_MODES = (0.5, 1.5, 2.5)
_WEIGHT_1, _WEIGHT_2, _WEIGHT_3 = (2.0 / (math.pi * n) ** 2 for n in _MODES)
_RATE_1, _RATE_2, _RATE_3 = ((math.pi * n) ** 2 for n in _MODES)
_FASTEST_GONE = 30.0 / _RATE_2
_HIGHEST_SHIFT = 0.999


@dataclass(slots=True)
class CounterConstants:
    """Those of `emulator.cell.state.PARAMETER_FIELDS` that concern electrolyte, cathode and foil, by their names."""

    material: Number
    thermal_volt: Number
    electrolyte_ohm_cm2: Number
    limiting: Number
    electrolyte_time: Number
    concentration_volt: Number
    dead_stretch: Number
    series_ohm_cm2: Number
    counter_exchange: Number
    counter_film_ohm_cm2: Number
    cathode_capacity: Number
    cathode_exchange: Number
    cathode_time: Number


class Between(NamedTuple):
    """State of what is neither of the lithium electrodes: the fields of `emulator.cell.state.CELL_FIELDS` by their names."""

    electrolyte_1: Number
    electrolyte_2: Number
    electrolyte_3: Number
    stretch: Number
    stoichiometry: Number
    cathode_1: Number
    cathode_2: Number
    cathode_3: Number
    cathode_4: Number
    cathode_5: Number
    cathode_other: Number
    contact_ohm_cm2: Number
    shift_volt: Number
    wetted: Number


@dataclass(slots=True)
class Diffusion:
    """The electrolyte under a current: what each mode relaxes to, from what, how fast.

    ``shift`` is that of all modes in the end, ``level`` the voltage of everything without delay (ohmic drops, a foil, a shift).
    """

    level: Number
    shift: Number
    goal_1: Number
    goal_2: Number
    goal_3: Number
    from_1: Number
    from_2: Number
    from_3: Number
    per_second: Number


@dataclass(slots=True)
class Insertion:
    """The cathode under ``density``: its mean content, and how far each relaxation takes the surface ahead."""

    density: Number
    stoichiometry: Number
    slope: Number
    goal_1: Number
    goal_2: Number
    goal_3: Number
    goal_4: Number
    goal_5: Number
    from_1: Number
    from_2: Number
    from_3: Number
    from_4: Number
    from_5: Number
    per_second: Number


# -- electrolyte


def diffuse(c: CounterConstants, b: Between, density: Number, level: Number) -> Diffusion:
    """The path of the electrolyte; ``level`` is a voltage to add to its own ohmic drop."""
    relative = density * b.stretch / (c.limiting * b.wetted)
    one, two, three = _WEIGHT_1 * relative, _WEIGHT_2 * relative, _WEIGHT_3 * relative
    ohm = c.electrolyte_ohm_cm2 / b.wetted + b.contact_ohm_cm2 + c.series_ohm_cm2
    return Diffusion(
        density * ohm + b.shift_volt + level,
        relative,
        one,
        two,
        three,
        b.electrolyte_1 - one,
        b.electrolyte_2 - two,
        b.electrolyte_3 - three,
        1.0 / (c.electrolyte_time * b.stretch * b.stretch),
    )


def electrolyte_volt(a: Arithmetic, c: CounterConstants, p: Diffusion, second: Number) -> Number:
    """Concentration polarisation, and the level, V."""
    time = second * p.per_second
    shift = p.shift + p.from_1 * a.decay(-_RATE_1 * time)
    if a.some(a.earliest(time) < _FASTEST_GONE):
        shift = shift + p.from_2 * a.decay(-_RATE_2 * time) + p.from_3 * a.decay(-_RATE_3 * time)
    shift = a.smaller(a.larger(shift, -_HIGHEST_SHIFT), _HIGHEST_SHIFT)
    return c.concentration_volt * a.atanh(shift) + p.level


def most_volt(a: Arithmetic, c: CounterConstants, p: Diffusion) -> Number:
    """What the size of `electrolyte_volt` cannot exceed in the segment."""
    shift = a.smaller(abs(p.shift) + abs(p.from_1) + abs(p.from_2) + abs(p.from_3), _HIGHEST_SHIFT)
    return c.concentration_volt * a.atanh(shift) + abs(p.level)


def diffused(a: Arithmetic, p: Diffusion, b: Between, second: Number) -> Between:
    """The state ``second`` after the segment began."""
    time = second * p.per_second
    return Between._make(
        (
            p.goal_1 + p.from_1 * a.decay(-_RATE_1 * time),
            p.goal_2 + p.from_2 * a.decay(-_RATE_2 * time),
            p.goal_3 + p.from_3 * a.decay(-_RATE_3 * time),
            *b[3:],
        )
    )


def foil_volt(a: Arithmetic, c: CounterConstants, density: Number) -> Number:
    """What a thick lithium foil of constant kinetics adds, V, of the sign of the current."""
    size = abs(density)
    over = 2.0 * c.thermal_volt * a.asinh(0.5 * size / c.counter_exchange) + size * c.counter_film_ohm_cm2
    return a.where(density < 0.0, -over, over)


# -- cathode


def insert(c: CounterConstants, b: Between, density: Number) -> Insertion:
    """The path of the cathode; ``density`` > 0 takes lithium out."""
    lead = -density * c.cathode_time / (3.0 * c.cathode_capacity)
    one, two, three, four, five = (weight * lead for weight in DIFFUSION_WEIGHTS)
    return Insertion(
        density,
        b.stoichiometry,
        -density / c.cathode_capacity,
        one,
        two,
        three,
        four,
        five,
        b.cathode_1 - one,
        b.cathode_2 - two,
        b.cathode_3 - three,
        b.cathode_4 - four,
        b.cathode_5 - five,
        1.0 / c.cathode_time,
    )


def held(a: Arithmetic, x: Number) -> Number:
    """Within what a material takes."""
    return a.smaller(a.larger(x, LOWEST_STOICHIOMETRY), HIGHEST_STOICHIOMETRY)


def cathode_volt(a: Arithmetic, c: CounterConstants, p: Insertion, kind: int, second: Number) -> Number:
    """Potential of the cathode of material ``kind`` against lithium."""
    time = -second * p.per_second
    surface = held(a, p.stoichiometry + p.slope * second) + (p.goal_1 + p.goal_2 + p.goal_3 + p.goal_4 + p.goal_5)
    surface = surface + p.from_1 * a.decay(DIFFUSION_RATES[0] * time) + p.from_2 * a.decay(DIFFUSION_RATES[1] * time)
    surface = surface + p.from_3 * a.decay(DIFFUSION_RATES[2] * time) + p.from_4 * a.decay(DIFFUSION_RATES[3] * time)
    surface = held(a, surface + p.from_5 * a.decay(DIFFUSION_RATES[4] * time))
    volt = materials.open_circuit_volt(kind, surface) if a is SCALARS else materials.open_circuit_volts(kind, surface)
    exchange = c.cathode_exchange * 2.0 * a.sqrt(surface * (1.0 - surface))
    over = 2.0 * c.thermal_volt * a.asinh(0.5 * abs(p.density) / exchange)
    return volt + a.where(p.density < 0.0, -over, over)


def inserted(a: Arithmetic, c: CounterConstants, p: Insertion, b: Between, second: Number) -> Between:
    """The state ``second`` after the segment began."""
    time = -second * p.per_second
    wanted = p.stoichiometry + p.slope * second
    stoichiometry = held(a, wanted)
    return b._replace(
        stoichiometry=stoichiometry,
        cathode_1=p.goal_1 + p.from_1 * a.decay(DIFFUSION_RATES[0] * time),
        cathode_2=p.goal_2 + p.from_2 * a.decay(DIFFUSION_RATES[1] * time),
        cathode_3=p.goal_3 + p.from_3 * a.decay(DIFFUSION_RATES[2] * time),
        cathode_4=p.goal_4 + p.from_4 * a.decay(DIFFUSION_RATES[3] * time),
        cathode_5=p.goal_5 + p.from_5 * a.decay(DIFFUSION_RATES[4] * time),
        cathode_other=b.cathode_other + (stoichiometry - wanted) * c.cathode_capacity,
    )
