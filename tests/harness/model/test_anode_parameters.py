"""What a build means in numbers: inventories and resistances from first principles, assumptions named, and monotone."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.anode import AnodeBuild, Layer, load_build, ready_builds
from harness.model.anode_parameters import LITHIUM_MAH_CM2_PER_UM, AnodeParameters, anode_parameters
from tests.strategies import alternating_layers, builds, layers

LIPON = {"material": "lithium_phosphorus_oxynitride", "glass": True}
GLASS = {"kind": "single_ion_conducting", "thickness": {"value_um": 1.0}, "composition": [LIPON]}
POLYMER = {
    "kind": "polymer",
    "thickness": {"value_um": 1.0},
    "polymer": {"cross_linked": True, "monomers": [{"name": "PEGDA", "class": "polyglycol_acrylate"}], "salt": "LiTFSI"},
}


def build(*stack: dict[str, Any], substrate: dict[str, Any] | None = None, **active: Any) -> AnodeBuild:
    lithium = {"origin": "deposited", "thickness": {"value_um": 20, "u_um": 0.5}, "co_deposition": "none"} | active
    written = {"id": "a", "substrate": substrate or {"class": "metal_foil"}, "active": lithium, "layers": list(stack)}
    return AnodeBuild.model_validate(written)


def of(*stack: dict[str, Any], **rest: Any) -> AnodeParameters:
    return anode_parameters(build(*stack, **rest))


def alloy(material: str, thickness_um: float = 0.1) -> dict[str, Any]:
    return {"kind": "alloy", "thickness": {"value_um": thickness_um}, "composition": [{"material": material}]}


def interlayer(*, plasma: bool | None, species: str = "CO2", **rest: Any) -> dict[str, Any]:
    return {"kind": "gas_interlayer", "gas": {"species": [species], "plasma": plasma}} | rest


def with_gas(*species: str, in_situ: bool | None = True) -> dict[str, Any]:
    return {"in_situ": in_situ, "gases": [{"species": name} for name in species]}


def test_a_micrometre_of_lithium_is_0_206_mah_cm2() -> None:
    """Density, molar mass and Faraday's constant."""
    assert pytest.approx(0.2062, abs=5e-5) == LITHIUM_MAH_CM2_PER_UM


@pytest.mark.parametrize(("um", "mah_cm2"), [(1, 0.206), (2, 0.412), (20, 4.12), (100, 20.6)])
def test_inventory_follows_thickness(um: float, mah_cm2: float) -> None:
    """With the thickness's uncertainty."""
    found = of(thickness={"value_um": um, "u_um": um / 10})
    assert found.lithium_mah_cm2 == pytest.approx(mah_cm2, rel=2e-3)
    assert found.lithium_mah_cm2_std == pytest.approx(found.lithium_mah_cm2 / 10)


def test_measured_capacity_counts_before_thickness() -> None:
    """What was measured is not computed."""
    found = of(areal_capacity_mah_cm2=3.9)
    assert found.lithium_mah_cm2 == 3.9
    assert any(told.startswith("active.areal_capacity_mah_cm2") for told in found.assumptions)


@pytest.mark.parametrize(
    ("metal", "mah_cm2"), [("aluminium", 0.027), ("tin", 0.072), ("zinc", 0.0), ("magnesium", 0.0), ("copper", 0.0)]
)
def test_metals_take_lithium_up(metal: str, mah_cm2: float) -> None:
    """100 nm of aluminium or tin take a known amount; the others little."""
    found = of(GLASS, alloy(metal), POLYMER)
    assert found.alloyed_mah_cm2 == pytest.approx(mah_cm2, abs=1e-3)
    assert found.cyclable_mah_cm2 == pytest.approx(found.lithium_mah_cm2 - found.alloyed_mah_cm2)


def test_metals_take_no_more_than_there_is() -> None:
    """A thick metal leaves nothing, not less than nothing."""
    assert of(alloy("tin", 100.0)).cyclable_mah_cm2 == 0.0


