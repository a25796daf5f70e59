"""A build's text becomes a build, or one sentence with the place of its first fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from harness.errors import BadInput
from harness.model.anode import AnodeBuild, CoDeposition, load_build, parse_build, ready_build, ready_builds
from tests.strategies import builds

HEAD = "id: a\nactive: {origin: foil}\n"


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as refused:
        parse_build(text, "a.yaml")
    return str(refused.value)


def layer(written: str) -> str:
    return f"{HEAD}layers:\n  - {written}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (layer("{kind: paper}"), "a.yaml: layers[0].kind: \"paper\" does not fit: input should be 'polymer', "),
        (layer("{kind: alloy, composition: [{material: unobtainium}]}"), "a.yaml: layers[0].composition[0].material: "),
        (layer("{kind: other, thickness: {value_um: -2}}"), "a.yaml: layers[0].thickness.value_um: -2 does not fit: "),
        (layer("{kind: other, thickness: {value_um: 0}}"), "a.yaml: layers[0].thickness.value_um: 0 does not fit: "),
        (
            layer("{kind: other, thickness: {value_um: '1,2'}}"),
            'layers[0].thickness.value_um: "1,2" is not a number (decimal comma?)',
        ),
        (layer("{kind: other, thickness: {value_um: thin}}"), 'layers[0].thickness.value_um: "thin" is not a number'),
        (layer("{kind: other, thickness: 3}"), "layers[0].thickness: 3 does not fit; it should hold keys and values"),
        (layer("{kind: other, thickness: {value_um: 1, u_um: -0.1}}"), "layers[0].thickness.u_um: "),
        (layer("{kind: other, colour: red}"), "layers[0].colour: this key is not known here; check its spelling"),
        (layer("{name: nameless}"), "layers[0].kind: it is missing and has no default"),
        (layer("{kind: polymer, gas: {plasma: true}}"), 'layers[0]: "gas" belongs to a layer of kind gas_interlayer'),
        (layer("{kind: alloy, polymer: {cross_linked: true}}"), 'layers[0]: "polymer" belongs to a layer of kind polymer'),
        (layer("{kind: polymer, polymer: {monomers: [{name: a, class: vinyl}]}}"), "layers[0].polymer.monomers[0].class: "),
        (layer("{kind: other, step_no: first}"), "layers[0].step_no: "),
        (layer("{kind: gas_interlayer, gas: {species: ['']}}"), "layers[0].gas.species[0]: "),
        (layer("{kind: other, conductivity: {value_s_cm: 1e300}}"), "layers[0].conductivity.value_s_cm: "),
        (layer("{kind: other, conductivity: {value_s_cm: nan}}"), "layers[0].conductivity.value_s_cm: "),
        (
            layer("{kind: other, conductivity: {value_s_cm: 1e-6, temperature_k: 25}}"),
            "conductivity.temperature_k: 25 does not fit",
        ),
        (
            layer("{kind: other, conductivity: {value_s_cm: 1e-6, activation_energy_ev: 50}}"),
            "layers[0].conductivity.activation_energy_ev: 50 does not fit: input should be less than or equal to 5",
        ),
        ('id: a\ntitle: "\\ud800"\n', "a.yaml: line 2, column 8: "),
        (
            layer("{kind: other, thickness: {value_um: 0,3, u_um: 1}}"),
            "line 4, column 43: a key must be text (decimal comma?)",
        ),
        (f"{HEAD}layers: glass\n", 'a.yaml: layers: "glass" does not fit; it should be a list'),
        (f"{HEAD}layers: {{kind: polymer}}\n", "a.yaml: layers: {'kind': 'polymer'} does not fit; it should be a list"),
        (HEAD, "a.yaml: layers: it is missing and has no default"),
        ("id: A 1\nactive: {}\nlayers: []\n", 'a.yaml: id: "A 1" is not an id'),
        ("id: a\nactive: {co_deposition: often}\nlayers: []\n", "a.yaml: active.co_deposition: "),
        (
            "id: a\nactive: {co_deposition: {gases: [{flow_sccm: 1}]}}\nlayers: []\n",
            "a.yaml: active.co_deposition.gases[0].species: it is missing",
        ),
        (
            "id: a\nsubstrate: {class: none}\nactive: {origin: deposited}\nlayers: []\n",
            'a.yaml: substrate.class: lithium cannot be deposited on nothing; "none" goes with a foil',
        ),
        (f"{HEAD}layers: []\nprocess: [{{step_no: 2, what: b}}, {{step_no: 1, what: a}}]\n", "a.yaml: process: "),
        (
            f"{HEAD}layers: [{{kind: other, step_no: 3}}]\nprocess: [{{step_no: 1, what: a}}]\n",
            "a.yaml: layers[0].step_no: the process has no step 3",
        ),
        (
            "id: a\nactive: {origin: foil, step_no: 2}\nlayers: []\nprocess: [{step_no: 1, what: a}]\n",
            "a.yaml: active.step_no: the process has no step 2",
        ),
    ],
)
def test_mistakes_are_one_sentence_with_their_place(text: str, expected: str) -> None:
    """The path as it stands in the file, what stands there, and what instead."""
    told = refusal(text)
    assert expected in told
    assert "\n" not in told


def test_what_is_not_written_is_unknown() -> None:
    """Absent and null are the same; nothing is guessed."""
    build = parse_build("id: a\nactive: {}\nlayers: null\n", "")
    assert build == parse_build("id: a\nsubstrate: null\nactive: {origin: null, co_deposition: null}\nlayers: null\n", "")
    assert (build.substrate, build.layers, build.active.origin, build.active.co_deposition) == (None, None, None, None)


def test_known_absence_is_written_down() -> None:
    """No layers, no gas and no cure are facts."""
    text = "id: a\nactive: {co_deposition: none}\nlayers: [{kind: polymer, polymer: {cure: none, salt: none}}]\n"
    build = parse_build(text, "")
    assert build.active.co_deposition == "none"
    assert build.layers is not None
    assert build.layers[0].polymer is not None
    assert (build.layers[0].polymer.cure, build.layers[0].polymer.salt) == ("none", "none")


def test_numbers_keep_their_decimals() -> None:
    """Decimals are text in YAML read narrowly, and numbers in the build."""
    build = parse_build(layer("{kind: other, thickness: {value_um: 0.25, u_um: 1e-3}, conductivity: {value_s_cm: 2.0e-6}}"), "")
    assert build.layers is not None
    made = build.layers[0]
    assert made.thickness is not None
    assert made.conductivity is not None
    assert (made.thickness.value_um, made.thickness.u_um, made.conductivity.value_s_cm) == (0.25, 1e-3, 2e-6)
    assert made.conductivity.temperature_k == 298.15


@given(builds())
def test_builds_survive_json(build: AnodeBuild) -> None:
    """What is stored is what comes back, gases and their absence too."""
    assert AnodeBuild.model_validate_json(build.model_dump_json(by_alias=True)) == build
    assert AnodeBuild.model_validate(build.model_dump(by_alias=True)) == build


def test_builds_survive_python() -> None:
    """A co-deposition that is a model already is taken as it is."""
    gases = CoDeposition(in_situ=True, gases=())
    build = AnodeBuild.model_validate({"id": "a", "active": {"co_deposition": gases}, "layers": ()})
    assert build.active.co_deposition is gases


@pytest.mark.parametrize("name", ready_builds())
def test_ready_build_parses_under_its_own_name(name: str) -> None:
    """Every build that comes with the harness is sound, titled, and its file is called what it is called."""
    build = parse_build(ready_build(name), f"{name}.yaml")
    assert build.id == name
    assert build.title


def test_ready_build_names_those_there_are() -> None:
    """A wrong name is one sentence."""
    with pytest.raises(BadInput, match=r'build: "nonesuch" is not a ready build; there are .*bare-foil.*three-layers'):
        ready_build("nonesuch")


def test_load_build_finds_ready_ones_and_files(tmp_path: Path) -> None:
    """A name of a ready build wins; otherwise it is a file."""
    path = tmp_path / "mine.yaml"
    path.write_text(ready_build("bare-foil").replace("id: bare-foil", "id: mine"), encoding="utf-8")
    assert load_build("bare-foil").id == "bare-foil"
    assert load_build(str(path)).id == "mine"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        load_build(str(path))
    with pytest.raises(BadInput, match="neither a ready build"):
        load_build(str(tmp_path / "nowhere.yaml"))
