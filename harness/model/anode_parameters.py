"""What a build means for a cell, as numbers: lithium inventory, layer resistances, and factors on the bare electrode's losses.

Used by ``harness build diff`` and by the emulator, which is why it lives here and not with the emulated cell. Every value that no
measurement of the build backs is an assumption and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.anode import AnodeBuild

LITHIUM_MAH_CM2_PER_UM = 0.206
"""0.534 g/cm3 × F / (6.94 g/mol): the areal capacity of 1 µm of lithium."""


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """One layer at 25 °C. The arc's frequency is σ/(2π ε0 ε_r), whatever the thickness."""

    name: str
    thickness_um: float
    conductivity_s_cm: float
    activation_energy_ev: float
    relative_permittivity: float

    @property
    def resistance_ohm_cm2(self) -> float:
        """L/σ."""
        return self.thickness_um * 1e-4 / self.conductivity_s_cm


@dataclass(frozen=True, slots=True)
class AnodeParameters:
    """Factors multiply what the same electrolyte does to bare lithium; 1 changes nothing."""

    lithium_mah_cm2: float
    lithium_mah_cm2_std: float
    alloyed_mah_cm2: float
    layers: tuple[LayerParameters, ...]
    substrate_resistance_ohm: float
    deposit_diameter_factor: float
    dead_fraction_factor: float
    film_growth_factor: float
    film_thickness_factor: float
    exchange_current_factor: float
    nucleation_area_factor: float
    crack_hazard_per_cycle: float
    assumptions: tuple[str, ...]


def anode_parameters(build: AnodeBuild) -> AnodeParameters:
    """The parameters of ``build``; what is unknown takes the typical value of its kind and is named in ``assumptions``."""
    raise NotImplementedError
