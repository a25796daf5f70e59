"""σ of charges and efficiencies against simulated instruments, thousands at a time, term by term and all together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from harness.analysis.charge import Accuracy, Array
from harness.analysis.cycle_table import Systematic, charge_std_coulomb, efficiencies
from harness.analysis.integrals import Charges, Edges, Ranges, integrate
from harness.interop.cycles import analyze_frame
from harness.model.run import Geometry
from tests.harness.interop.made_files import CURRENT, made

CELLS, ROWS, SECOND, TRUE = 2500, 61, 7200.0, 0.95
SIZES = np.array([1e-3, 1e-2])


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is wrong with each instrument of a set, one standard deviation each; ``removal_range`` is that of the strip."""

    offset_of_range: float = 0.0
    gain: float = 0.0
    adc_bits: int | None = None
    noise: float = 0.0
    resolution_second: float = 0.0
    removal_range: int = 0

    def accuracy(self) -> Accuracy:
        return Accuracy(offset_of_range=self.offset_of_range, gain=self.gain, adc_bits=self.adc_bits)


TERMS = {
    "offset": Instrument(offset_of_range=5e-4),
    "offset on two ranges": Instrument(offset_of_range=5e-4, removal_range=1),
    "gain on two ranges": Instrument(gain=1e-3, removal_range=1),
    "noise": Instrument(noise=3e-3),
    "time": Instrument(resolution_second=4.0),
    "converter": Instrument(adc_bits=13),
    "all on one range": Instrument(5e-4, 1e-3, 13, 3e-3, 4.0),
    "all on two ranges": Instrument(1e-4, 3e-4, 13, 3e-3, 4.0, removal_range=1),
}


def measured(instrument: Instrument) -> tuple[tuple[Charges, Charges], Array]:
    """The charges that ``CELLS`` instruments see of a plate and a strip, and the true efficiencies: always of the same cells."""
    generator = np.random.default_rng(5)
    offset = instrument.offset_of_range * SIZES * generator.normal(size=(CELLS, 2))
    factor = 1 + instrument.gain * generator.normal(size=(CELLS, 2))
    halves, true = [], []
    for sign, second, place in ((-1.0, SECOND, 0), (1.0, TRUE * SECOND, instrument.removal_range)):
        level = sign * CURRENT * (1 + 0.3 * generator.random(CELLS))
        ends = second + 10 * generator.random(CELLS)
        reading = level * factor[:, place] + offset[:, place]
        if instrument.adc_bits is not None:
            step = 6 * SIZES[place] / 2**instrument.adc_bits
            reading = step * np.round(reading / step)
        stamped = ends
        if instrument.resolution_second:
            stamped = instrument.resolution_second * np.round(ends / instrument.resolution_second)
        current = reading[:, None] + instrument.noise * CURRENT * generator.normal(size=(CELLS, ROWS))
        time = np.linspace(0.0, stamped, ROWS, axis=1)
        starts = np.arange(CELLS) * ROWS
        edges = Edges(np.full(CELLS, np.nan), np.full(CELLS, np.nan), np.zeros(CELLS), instrument.resolution_second)
        ranges = Ranges(np.full(CELLS * ROWS, place), SIZES)
        halves.append(integrate(time.ravel(), current.ravel(), starts, edges, ranges=ranges))
        true.append(level * ends)
    return (halves[0], halves[1]), np.abs(true[1] / true[0])


def rms(values: Array) -> float:
    return math.sqrt(float(np.mean(values**2)))


@pytest.mark.parametrize("name", TERMS)
def test_efficiency_std_is_the_scatter_of_simulated_instruments(name: str) -> None:
    """2500 instruments: errors of the efficiency are as large as their σ, to 5 %, for each term and for all."""
    instrument = TERMS[name]
    (plate, strip), true = measured(instrument)
    found = efficiencies(plate, strip, Systematic.of(instrument.accuracy(), SIZES))
    assert rms(found.value - true) == pytest.approx(rms(found.std), rel=0.05)


@pytest.mark.parametrize("name", TERMS)
def test_charge_std_is_the_scatter_of_simulated_instruments(name: str) -> None:
    """The same for a single charge, where a gain counts on any range."""
    instrument = TERMS[name]
    (seen, _), (true, _) = measured(instrument), measured(Instrument(removal_range=instrument.removal_range))
    for half in (0, 1):
        error = seen[half].total_coulomb() - true[half].total_coulomb()
        std = charge_std_coulomb(seen[half], Systematic.of(instrument.accuracy(), SIZES))
        assert rms(error) == pytest.approx(rms(std), rel=0.05)


def test_efficiency_with_a_perfect_instrument_is_exact() -> None:
    """Without noise the closed form comes out to 1e-12, with no σ."""
    (plate, strip), true = measured(Instrument())
    found = efficiencies(plate, strip, Systematic.of(Accuracy(offset_ampere=0.0), SIZES))
    assert found.value == pytest.approx(true, rel=1e-12)
    assert float(np.max(found.std)) < 1e-12


def test_gain_of_one_range_leaves_no_trace_in_an_efficiency() -> None:
    """Halves of one range have one gain: 5 % of it move neither the efficiency nor its σ."""
    (plate, strip), true = measured(Instrument(gain=0.05))
    found = efficiencies(plate, strip, Systematic.of(Accuracy(offset_ampere=0.0, gain=0.05), SIZES))
    assert found.value == pytest.approx(true, rel=1e-9)
    assert float(np.max(found.std)) < 1e-9


def test_estimated_offset_is_as_large_as_the_error_it_leaves() -> None:
    """Sixty instruments of unknown offset, seen in their rests only: σ of the efficiency is its error, to 5 %."""
    generator = np.random.default_rng(8)
    frame = made((CURRENT, 3600.0), (0.0, 600.0), (-CURRENT, 3420.0), (0.0, 600.0)).with_columns(
        current_range_ampere=pl.lit(1e-2)
    )
    errors, stds = [], []
    for offset in 3e-6 * generator.normal(size=60):
        seen = pl.col("current_ampere") + offset + pl.Series(1e-7 * generator.normal(size=frame.height))
        row = analyze_frame("a", frame.with_columns(seen), Geometry.FULL).rows[0]
        assert row.coulombic_efficiency is not None
        assert row.coulombic_efficiency_std is not None
        errors.append(row.coulombic_efficiency - 0.95)
        stds.append(row.coulombic_efficiency_std)
    assert rms(np.array(errors)) == pytest.approx(rms(np.array(stds)), rel=0.05)
