"""Rows that are computed from records and can be computed again: not records, and kept apart from them.

Every estimated ``x`` has ``x_std`` beside it, one standard deviation. ``None`` is "not computed", and ``flags`` say why.
Which rows a run has, and their stamps, follow from its records alone: a method that cannot say says so in a row, so that another
version of it leaves no row without its successor.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CycleRow:
    """One cycle: a deposit (plate or charge) and the removal (strip or discharge) that followed it.

    ``coulombic_efficiency`` = stripping / plating capacity, a fraction; ``None`` unless both halves are whole.
    ``coulombic_efficiency_std`` holds everything, ``coulombic_efficiency_offset_std`` the part from the current offset, which
    is the same in all cycles of one range and does not average out. Capacities are magnitudes. Resistances are apparent DC
    resistances: median |V − V_open| / |I| over the middle of the half cycle.
    ``flags``: names joined by one space. ``unix_time_nanosecond`` is the stamp of the cycle's first sample.
    """

    run_id: str
    cycle_count: int
    unix_time_nanosecond: int
    kind: str
    plating_capacity_ah: float | None
    plating_capacity_ah_std: float | None
    stripping_capacity_ah: float | None
    stripping_capacity_ah_std: float | None
    coulombic_efficiency: float | None
    coulombic_efficiency_std: float | None
    coulombic_efficiency_offset_std: float | None
    plating_resistance_ohm: float | None
    plating_resistance_ohm_std: float | None
    stripping_resistance_ohm: float | None
    stripping_resistance_ohm_std: float | None
    cycle_duration_second: float | None
    flags: str
    method_version: str


@dataclass(frozen=True, slots=True)
class ImpedanceFitRow:
    """The fit of one complete sweep, and whether the sweep may be believed at all.

    ``verdict`` is ``good``, ``suspect`` or ``refused``, ``""`` where nobody judged; ``verdict_reason`` says why it is not good. A
    refused sweep has no resistances: what no linear, stationary cell could have answered has no circuit. ``circuit`` names the
    fitted one, and ``parameters`` holds its parameters, a JSON object of ``name: [value, std, identified]``.
    ``total_resistance_ohm`` is series and interface together, which is known where their border is not.
    ``interface_resistance_ohm_noise_std`` is the part of its deviation that noise makes; the rest is what models do not know.
    ``unix_time_nanosecond`` is the stamp of the sweep's first point.
    """

    run_id: str
    cycle_count: int
    unix_time_nanosecond: int
    sweep_count: int
    series_resistance_ohm: float | None
    series_resistance_ohm_std: float | None
    interface_resistance_ohm: float | None
    interface_resistance_ohm_std: float | None
    area_specific_resistance_ohm_cm2: float | None
    area_specific_resistance_ohm_cm2_std: float | None
    residual_rms: float | None
    flags: str
    method_version: str
    verdict: str = ""
    verdict_reason: str = ""
    kramers_kronig_rms_1: float | None = None
    kramers_kronig_order: int | None = None
    circuit: str = ""
    parameters: str = ""
    total_resistance_ohm: float | None = None
    total_resistance_ohm_std: float | None = None
    interface_resistance_ohm_noise_std: float | None = None


@dataclass(frozen=True, slots=True)
class HalfCycleRow:
    """The shape of one half cycle and what speaks for a short in it; ``role`` is that of its first step.

    A cycle has at most one deposit and one removal, however many steps they are made of, so that (run, cycle, role) names a row.

    Overpotentials are magnitudes against the cell's open voltage; ``arcing_1`` is (η_end − η_middle) / η_middle;
    ``short_grade`` is "" (nothing), ``suspect``, ``likely`` or ``hard``, and ``short_evidence`` the signs with the samples that
    show them, as JSON. ``relaxation_volt_per_second`` is |dV/dt| over the second half of a full cell's rest after it.
    ``refusals`` says why a number is ``None``: a JSON object of reasons by the name of the number. ``unix_time_nanosecond`` is
    the stamp of the half cycle's first sample; ``duration_second`` is that of the readings that gave the shape, ``capacity_ah``
    the charge of the whole half cycle.
    """

    run_id: str
    cycle_count: int
    unix_time_nanosecond: int
    role: str
    current_ampere: float | None
    capacity_ah: float | None
    capacity_ah_std: float | None
    duration_second: float | None
    nucleation_overpotential_volt: float | None
    nucleation_overpotential_volt_std: float | None
    plateau_overpotential_volt: float | None
    plateau_overpotential_volt_std: float | None
    end_overpotential_volt: float | None
    end_overpotential_volt_std: float | None
    arcing_1: float | None
    arcing_1_std: float | None
    noise_volt: float | None
    apparent_resistance_ohm: float | None
    apparent_resistance_ohm_std: float | None
    short_grade: str
    short_evidence: str
    flags: str
    method_version: str
    relaxation_volt_per_second: float | None = None
    relaxation_volt_per_second_std: float | None = None
    refusals: str = ""


@dataclass(frozen=True, slots=True)
class FitStart:
    """Where the fit of a run's next sweep begins: where that of the sweep ``sweep_count`` ended, in words of its method's own."""

    sweep_count: int
    method_version: str
    text: str


DerivedRow = CycleRow | ImpedanceFitRow | HalfCycleRow