def test_lipon_is_50_ohm_cm2_per_micrometre_with_its_arc_at_217_khz() -> None:
    """2e-6 S/cm, relative permittivity 16.6, 0.53 to 0.63 eV."""
    (layer,) = of(GLASS).layers
    assert layer.resistance_ohm_cm2 == pytest.approx(50.0)
    assert layer.arc_hertz == pytest.approx(217e3, rel=5e-3)
    assert 0.53 <= layer.activation_energy_ev <= 0.63


@pytest.mark.parametrize(
    ("swelling", "salt", "monomer", "ohm_cm2"),
    [
        (0.3, "LiTFSI", "polyglycol_acrylate", 1.0),
        (0.0, "LiTFSI", "polyglycol_acrylate", 25.0),
        (0.0, "none", "polyglycol_acrylate", 1e4),
        (0.0, "none", "alkyl_acrylate", 1e5),
        (0.3, "LiTFSI", "alkyl_acrylate", 1.0),
    ],
)
def test_polymer_conducts_by_monomer_salt_and_swelling(swelling: float, salt: str, monomer: str, ohm_cm2: float) -> None:
    """One micrometre, from a gel to a dead cell."""
    written = {"cross_linked": True, "swelling": swelling, "salt": salt, "monomers": [{"name": "m", "class": monomer}]}
    assert of(POLYMER | {"polymer": written}).resistance_ohm_cm2 == pytest.approx(ohm_cm2, rel=0.01)


def test_the_less_conducting_monomer_counts() -> None:
    """A copolymer is taken at its worse."""
    both = [{"name": "a", "class": "polyglycol_acrylate"}, {"name": "b", "class": "alkyl_acrylate"}]
    mixed = of(POLYMER | {"polymer": {"monomers": both}}).resistance_ohm_cm2
    assert mixed == of(POLYMER | {"polymer": {"monomers": both[1:]}}).resistance_ohm_cm2
    assert mixed > of(POLYMER | {"polymer": {"monomers": both[:1]}}).resistance_ohm_cm2


@pytest.mark.parametrize(
    ("kelvin", "energy", "factor"), [(298.15, 0.55, 1.0), (333.15, 0.55, 1 / 9.48), (273.15, 0.5, 5.94), (333.15, None, 1 / 9.48)]
)
def test_measured_conductivity_is_brought_to_25_degrees(kelvin: float, energy: float | None, factor: float) -> None:
    """By the measured activation energy, or the typical one."""
    measured = {"value_s_cm": 1e-6, "temperature_k": kelvin, "activation_energy_ev": energy}
    found = of(GLASS | {"conductivity": measured})
    assert found.layers[0].conductivity_s_cm == pytest.approx(1e-6 * factor, rel=2e-3)
    told = " ".join(found.assumptions)
    assert "conductivity" not in told
    assert ("activation energy" in told) is (energy is None)


def test_polymer_activation_energy_reproduces_the_published_pair() -> None:
    """2.8e-6 S/cm at 20 °C and 1.8e-4 at 95 °C are one Arrhenius line."""
    cold, warm = (
        of(POLYMER | {"conductivity": {"value_s_cm": value, "temperature_k": kelvin}}).layers[0].conductivity_s_cm
        for value, kelvin in ((2.8e-6, 293.15), (1.8e-4, 368.15))
    )
    assert warm == pytest.approx(cold, rel=0.05)


def test_plasma_makes_the_interlayer_thinner_and_the_film_slower() -> None:
    """Half the resistance where no thickness is known, and less film growth."""
    gas, plasma = of(interlayer(plasma=False)), of(interlayer(plasma=True))
    assert plasma.resistance_ohm_cm2 == pytest.approx(gas.resistance_ohm_cm2 / 2)
    assert 10 <= gas.resistance_ohm_cm2 <= 100
    assert plasma.film_growth_factor < gas.film_growth_factor < 1


