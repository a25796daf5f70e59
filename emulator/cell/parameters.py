"""What a cell is made of, as numbers: one frozen model, and the presets that name well-known kinds of lithium anode.

All charges and currents are per geometric cm². The numbers of the presets are those of the project's physics notes, checked
against published Coulombic efficiencies (bare carbonate about 90 %, with FEC 96 … 98 %, ethers 98 … 99 %, localised high
concentration 99.3 … 99.7 %, anode-free 99.75 %: Weber et al. 2019) and, for the bare electrodes and the preset ``calendar``,
against the 2 … 3 % of 1 mAh/cm² that a day of rest costs (Boyle et al. 2021): a fast growing film and a low dead fraction. For
the layered stacks no source gives the efficiency or the resistance growth of exactly these builds: their presets are stated
assumptions. ``co_deposited_co2`` loses half of what ``bare_fec`` does (CO2 while depositing doubles the cycle life: Osaka et
al.).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]

PresetName = Literal["bare_lp30", "bare_fec", "bare_ether", "calendar", "lhce", "claim1_stack", "co_deposited_co2", "zero_excess"]


class LayerResistance(BaseModel):
    """One layer over the lithium at 25 °C: resistance and capacitance of its area, and how it depends on temperature."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ohm_cm2: NotNegative
    farad_cm2: Positive
    activation_energy_ev: NotNegative


