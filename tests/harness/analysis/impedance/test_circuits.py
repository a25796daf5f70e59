"""Circuits as objects: values against closed forms, derivatives against differences, and names that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.charge import Array
from harness.analysis.impedance.circuits import LIBRARY, Circuit, arcs_and_tail, circuit
from harness.analysis.impedance.elements import Grid, Kind
from harness.errors import AnalysisError

FREQUENCY: Array = np.logspace(5, -2, 29)
OMEGA = 2 * np.pi * FREQUENCY
JOMEGA = 1j * OMEGA
CIRCUITS = [*LIBRARY.values(), LIBRARY["R0-p(R1,CPE1)"].with_inductance(), arcs_and_tail(3, inductance=True)]


def test_library_circuits_are_the_sums_their_names_say() -> None:
    """Two arcs of different kinds, a Warburg element of each kind: equal to the written-out formula to rounding."""
    values = {"R0": 5.0, "R1": 30.0, "CPE1_Q": 2e-5, "CPE1_n": 0.85, "R2": 12.0, "CPE2_Q": 3e-3, "CPE2_n": 0.75}
    first = 30.0 / (1 + 30.0 * 2e-5 * JOMEGA**0.85)
    second = 12.0 / (1 + 12.0 * 3e-3 * JOMEGA**0.75)
    root = np.sqrt(JOMEGA * 7.0)
    for tail, extra, wanted in (
        ("", {}, 0.0),
        ("-W1", {"W1_A": 2.0}, 2.0 * (1 - 1j) / np.sqrt(OMEGA)),
        ("-Ws1", {"Ws1_R": 4.0, "Ws1_tau": 7.0}, 4.0 * np.tanh(root) / root),
        ("-CPE3", {"CPE3_Q": 0.3, "CPE3_n": 0.6}, 1 / (0.3 * JOMEGA**0.6)),
    ):
        found = circuit(f"R0-p(R1,CPE1)-p(R2,CPE2){tail}").impedance({**values, **extra}, FREQUENCY)
        np.testing.assert_allclose(found, 5.0 + first + second + wanted, rtol=1e-13)


def test_branches_side_by_side_add_their_admittances() -> None:
    """The Randles circuit with an open Warburg element in its faradaic branch."""
    values = {"R0": 0.0165, "R1": 0.0087, "C1": 3.3, "R2": 0.0054, "Wo1_R": 0.063, "Wo1_tau": 233.0, "C2": 0.22}
    root = np.sqrt(JOMEGA * 233.0)
    faradaic = 0.0054 + 0.063 / (root * np.tanh(root))
    wanted = 0.0165 + 1 / (1 / 0.0087 + JOMEGA * 3.3) + 1 / (1 / faradaic + JOMEGA * 0.22)
    np.testing.assert_allclose(circuit("R0-p(R1,C1)-p(R2-Wo1,C2)").impedance(values, FREQUENCY), wanted, rtol=1e-12)


def test_arc_is_a_resistance_beside_a_constant_phase_element() -> None:
    """R / (1 + (jωτ)ⁿ) with τⁿ = R Q."""
    arc = arcs_and_tail(1).impedance({"R0": 1.0, "R1": 30.0, "tau1": (30.0 * 2e-5) ** (1 / 0.85), "n1": 0.85}, FREQUENCY)
    parts = circuit("R0-p(R1,CPE1)").impedance({"R0": 1.0, "R1": 30.0, "CPE1_Q": 2e-5, "CPE1_n": 0.85}, FREQUENCY)
    np.testing.assert_allclose(arc, parts, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, len(CIRCUITS) - 1), data=st.data())
def test_derivatives_are_those_of_the_impedance(number: int, data: st.DataObject) -> None:
    """At any place, every row equals the central difference (fourth order) to 1e-7 of the largest element of its row."""
    chosen: Circuit = CIRCUITS[number]
    place = np.array(
        [
            data.draw(st.floats(0.35, 1.0)) if parameter.kind is Kind.EXPONENT else data.draw(st.floats(-9.0, 4.0))
            for parameter in chosen.parameters
        ]
    )
    grid = Grid(OMEGA)
    rows = chosen.evaluate(place, grid)[1]
    for index in range(place.size):
        at = [chosen.evaluate(place + step * np.eye(place.size)[index] * 1e-3, grid)[0] for step in (-2, -1, 1, 2)]
        numeric = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-3
        noise = 1e-11 * float(np.abs(at[0]).max())
        assert float(np.abs(rows[index] - numeric).max()) <= 1e-7 * float(np.abs(rows[index]).max()) + noise


@pytest.mark.parametrize("chosen", CIRCUITS, ids=lambda chosen: chosen.name)
def test_internal_and_natural_parameters_are_inverse(chosen: Circuit) -> None:
    """Values come back, and elements grow with their parameters as `power` says."""
    values = {parameter.name: 0.7 if parameter.kind is Kind.EXPONENT else 0.3 for parameter in chosen.parameters}
    internal = chosen.internal(values)
    assert dict(zip(chosen.names, chosen.natural(internal).tolist(), strict=True)) == pytest.approx(values, rel=1e-14)
    larger = internal + math.log(3.0) * np.array([parameter.power for parameter in chosen.parameters])
    grid = Grid(OMEGA)
    np.testing.assert_allclose(chosen.evaluate(larger, grid)[0], 3.0 * chosen.evaluate(internal, grid)[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"R0": 1.0}, "look at CPE1_Q, CPE1_n, R1"),
        ({"R0": 1.0, "R1": 1.0, "CPE1_Q": 1.0, "CPE1_n": 1.0, "R9": 1.0}, "look at R9"),
        ({"R0": 1.0, "R1": -1.0, "CPE1_Q": 1.0, "CPE1_n": 1.0}, "R1 is not"),
    ],
)
def test_circuit_refuses_wrong_parameters(values: dict[str, float], complaint: str) -> None:
    """A missing, an unknown and a negative one."""
    with pytest.raises(AnalysisError, match=complaint):
        circuit("R0-p(R1,CPE1)").impedance(values, FREQUENCY)


def test_circuit_refuses_what_is_not_a_frequency() -> None:
    """Zero hertz."""
    with pytest.raises(AnalysisError, match="not positive"):
        circuit("R0-p(R1,CPE1)").impedance({"R0": 1.0, "R1": 1.0, "CPE1_Q": 1.0, "CPE1_n": 1.0}, np.array([0.0]))


def test_library_refuses_an_unknown_name() -> None:
    """A name is looked up, never read as an expression."""
    with pytest.raises(AnalysisError, match="there is no circuit"):
        circuit("R0-p(R1,CPE1)-__import__('os')")