def test_nitride_interlayer_hardly_resists() -> None:
    """The product follows from the gas where the composition is not known."""
    assert of(interlayer(plasma=False, species="N2")).resistance_ohm_cm2 < 0.01


def test_metal_and_gas_work_only_on_the_lithium() -> None:
    """A temporary metal or a gas treatment on top of the stack does nothing to the lithium's film."""
    metal = alloy("copper") | {"kind": "temporary_metal"}
    assert of(metal, GLASS).film_thickness_factor == 0.5
    assert of(GLASS, metal).film_thickness_factor == 1.0
    below, above = of(interlayer(plasma=True), GLASS), of(GLASS, interlayer(plasma=True))
    assert below.film_growth_factor == pytest.approx(0.3 * above.film_growth_factor)


@pytest.mark.parametrize(
    ("species", "dead", "exchange"),
    [
        (["CO2"], 0.5, 1.5),
        (["N2"], 0.6, 2.0),
        (["SO2"], 0.6, 1.3),
        (["C2H2"], 0.7, 1.2),
        (["Ar"], 0.8, 1.0),
        (["Ar", "CO2"], 0.5, 1.5),
    ],
)
def test_gas_during_deposition_helps(species: list[str], dead: float, exchange: float) -> None:
    """Each gas its way; of several the one that helps most."""
    found = of(co_deposition=with_gas(*species))
    assert (found.dead_fraction_factor, found.exchange_current_factor) == (dead, exchange)
    assert found.film_growth_factor < 1


@pytest.mark.parametrize("in_situ", [False, None])
def test_gas_after_deposition_does_nothing(in_situ: bool | None) -> None:
    """Nor is it assumed to have been there in time."""
    late = of(co_deposition=with_gas("CO2", in_situ=in_situ))
    assert late.dead_fraction_factor == late.film_growth_factor == late.exchange_current_factor == 1.0
    assert any("in_situ is not known" in told for told in late.assumptions) is (in_situ is None)


@pytest.mark.parametrize(("metal", "floor"), [("tin", 5), ("aluminium", 5), ("zinc", 20), ("magnesium", 20), ("copper", 1)])
def test_alloy_makes_nucleation_easier(metal: str, floor: float) -> None:
    """Within 3 to 20 times the area; copper does not."""
    assert of(GLASS, alloy(metal), POLYMER).nucleation_area_factor == floor


@pytest.mark.parametrize(
    ("substrate", "ohm"),
    [
        ({"class": "metal_foil"}, 0.0),
        ({"class": "metallized_polymer_film"}, 0.17 / (8 * math.pi)),
        ({"class": "metallized_polymer_film", "sheet_resistance_ohm_sq": 0.9}, 0.9 / (8 * math.pi)),
        ({"class": "conductive_polymer_film"}, 30 / (8 * math.pi)),
        ({"class": "polymer_film"}, 0.0),
        ({"class": None}, 0.0),
    ],
)
def test_substrate_resists_by_its_sheet(substrate: dict[str, Any], ohm: float) -> None:
    """R_sq/8π, measured or typical of the class; lithium itself carries the current on what does not conduct."""
    found = of(substrate=substrate)
    assert found.substrate_resistance_ohm == pytest.approx(ohm)
    assert any("sheet_resistance" in told for told in found.assumptions) is ("sheet_resistance_ohm_sq" not in substrate)


def test_bare_lithium_changes_nothing() -> None:
    """All factors are one, and nothing is in the way."""
    found = of()
    assert {getattr(found, field.name) for field in fields(found) if field.name.endswith("_factor")} == {1.0}
    assert found.resistance_ohm_cm2 == found.crack_hazard_per_cycle == found.alloyed_mah_cm2 == 0.0


def test_stack_protects_within_the_stated_ranges() -> None:
    """Three or more layers: deposits 2 to 4 times as large, 0.2 to 0.5 of dead lithium and film growth."""
    for count in range(3, 12):
        found = of(*[(GLASS, POLYMER)[index % 2] for index in range(count)])
        assert 2 <= found.deposit_diameter_factor <= 4
        assert 0.2 <= found.dead_fraction_factor <= 0.5
        assert 0.2 <= found.film_growth_factor <= 0.5