class CellParameters(BaseModel):
    """Everything the equations of `emulator.cell` need to know, at 25 °C; ``temperature_kelvin`` is where the cell begins.

    Lithium deposit: ``deposit_diameter_um`` d sets how fast true area grows with charge, k = 4 v / d with v = 4.85 µm per mAh/cm²
    (columns of diameter d); ``area_ratio_max`` is where it saturates. ``dead_fraction`` of the fresh lithium that leaves its
    place while stripping loses contact. The film on it starts at ``film_thickness_nm`` and grows as sqrt(δ0² + k t).
    With ``nucleation_exponent`` m > 0, d = ``deposit_diameter_um`` × (``nucleation_reference_volt`` / η)^m of the first instant.

    Layers: ``layers`` each with its own arc, and ``layer_resistance_ohm_cm2`` more. What cracks let in deposits as the ``bare_…``
    values say (``None``: as the others). Dead lithium lengthens the path of the salt (L. Xu et al. 2019) by
    ``dead_layer_stretch_per_mah_cm2`` of what it was. Chance events (``crack_event…``, ``short_onset…``) are off by default.

    Cathode: ``None`` takes the value of the material. Activation energies other than those of layers are customary values of the
    order given in the literature, not measurements of one system.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature_kelvin: Annotated[float, Field(gt=200, lt=400, allow_inf_nan=False)] = 298.15
    deposit_diameter_um: Positive = 2.5
    area_ratio_max: Positive = 10.0
    nucleation_area_ratio: Positive = 0.2
    nucleation_exponent: NotNegative = 0.0
    nucleation_reference_volt: Positive = 0.1
    dead_fraction: Fraction = 0.01
    film_thickness_nm: Positive = 10.0
    film_growth_nm2_per_second: NotNegative = 2e-3
    film_resistivity_ohm_cm2_per_nm: NotNegative = 2.0
    corrosion_ma_cm2: NotNegative = 0.0
    lost_lithium_resistance_ohm_cm2_per_mah_cm2: NotNegative = 30.0
    dead_layer_stretch_per_mah_cm2: NotNegative = 0.0
    exchange_current_fresh_ma_cm2: Positive = 0.3
    exchange_current_bulk_ma_cm2: Positive = 0.15
    pit_area_ratio_max: NotNegative = 2.0
    pit_charge_mah_cm2: Positive = 0.3
    layers: tuple[LayerResistance, ...] = ()
    layer_resistance_ohm_cm2: NotNegative = 0.0
    layer_capacitance_uf_cm2: Positive = 1.0
    polymer_thickness_um: Positive = 1.0
    polymer_strain_max: Positive = 10.0
    crack_resistance_ohm_cm2: Positive = 5.0
    crack_per_cycle: Fraction = 0.0
    crack_event_per_cycle: NotNegative = 0.0
    crack_event_size: Fraction = 0.1
    bare_deposit_diameter_um: Positive | None = None
    bare_area_ratio_max: Positive | None = None
    bare_dead_fraction: Fraction | None = None
    bare_film_thickness_nm: Positive | None = None
    bare_film_growth_nm2_per_second: NotNegative | None = None
    film_capacitance_uf_cm2: Positive = 3.0
    double_layer_uf_cm2: Positive = 30.0
    electrolyte_resistance_ohm_cm2: Positive = 8.0
    limiting_current_ma_cm2: Positive = 12.0
    diffusion_time_second: Positive = 10.0
    transference_number: Fraction = 0.35
    substrate_resistance_ohm: NotNegative = 0.0
    counter_exchange_current_ma_cm2: Positive = 0.8
    counter_film_resistance_ohm_cm2: NotNegative = 15.0
    surface_capacitance_mf_cm2: Positive = 1.5
    open_circuit_volt: Positive = 2.6
    formation_mah_cm2: NotNegative = 0.02
    alloyed_mah_cm2: NotNegative = 0.0
    oxidation_volt: Positive = 3.6
    oxidation_current_ma_cm2: Positive = 0.5
    loss_scatter: NotNegative = 0.07
    loss_correlation: Fraction = 0.6
    cell_scatter: NotNegative = 0.1
    run_in_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.5
    run_in_cycles: Positive = 4.0
    short_onset_per_second: NotNegative = 0.0
    short_critical_ma_cm2: Positive = 1.0
    short_steepness_ma_cm2: Positive = 0.5
    short_charge_mah_cm2: Positive = 1.0
    short_conductance_s_cm2: Positive = 1e-3
    short_spread: NotNegative = 1.0
    short_close_per_second: NotNegative = 1e-4
    short_fuse_ma_cm2: Positive = 5.0
    cathode_capacity_mah_cm2: Positive = 4.8
    cathode_stoichiometry: Annotated[float, Field(gt=0.002, lt=0.998)] | None = None
    cathode_exchange_current_ma_cm2: Positive | None = None
    cathode_diffusion_time_second: Positive | None = None
    cathode_capacitance_uf_cm2: Positive = 1000.0
    shuttle_per_second: NotNegative = 5e-5
    lithium_nitrate: bool = True
    layer_activation_ev: NotNegative = 0.55
    film_activation_ev: NotNegative = 0.55
    exchange_activation_ev: NotNegative = 0.55
    growth_activation_ev: NotNegative = 0.5
    electrolyte_activation_ev: NotNegative = 0.13
    cathode_activation_ev: NotNegative = 0.35
    inductance_henry: NotNegative = 5e-7

    def all_layers(self) -> tuple[LayerResistance, ...]:
        """``layers``, and what ``layer_resistance_ohm_cm2`` adds to them as one more."""
        if self.layer_resistance_ohm_cm2 == 0.0:
            return self.layers
        farad = self.layer_capacitance_uf_cm2 * 1e-6
        return (
            *self.layers,
            LayerResistance(
                name="layers",
                ohm_cm2=self.layer_resistance_ohm_cm2,
                farad_cm2=farad,
                activation_energy_ev=self.layer_activation_ev,
            ),
        )


PRESETS: dict[PresetName, dict[str, float]] = {
    "bare_lp30": {
        "deposit_diameter_um": 0.8,
        "area_ratio_max": 30.0,
        "dead_fraction": 0.04,
        "film_growth_nm2_per_second": 2e-3,
        "exchange_current_fresh_ma_cm2": 0.1,
        "loss_scatter": 0.1,
    },
    "bare_fec": {
        "area_ratio_max": 30.0,
        "dead_fraction": 0.006,
        "film_thickness_nm": 8.0,
        "film_growth_nm2_per_second": 4e-3,
    },
    "bare_ether": {
        "deposit_diameter_um": 3.0,
        "area_ratio_max": 30.0,
        "dead_fraction": 0.002,
        "film_thickness_nm": 6.0,
        "film_growth_nm2_per_second": 4.5e-3,
        "exchange_current_fresh_ma_cm2": 0.5,
    },
    "calendar": {
        "deposit_diameter_um": 2.0,
        "area_ratio_max": 30.0,
        "dead_fraction": 0.004,
        "film_growth_nm2_per_second": 4e-3,
    },
    "lhce": {
        "deposit_diameter_um": 10.0,
        "area_ratio_max": 5.0,
        "dead_fraction": 0.0015,
        "film_growth_nm2_per_second": 1e-3,
        "electrolyte_resistance_ohm_cm2": 14.0,
    },
    "claim1_stack": {
        "deposit_diameter_um": 8.0,
        "area_ratio_max": 6.0,
        "dead_fraction": 0.0013,
        "film_growth_nm2_per_second": 1.2e-3,
        "layer_resistance_ohm_cm2": 60.0,
    },
    "co_deposited_co2": {
        "deposit_diameter_um": 4.6,
        "area_ratio_max": 16.0,
        "dead_fraction": 0.003,
        "film_thickness_nm": 7.0,
        "film_growth_nm2_per_second": 2e-3,
        "layer_resistance_ohm_cm2": 10.0,
    },
    "zero_excess": {
        "deposit_diameter_um": 30.0,
        "area_ratio_max": 3.0,
        "dead_fraction": 0.0013,
        "film_thickness_nm": 8.0,
        "film_growth_nm2_per_second": 1e-5,
    },
}


def preset_parameters(preset: PresetName, overrides: dict[str, float] | None = None) -> CellParameters:
    """The parameters of ``preset`` with ``overrides`` on top.

    Raises:
        pydantic.ValidationError: an override has an unknown name or an impossible value.
    """
    return CellParameters(**{**PRESETS[preset], **(overrides or {})})
