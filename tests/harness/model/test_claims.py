"""Each claim's own wording: what meets it, what narrowly does not, what cannot be told, and the reason that is given."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.model.anode import AnodeBuild
from harness.model.claims import CLAIMS, SUBJECTS, WORDING, ClaimFinding, Verdict, assess

LETTERS = {Verdict.MEETS: "M", Verdict.DOES_NOT: ".", Verdict.CANNOT_TELL: "?"}

Edit = dict[str, Any]

GLASS: Edit = {
    "kind": "single_ion_conducting",
    "name": "glass",
    "thickness": {"value_um": 0.5, "u_um": 0.02},
    "composition": [{"material": "lithium_phosphorus_oxynitride", "glass": True}],
}
POLYMER: Edit = {
    "kind": "polymer",
    "name": "acrylate",
    "thickness": {"value_um": 1.0, "u_um": 0.05},
    "polymer": {"cross_linked": True, "monomers": [{"name": "PEGDA", "class": "polyglycol_acrylate"}]},
}
TIN: Edit = {"kind": "alloy", "name": "tin", "thickness": {"value_um": 0.1, "u_um": 0.01}, "composition": [{"material": "tin"}]}
METAL: Edit = {"kind": "temporary_metal", "name": "copper", "composition": [{"material": "copper"}]}
CARBONATE: Edit = {"kind": "gas_interlayer", "name": "carbonate", "gas": {"species": ["CO2"], "plasma": True}}
COAT: Edit = {"kind": "other", "name": "coat"}
UNKNOWN: Edit = {"kind": None, "name": "film"}
STACK = [GLASS, POLYMER, GLASS]
LITHIUM: Edit = {"origin": "deposited", "thickness": {"value_um": 25, "u_um": 1}, "co_deposition": "none"}


def build(layers: list[Edit] | None = STACK, substrate: Edit | None = {"class": "metal_foil"}, **active: Any) -> AnodeBuild:  # noqa: B006 - never changed
    written = {"id": "a", "substrate": substrate, "active": LITHIUM | active, "layers": layers}
    return AnodeBuild.model_validate(copy.deepcopy(written))


def finding(made: AnodeBuild, claim: int) -> ClaimFinding:
    return assess(made)[claim - 1]


def marks(found: ClaimFinding) -> str:
    return "".join(LETTERS[reading.verdict] for reading in (found.strict, found.broad) if reading is not None)


def numbered(*numbers: int | None, lithium: int | None) -> AnodeBuild:
    layers = [layer | {"step_no": number} for layer, number in zip(STACK, numbers, strict=True)]
    return build(layers, step_no=lithium)


@pytest.mark.parametrize(
    ("layers", "expected", "reason"),
    [
        ([GLASS, POLYMER, GLASS], "MM", "layers[0] to layers[2] alternate outwards from the lithium"),
        ([POLYMER, GLASS, POLYMER], "MM", "kind polymer, single-ion conducting, polymer"),
        ([METAL, CARBONATE, GLASS, POLYMER, GLASS], "MM", "layers[2] to layers[4] alternate"),
        ([GLASS, TIN, POLYMER, TIN, TIN, GLASS], "MM", "layers[0], layers[2] and layers[5] alternate"),
        ([GLASS, POLYMER, GLASS, COAT], "MM", "layers[0] to layers[2] alternate"),
        ([GLASS, POLYMER, GLASS, TIN], "MM", "layers[0] to layers[2] alternate"),
        ([GLASS, POLYMER, GLASS, GLASS], ".M", "layers[2] (glass) and layers[3] (glass): kind is single-ion conducting in both"),
        ([GLASS, POLYMER, GLASS, COAT, POLYMER], ".M", "layers[3] (coat): kind other interrupts the alternation"),
        ([GLASS, GLASS, POLYMER, GLASS], "..", "layers[0] (glass) and layers[1] (glass): kind is single-ion conducting in both"),
        ([GLASS, TIN, GLASS, POLYMER], "..", "layers[0] (glass) and layers[2] (glass)"),
        ([GLASS, CARBONATE, POLYMER, GLASS], "..", "layers[1] (carbonate): kind gas interlayer interrupts"),
        ([TIN, GLASS, POLYMER, GLASS], "..", "layers[0] (tin): kind alloy between the lithium and the first"),
        ([COAT, GLASS, POLYMER, GLASS], "..", "layers[0] (coat): kind other between the lithium and the first"),
        ([GLASS, POLYMER], "..", "only layers[0] and layers[1] are of kind polymer or single-ion conducting, and 3"),
        ([METAL, GLASS], "..", "only layers[1] is of kind"),
        ([METAL], "..", "over the lithium: layers[0] (copper) is neither"),
        ([TIN], "..", "layers has none of kind polymer or single-ion conducting over the lithium: layers[0] (tin) is neither"),
        ([], "..", "layers is empty"),
        (None, "??", "layers is not known"),
        ([GLASS, UNKNOWN, GLASS], "??", "layers[1] (film): kind is not known"),
        ([GLASS, POLYMER, GLASS, UNKNOWN], "?M", "layers[3] (film): kind is not known"),
        ([UNKNOWN, GLASS, POLYMER, GLASS], "??", "layers[0] (film): kind is not known"),
        ([UNKNOWN, GLASS, GLASS], "..", "layers[1] (glass) and layers[2] (glass)"),
        ([UNKNOWN, TIN, METAL, GLASS], "..", "layers[2] (copper): kind temporary metal interrupts"),
        ([UNKNOWN, POLYMER], "..", "only layers[1] is of kind"),
        ([UNKNOWN, UNKNOWN], "..", "layers has none of kind polymer or single-ion conducting"),
        ([UNKNOWN, UNKNOWN, UNKNOWN], "??", "layers[0] (film): kind is not known"),
    ],
)
def test_claim_1_wants_three_alternating_layers(layers: list[Edit] | None, expected: str, reason: str) -> None:
    """Strictly of the whole stack, broadly of the first three; only some layers may lie under and between."""
    found = finding(build(layers), 1)
    assert marks(found) == expected
    assert reason in found.strict.reason


@pytest.mark.parametrize(
    ("active", "substrate", "expected", "reason"),
    [
        ({"origin": "foil"}, None, "MM", "alternate"),
        ({"origin": "foil"}, {"class": "none"}, "MM", "alternate"),
        ({}, {"class": None}, "MM", "alternate"),
        ({}, None, "??", "substrate is not known"),
        ({"origin": None}, {"class": "metal_foil"}, "??", "active.origin is not known"),
    ],
)
def test_claim_1_wants_lithium_on_a_substrate_or_a_foil(active: Edit, substrate: Edit | None, expected: str, reason: str) -> None:
    """A foil needs none; deposited lithium one that is described, if only by its presence."""
    found = finding(build(substrate=substrate, **active), 1)
    assert marks(found) == expected
    assert reason in found.strict.reason


@pytest.mark.parametrize(
    ("steps", "lithium", "expected", "reason"),
    [
        ((None, None, None), None, "M", "alternate"),
        ((2, 3, 4), 1, "M", "alternate"),
        ((2, 2, 2), 1, "M", "alternate"),
        ((1, 1, 1), 1, "M", "alternate"),
        ((2, 4, 3), 1, ".", "layers[2] (glass): step_no 3 comes before step_no 4 of layers[1] (acrylate), which lies further in"),
        ((1, 2, 3), 4, ".", "layers[0] (glass): step_no 1 comes before step_no 4 of active"),
        ((2, None, 1), None, ".", "layers[2] (glass): step_no 1 comes before step_no 2 of layers[0] (glass)"),
        ((2, 3, 4), None, "?", "active: step_no is not known, while that of layers[0] (glass) is"),
        ((2, None, 4), 1, "?", "layers[1] (acrylate): step_no is not known, while that of active is"),
    ],
)
def test_claim_1_wants_the_steps_in_order(steps: tuple[int | None, ...], lithium: int | None, expected: str, reason: str) -> None:
    """The list is the order where no number is given; numbers may contradict it, and a missing one leaves it open."""
    found = finding(numbered(*steps, lithium=lithium), 1)
    assert marks(found) == expected * 2
    assert reason in found.strict.reason


def test_claim_1_read_broadly_asks_for_the_order_of_three() -> None:
    """A fourth layer made too early loses the strict reading alone."""
    steps = zip([*STACK, POLYMER], (2, 3, 4, 1), strict=True)
    found = finding(build([layer | {"step_no": number} for layer, number in steps], step_no=1), 1)
    assert marks(found) == ".M"


def test_claim_1_read_broadly_leaves_open_which_three_where_a_kind_is() -> None:
    """The layer made too early may lie above the three, so nothing is lost for certain."""
    steps = zip([GLASS, UNKNOWN, GLASS, POLYMER], (2, 3, 4, 1), strict=True)
    found = finding(build([layer | {"step_no": number} for layer, number in steps], step_no=1), 1)
    assert marks(found) == ".?"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([GLASS, POLYMER, GLASS, POLYMER], "MM"),
        ([POLYMER, GLASS, POLYMER, GLASS, POLYMER, GLASS], "MM"),
        ([GLASS, POLYMER, GLASS], ".."),
        ([GLASS, POLYMER, GLASS, POLYMER, POLYMER], ".M"),
        ([GLASS, POLYMER, GLASS, GLASS], ".."),
        ([GLASS, POLYMER, GLASS, UNKNOWN], "??"),
    ],
)
def test_claim_2_wants_four(layers: list[Edit], expected: str) -> None:
    """One more than claim 1, read the same two ways."""
    assert marks(finding(build(layers), 2)) == expected


@pytest.mark.parametrize(
    ("thickness", "expected", "reason"),
    [
        ({"value_um": 25, "u_um": 1}, "M", "active.thickness is 25 ± 1 µm, within 2 to 100 µm"),
        ({"value_um": 2, "u_um": 0}, "M", "within"),
        ({"value_um": 120, "u_um": 3}, ".", "active.thickness is 120 ± 3 µm, outside 2 to 100 µm"),
        ({"value_um": 1, "u_um": 0.1}, ".", "outside"),
        ({"value_um": 101, "u_um": 1}, "?", "active.thickness is 101 ± 1 µm, which straddles the limit of 100 µm"),
        ({"value_um": 2, "u_um": 0.1}, "?", "straddles the limit of 2 µm"),
        ({"value_um": 25, "u_um": None}, "?", "active.thickness.u_um is not known, so 25 µm cannot be held against 2 to 100 µm"),
        ({"value_um": 500, "u_um": None}, "?", "active.thickness.u_um is not known"),
        (None, "?", "active.thickness is not known"),
    ],
)
def test_claim_3_wants_2_to_100_micrometre_of_lithium(thickness: Edit | None, expected: str, reason: str) -> None:
    """Both limits included; an interval across a limit, or of unknown width, decides nothing."""
    found = finding(build(thickness=thickness), 3)
    assert marks(found) == expected * 2
    assert reason in found.strict.reason


def thick(*values: tuple[float, float | None] | None, alloy: tuple[float, float] | None = None) -> AnodeBuild:
    made = [
        layer | {"thickness": None if size is None else {"value_um": size[0], "u_um": size[1]}}
        for layer, size in zip(STACK, values, strict=True)
    ]
    between = [TIN | {"thickness": {"value_um": alloy[0], "u_um": alloy[1]}}] if alloy else []
    return build([made[0], *between, *made[1:]])


@pytest.mark.parametrize(
    ("made", "four", "five", "reason"),
    [
        (
            thick((1, 0.1), (1, 0.1), (1, 0.1)),
            "MM",
            "MM",
            "layers[0] to layers[2]: thickness sums to 3 ± 0.17 µm, within 1 to 5 µm",
        ),
        (thick((0.5, 0), (0.2, 0), (0.3, 0)), "MM", "MM", "sums to 1 ± 0 µm, within"),
        (thick((0.1, 0), (0.2, 0), (0.2, 0)), "MM", "..", "outside 1 to 5 µm"),
        (thick((0.3, 0.01), (6, 0.1), (0.3, 0.01)), "MM", "..", "sums to 6.6 ± 0.1 µm, outside 1 to 5 µm"),
        (thick((0.3, 0), (12, 0.1), (0.3, 0)), "..", "..", "sums to 12.6 ± 0.1 µm, outside"),
        (thick((0.17, 0.05), (0.17, 0.05), (0.17, 0.05)), "??", "..", "outside 1 to 5 µm"),
        (thick((0.3, 0.02), (8.7, 0.9), (0.3, 0.02)), "??", "..", "outside 1 to 5 µm"),
        (
            thick((0.3, 0.02), (4, 0.9), (0.3, 0.02)),
            "MM",
            "??",
            "layers[1] (acrylate): thickness 4 ± 0.9 µm makes the sum of 4.6 ± 0.9 µm straddle the limit of 5 µm",
        ),
        (
            thick((1, 0.1), (1, None), (1, 0.1)),
            "??",
            "??",
            "layers[1] (acrylate): thickness.u_um is not known, so 1 µm cannot be held against 1 to 5 µm",
        ),
        (thick((1, 0.1), (1, 0.1), None), "??", "??", "layers[2] (glass): thickness is not known"),
        (
            thick((1, 0.1), (1, 0.1), (1, 0.1), alloy=(2.5, 0.01)),
            "MM",
            ".M",
            "layers[0] to layers[3]: thickness sums to 5.5 ± 0.17 µm, outside",
        ),
        (
            thick((0.2, 0), (0.2, 0), (0.2, 0), alloy=(0.5, 0.01)),
            "MM",
            "M.",
            "layers[0] to layers[3]: thickness sums to 1.1 ± 0.01 µm, within",
        ),
    ],
)
def test_claims_4_and_5_want_a_sum_in_range(made: AnodeBuild, four: str, five: str, reason: str) -> None:
    """Uncertainties in quadrature; strictly an alloy layer between counts, broadly it does not."""
    assert marks(finding(made, 4)) == four
    assert marks(finding(made, 5)) == five
    assert reason in finding(made, 5).strict.reason


def test_uncertain_sum_names_the_layer_that_widens_it() -> None:
    """Of all layers the one with the largest uncertainty."""
    reason = finding(thick((0.3, 0.02), (8.7, 0.9), (0.3, 0.03)), 4).strict.reason
    assert reason == "layers[1] (acrylate): thickness 8.7 ± 0.9 µm makes the sum of 9.3 ± 0.9 µm straddle the limit of 10 µm"


@pytest.mark.parametrize(
    ("layers", "expected", "reason"),
    [
        ([GLASS, TIN, POLYMER, GLASS], "MM", "layers[1] (tin): composition has tin, between"),
        ([POLYMER, TIN, GLASS, POLYMER], "MM", "layers[1] (tin)"),
        ([GLASS, TIN | {"composition": [{"material": "copper"}, {"material": "zinc"}]}, POLYMER, GLASS], "MM", "has zinc"),
        ([GLASS, TIN | {"composition": [{"material": "copper"}]}, TIN, POLYMER, GLASS], "MM", "layers[2] (tin)"),
        ([GLASS, POLYMER, TIN, GLASS], ".M", "layers[2] (tin): kind alloy lies between layers[1] and layers[3], not directly on"),
        (
            [GLASS, TIN | {"composition": [{"material": "copper"}]}, POLYMER, GLASS],
            "..",
            "layers[1] (tin): composition names none of",
        ),
        (
            [GLASS, TIN | {"name": "cap", "composition": [{"material": "copper"}]}, POLYMER, TIN, GLASS],
            ".M",
            "aluminium; layers[3] (tin): kind alloy lies between layers[2] and layers[4], not directly on the first layer",
        ),
        ([GLASS, TIN | {"composition": None}, POLYMER, GLASS], "??", "layers[1] (tin): composition is not known"),
        (
            [GLASS, POLYMER, GLASS, TIN],
            "..",
            "layers[3] (tin): kind alloy has no polymer or single-ion-conducting layer above it",
        ),
        ([GLASS, POLYMER, GLASS], "..", "layers has none of kind alloy between"),
        ([GLASS, POLYMER, GLASS, UNKNOWN, POLYMER], "??", "layers[3] (film): kind is not known"),
        ([GLASS, POLYMER, GLASS, UNKNOWN | {"composition": []}], "..", "layers[3] (film): composition names none"),
    ],
)
def test_claim_6_wants_an_alloy_between(layers: list[Edit], expected: str, reason: str) -> None:
    """Strictly directly on the first layer, broadly between any two that differ."""
    found = finding(build(layers), 6)
    assert marks(found) == expected
    assert reason in found.strict.reason


def of_materials(*components: Edit) -> Edit:
    return GLASS | {"composition": list(components)}


CRYSTAL = of_materials({"material": "lithium_titanium_oxide", "glass": False})
PERHAPS = of_materials({"material": "lithium_phosphate", "glass": None})


@pytest.mark.parametrize(
    ("layers", "expected", "reason"),
    [
        ([GLASS, POLYMER, GLASS], "MM", "layers[0] and layers[2]: composition comprises a glass of the list"),
        ([GLASS, POLYMER, of_materials({"material": "other"}, {"material": "lithium_borate", "glass": True})], "MM", "layers[2]"),
        ([POLYMER, GLASS, POLYMER], "MM", "layers[1] (glass): composition comprises"),
        ([GLASS, POLYMER, CRYSTAL], ".M", "layers[2] (glass): composition[0], lithium titanium oxide, is not a glass"),
        ([GLASS, POLYMER, PERHAPS], "?M", "layers[2] (glass): composition[0].glass of the lithium phosphate is not known"),
        ([PERHAPS, POLYMER, CRYSTAL], ".?", "layers[2] (glass)"),
        ([CRYSTAL, POLYMER, CRYSTAL], "..", "layers[0] (glass)"),
        ([GLASS, POLYMER, of_materials({"material": "other", "glass": True})], ".M", "composition names no glass of the list"),
        ([GLASS, POLYMER, GLASS | {"composition": None}], "?M", "layers[2] (glass): composition is not known"),
        ([GLASS, POLYMER, GLASS, UNKNOWN], "?M", "layers[3] (film): kind is not known"),
    ],
)
def test_claim_7_wants_a_listed_glass(layers: list[Edit], expected: str, reason: str) -> None:
    """Strictly in every single-ion-conducting layer, broadly in one; other phases may be there too."""
    found = finding(build(layers), 7)
    assert marks(found) == expected
    assert reason in found.strict.reason


def polymer(**changes: Any) -> Edit:
    return POLYMER | {"polymer": POLYMER["polymer"] | changes}


@pytest.mark.parametrize(
    ("layers", "expected", "reason"),
    [
        ([POLYMER, GLASS, POLYMER], "M", "layers[0] and layers[2]: polymer.cross_linked is true"),
        ([POLYMER, GLASS, polymer(cross_linked=False)], ".", "layers[2] (acrylate): polymer.cross_linked is false"),
        ([POLYMER, GLASS, polymer(cross_linked=None)], "?", "layers[2] (acrylate): polymer.cross_linked is not known"),
        ([POLYMER, GLASS, POLYMER | {"polymer": None}], "?", "layers[2] (acrylate): polymer.cross_linked is not known"),
        ([polymer(cross_linked=None), GLASS, polymer(cross_linked=False)], ".", "layers[2]"),
    ],
)
def test_claim_8_wants_every_polymer_cross_linked(layers: list[Edit], expected: str, reason: str) -> None:
    """One that is not loses it, whatever is unknown elsewhere."""
    found = finding(build(layers), 8)
    assert marks(found) == expected * 2
    assert reason in found.strict.reason


@pytest.mark.parametrize(("linked", "expected"), [(True, "?M"), (False, "??"), (None, "??")])
def test_claim_8_counts_a_layer_of_unknown_kind_only_if_it_matters(linked: bool | None, expected: str) -> None:
    """One that is cross-linked does no harm whatever it is; one that is not loses nothing unless it is a polymer."""
    found = finding(build([*STACK, UNKNOWN | {"polymer": {"cross_linked": linked}}]), 8)
    assert marks(found) == expected


@pytest.mark.parametrize(
    ("monomers", "expected", "reason"),
    [
        ([{"name": "a", "class": "alkyl_acrylate"}], "M", "layers[1] (acrylate): polymer.monomers has an alkyl"),
        ([{"name": "a", "class": "glycol_acrylate"}], "M", "layers[1] (acrylate): polymer.monomers has an alkyl"),
        (
            [{"name": "a", "class": "other"}, {"name": "b", "class": "polyglycol_acrylate"}],
            "M",
            "layers[1] (acrylate): polymer.monomers has an alkyl",
        ),
        ([{"name": "a", "class": "other"}], ".", "layers[1] (acrylate): polymer.monomers has no alkyl"),
        ([], ".", "layers[1] (acrylate): polymer.monomers has no alkyl"),
        ([{"name": "a", "class": "other"}, {"name": "b"}], "?", "layers[1] (acrylate): polymer.monomers[1].class is not known"),
        (None, "?", "layers[1] (acrylate): polymer.monomers is not known"),
    ],
)
def test_claim_9_wants_acrylates(monomers: list[Edit] | None, expected: str, reason: str) -> None:
    """At least one monomer of the three classes in each polymer layer."""
    found = finding(build([GLASS, polymer(monomers=monomers), GLASS]), 9)
    assert marks(found) == expected * 2
    assert reason in found.strict.reason


def test_claim_12_says_of_every_interlayer_why_it_does_not_do() -> None:
    """Of two, one made by another gas and one without plasma, neither is passed over."""
    found = finding(build([treated(species=["N2"]), treated(plasma=False), *STACK]), 12)
    assert found.strict.reason == "layers[0] (carbonate): gas.species has no CO2; layers[1] (carbonate): gas.plasma is false"


def treated(**changes: Any) -> Edit:
    return CARBONATE | {"gas": CARBONATE["gas"] | changes}


@pytest.mark.parametrize(
    ("layers", "expected", "reason"),
    [
        ([METAL, *STACK], "M..", "layers[0] (copper): between the lithium and the multi-layer, kind is temporary metal"),
        ([METAL, CARBONATE, *STACK], "MMM", "layers[0] (copper)"),
        (
            [treated(plasma=False), *STACK],
            ".M.",
            "layers has none of kind temporary metal between the lithium and layers[1] (glass)",
        ),
        ([treated(plasma=None), *STACK], ".M?", "layers has none"),
        ([treated(species=["N2"]), *STACK], ".M.", "layers has none"),
        ([treated(species=["N2", "carbon dioxide"]), *STACK], ".MM", "layers has none"),
        ([treated(species=["process gas"]), *STACK], ".M?", "layers has none"),
        ([treated(species=None), *STACK], ".M?", "layers has none"),
        ([CARBONATE | {"gas": None}, *STACK], ".M?", "layers has none"),
        ([*STACK, METAL], "...", "layers[3] (copper): kind temporary metal does not lie between the lithium and the multi-layer"),
        ([*STACK, CARBONATE], "...", "layers has none of kind temporary metal"),
        ([UNKNOWN, *STACK], "???", "layers[0] (film): kind is not known"),
    ],
)
def test_claims_10_to_12_want_a_layer_under_the_multilayer(layers: list[Edit], expected: str, reason: str) -> None:
    """A temporary metal; a gas interlayer; one made by a plasma of CO2."""
    found = [finding(build(layers), claim) for claim in (10, 11, 12)]
    assert "".join(marks(one)[0] for one in found) == expected
    assert "".join(marks(one)[1] for one in found) == expected
    assert reason in found[0].strict.reason.removeprefix("claim 1 cannot be told: ")


@pytest.mark.parametrize(
    ("co_deposition", "expected", "reason"),
    [
        (
            {"in_situ": True, "gases": [{"species": "CO2"}]},
            "MMMMM",
            "active.co_deposition.gases: lithium was deposited in situ with CO2",
        ),
        ({"in_situ": True, "gases": [{"species": "co₂"}, {"species": "N2"}]}, "MMMMM", "with co₂ and N2"),
        ({"in_situ": True, "gases": [{"species": "nitrogen"}]}, "M.MM.", "with nitrogen"),
        ({"in_situ": True, "gases": [{"species": "CO2"}, {"species": "O2"}]}, "MMM.M", "with CO2 and O2"),
        ({"in_situ": True, "gases": [{"species": "C3H8"}, {"species": "C2Hx"}]}, "M.MM.", "with C3H8 and C2Hx"),
        ({"in_situ": True, "gases": [{"species": "white spirit", "hydrocarbon": True}]}, "M?MM?", "with white spirit"),
        ({"in_situ": True, "gases": [{"species": "process gas"}]}, "M?M??", "with process gas"),
        ({"in_situ": True, "gases": [{"species": "process gas"}, {"species": "Ar"}]}, "M?M.?", "and Ar"),
        ({"in_situ": True, "gases": []}, ".....", "active.co_deposition.gases is empty"),
        ({"in_situ": True, "gases": None}, "?????", "active.co_deposition.gases is not known"),
        ({"in_situ": False, "gases": [{"species": "CO2"}]}, ".....", "active.co_deposition.in_situ is false"),
        ({"in_situ": None, "gases": [{"species": "CO2"}]}, "?????", "active.co_deposition.in_situ is not known"),
        ("none", ".....", "active.co_deposition is none"),
        (None, "?????", "active.co_deposition is not known"),
    ],
)
def test_claims_13_to_18_want_gas_during_deposition(co_deposition: Any, expected: str, reason: str) -> None:
    """13, 14, 16, 17, 18: some gas, CO2, and a closed group of gases to which hydrocarbons belong as a class."""
    made = build(co_deposition=co_deposition)
    assert "".join(marks(finding(made, claim))[0] for claim in (13, 14, 16, 17, 18)) == expected
    assert reason in finding(made, 16).strict.reason


@pytest.mark.parametrize(
    ("active", "substrate", "expected"),
    [({"origin": "foil"}, {"class": "none"}, "."), ({"origin": None}, {"class": "metal_foil"}, "?"), ({}, None, "?")],
)
def test_claim_16_wants_deposited_lithium_and_a_substrate(active: Edit, substrate: Edit | None, expected: str) -> None:
    """Gas in the file makes no deposition of a foil."""
    made = build(substrate=substrate, co_deposition={"in_situ": True, "gases": [{"species": "CO2"}]}, **active)
    assert marks(finding(made, 16)) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("metal_foil", "M"),
        ("polymer_film", "M"),
        ("metallized_polymer_film", "M"),
        ("conductive_polymer_film", "M"),
        ("polymer_film_conductive_coating", "M"),
        ("conductive_polymer_film_metal_coating", "M"),
        ("polymer_film_dispersed_particles", "M"),
        ("other", "."),
        (None, "?"),
    ],
)
def test_claims_15_and_19_want_one_of_seven_substrates(kind: str | None, expected: str) -> None:
    """The same list for the method and the product."""
    made = build(substrate={"class": kind}, co_deposition={"in_situ": True, "gases": [{"species": "N2"}]})
    assert marks(finding(made, 15)) == expected * 2
    assert marks(finding(made, 19)) == expected


def test_claim_15_is_missed_without_a_substrate() -> None:
    """A free-standing foil has none of the seven."""
    found = finding(build(substrate={"class": "none"}, origin="foil"), 15)
    assert found.strict.reason == "substrate.class is none, not one of the seven classes"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (STACK, "MM"),
        ([GLASS, POLYMER], ".M"),
        ([GLASS, GLASS], ".M"),
        ([GLASS], ".."),
        ([], ".."),
        ([UNKNOWN, GLASS], ".?"),
        (None, "??"),
    ],
)
def test_claim_20_wants_a_multilayer(layers: list[Edit] | None, expected: str) -> None:
    """Strictly three that alternate, broadly any two of polymer and single-ion conducting."""
    made = build(layers, co_deposition={"in_situ": True, "gases": [{"species": "N2"}]})
    assert marks(finding(made, 20)) == expected


def test_claim_20_asks_for_no_order_of_steps() -> None:
    """It is a product, not a method."""
    gas = {"in_situ": True, "gases": [{"species": "N2"}]}
    made = build([layer | {"step_no": 3 - index} for index, layer in enumerate(STACK)], step_no=9, co_deposition=gas)
    assert marks(finding(made, 1)) == ".."
    assert marks(finding(made, 20)) == "MM"


def test_dependent_claims_hand_down_the_reason() -> None:
    """A claim that falls with another says which, and why that one falls; a grandchild names the root."""
    found = assess(build([GLASS, POLYMER]))
    root = found[0].strict.reason
    assert found[7].strict.reason == f"claim 1 is not met: {root}"
    assert found[13].strict.reason == f"claim 1 is not met: {root}"
    assert assess(build(None))[1].strict.reason == "claim 1 cannot be told: layers is not known"
    assert assess(build())[13].strict.reason.startswith("claim 13 is not met: active.co_deposition is none")


def test_every_claim_has_its_wording() -> None:
    """Twenty, and each dependent one says on which it builds."""
    assert tuple(WORDING) == CLAIMS
    assert len(SUBJECTS) == len(CLAIMS)


LITERAL = {
    "five layers over a CO2 plasma": (
        build([CARBONATE, GLASS, POLYMER, GLASS, POLYMER, GLASS]),
        {1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 15},
    ),
    "co-deposited without a stack": (build([], co_deposition={"in_situ": True, "gases": [{"species": "CO2"}]}), {16, 17, 18, 19}),
    "two adjacent glass layers": (build([GLASS, GLASS, POLYMER, GLASS]), set[int]()),
}


@pytest.mark.parametrize("name", LITERAL)
def test_builds_of_the_prototype_meet_what_they_met(name: str) -> None:
    """Three builds whose verdicts were worked out by hand."""
    made, expected = LITERAL[name]
    assert {found.claim for found in assess(made) if found.strict.verdict is Verdict.MEETS} == expected