def test_cracks_fall_with_each_pair_and_with_cross_linking() -> None:
    """0.1 to 0.5 of the hazard per pair; two glasses on each other crack as one."""
    hazards = [of(*[(GLASS, POLYMER)[index % 2] for index in range(count)]).crack_hazard_per_cycle for count in range(2, 7)]
    for one, two_more in zip(hazards, hazards[2:], strict=False):
        assert 0.1 <= two_more / one <= 0.5
    assert of(GLASS, GLASS).crack_hazard_per_cycle == of(GLASS).crack_hazard_per_cycle
    loose = POLYMER | {"polymer": {"cross_linked": False}}
    assert of(GLASS, loose, GLASS).crack_hazard_per_cycle > of(GLASS, POLYMER, GLASS).crack_hazard_per_cycle


@given(build=builds(alternating_layers(1, 4)), data=st.data())
def test_one_more_alternating_layer_never_hurts_but_resists(build: AnodeBuild, data: st.DataObject) -> None:
    """Losses and cracks fall or stay, resistance rises."""
    stack = build.layers or ()
    kinds = {"polymer": "single_ion_conducting", "single_ion_conducting": "polymer"}
    added = data.draw(layers(st.just(Layer.model_validate({"kind": kinds[str(stack[-1].kind)]}).kind)))  # type: ignore[arg-type]
    before, after = (anode_parameters(build.model_copy(update={"layers": order})) for order in (stack, (*stack, added)))
    assert after.deposit_diameter_factor >= before.deposit_diameter_factor
    assert after.dead_fraction_factor <= before.dead_fraction_factor
    assert after.resistance_ohm_cm2 > before.resistance_ohm_cm2
    assert after.lithium_mah_cm2 == before.lithium_mah_cm2


@given(build=builds(), thicker=st.floats(min_value=1.1, max_value=10))
def test_thicker_is_more_lithium_and_more_resistance(build: AnodeBuild, thicker: float) -> None:
    """Both linear in the known thickness."""

    def scaled(part: Any) -> Any:
        if part.thickness is None:
            return part
        thickness = part.thickness.model_copy(update={"value_um": part.thickness.value_um * thicker})
        return part.model_copy(update={"thickness": thickness})

    active, stack = scaled(build.active), tuple(map(scaled, build.layers or ()))
    before, after = anode_parameters(build), anode_parameters(build.model_copy(update={"active": active, "layers": stack}))
    known = {True: thicker, False: 1.0}
    assert after.lithium_mah_cm2 == pytest.approx(before.lithium_mah_cm2 * known[active.thickness is not None])
    conducting = [layer for layer in stack if layer.kind not in ("alloy", "temporary_metal")]
    for one, other, layer in zip(before.layers, after.layers, conducting, strict=True):
        assert other.resistance_ohm_cm2 == pytest.approx(one.resistance_ohm_cm2 * known[layer.thickness is not None])


@given(builds())
def test_numbers_are_finite_and_assumptions_one_sentence_each(build: AnodeBuild) -> None:
    """Whatever is unknown, there are numbers, and what was assumed is said, once."""
    found = anode_parameters(build)
    for field in fields(found):
        if field.name not in ("layers", "assumptions"):
            assert math.isfinite(getattr(found, field.name))
            assert getattr(found, field.name) >= 0
    assert len(set(found.assumptions)) == len(found.assumptions)
    for told in found.assumptions:
        assert told == " ".join(told.split())
        assert told.startswith(("active", "layers", "substrate"))


@pytest.mark.parametrize("name", ready_builds())
def test_ready_builds_make_cells_that_can_be_cycled(name: str) -> None:
    """Lithium to cycle, and less than 2 kΩ cm2 in the way."""
    found = anode_parameters(load_build(name))
    assert found.cyclable_mah_cm2 > 2
    assert found.resistance_ohm_cm2 < 2000
