"""The impedance elements of a state: every resistance from the same functions that the direct-current model uses."""

from __future__ import annotations

from emulator.cell import kernel_counter, kernel_interface, state
from emulator.cell.effective import layers_ohm_cm2
from emulator.cell.impedance import Arc, Elements, zarc
from emulator.cell.materials import DIFFUSION_RATES, DIFFUSION_WEIGHTS
from emulator.cell.parameters import CellParameters
from emulator.cell.state import COUNTER_CATHODE, COUNTER_LITHIUM, OTHER, TRACKED, Vector

_LAYER_EXPONENT, _FILM_EXPONENT, _TRANSFER_EXPONENT, _CATHODE_EXPONENT = 0.95, 0.85, 0.8, 0.85


def elements(values: Vector, par: Vector, parameters: CellParameters, area_cm2: float) -> Elements:
    """What the impedance of the cell in this state is made of."""
    arcs = _lithium(values, par, parameters, area_cm2, TRACKED)
    relaxations = _electrolyte(values, par)
    if par[state.P_COUNTER] == COUNTER_LITHIUM:
        arcs = (*arcs, *_lithium(values, par, parameters, area_cm2, OTHER))
    elif par[state.P_COUNTER] == COUNTER_CATHODE:
        arcs = (*arcs, _cathode(values, par, parameters, area_cm2))
        relaxations = (*relaxations, *_solid(values, par))
    else:
        arcs = (*arcs, *_foil(par, parameters, area_cm2))
    quick = kernel_counter.REST * par[state.P_CONCENTRATION_VOLT] / kernel_counter.limiting_density(values, par)
    return Elements(
        inductance_henry=parameters.inductance_henry,
        series_ohm=float(kernel_counter.electrolyte_ohm(values, par) + quick) / area_cm2,
        arcs=arcs,
        relaxations=tuple((float(ohm) / area_cm2, float(second)) for ohm, second in relaxations),
        contact_ohm=float(values[state.CONTACT] + par[state.P_SERIES_OHM]) / area_cm2,
        shunt_siemens=float(values[state.SHORT]) * area_cm2,
    )


def _lithium(values: Vector, par: Vector, parameters: CellParameters, area_cm2: float, base: int) -> tuple[Arc, ...]:
    true_area = float(values[base + state.AREA]) + 1.0
    transfer = float(par[state.P_THERMAL] / kernel_interface.exchange_density(values, par, base))
    film = float(kernel_interface.film_ohm(values, par, base))
    film_farad = parameters.film_capacitance_uf_cm2 * true_area * 1e-6
    transfer_farad = parameters.double_layer_uf_cm2 * true_area * 1e-6
    return (
        *_layers(values, par, parameters, area_cm2, base),
        zarc(f"{_prefix(base)}film", film, film_farad, _FILM_EXPONENT, area_cm2),
        zarc(f"{_prefix(base)}charge_transfer", transfer, transfer_farad, _TRANSFER_EXPONENT, area_cm2),
    )


def _prefix(base: int) -> str:
    return "" if base == TRACKED else "counter_"


def _layers(values: Vector, par: Vector, parameters: CellParameters, area_cm2: float, base: int) -> tuple[Arc, ...]:
    """One arc per layer; cracks take resistance from all alike."""
    whole = float(par[state.P_LAYER_OHM])
    left = float(kernel_interface.layer_ohm(values, par, base)) / whole if whole > 0.0 else 1.0
    ohms = layers_ohm_cm2(parameters, float(values[state.TEMPERATURE]))
    return tuple(
        zarc(f"{_prefix(base)}{layer.name}", left * ohm, layer.farad_cm2 / left, _LAYER_EXPONENT, area_cm2)
        for layer, ohm in zip(parameters.all_layers(), ohms, strict=True)
    )


def _foil(par: Vector, parameters: CellParameters, area_cm2: float) -> tuple[Arc, ...]:
    transfer = float(par[state.P_THERMAL] / par[state.P_COUNTER_EXCHANGE])
    film = float(par[state.P_COUNTER_FILM])
    return (
        zarc("counter_film", film, parameters.film_capacitance_uf_cm2 * 1e-6, _FILM_EXPONENT, area_cm2),
        zarc("counter_charge_transfer", transfer, parameters.double_layer_uf_cm2 * 1e-6, _TRANSFER_EXPONENT, area_cm2),
    )


def _cathode(values: Vector, par: Vector, parameters: CellParameters, area_cm2: float) -> Arc:
    exchange = kernel_counter.cathode_exchange(par, kernel_counter.surface(values))
    farad = parameters.cathode_capacitance_uf_cm2 * 1e-6
    return zarc("cathode_charge_transfer", float(par[state.P_THERMAL] / exchange), farad, _CATHODE_EXPONENT, area_cm2)


def _electrolyte(values: Vector, par: Vector) -> tuple[tuple[float, float], ...]:
    """(Ω cm², s) of every mode around zero current; the rest follows without delay and is part of the series resistance."""
    total = par[state.P_CONCENTRATION_VOLT] / kernel_counter.limiting_density(values, par)
    time = par[state.P_ELECTROLYTE_TIME] * values[state.STRETCH] ** 2
    return tuple((total * weight, time / rate) for weight, rate in zip(kernel_counter.WEIGHTS, kernel_counter.RATES, strict=True))


def _solid(values: Vector, par: Vector) -> tuple[tuple[float, float], ...]:
    """(Ω cm², s) of the relaxations in the cathode's particles around the present surface."""
    time = par[state.P_CATHODE_TIME]
    total = kernel_counter.cathode_slope(values, par) * time / (3.0 * par[state.P_CATHODE_CAPACITY])
    return tuple((total * weight, time / rate) for weight, rate in zip(DIFFUSION_WEIGHTS, DIFFUSION_RATES, strict=True))
