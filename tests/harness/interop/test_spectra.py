"""Spectra in files of several makers: columns, signs by causality, sweeps told apart, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.impedance.spectrum import sweep_of
from harness.errors import BadInput
from harness.interop.spectra import IMAGINARY_SIGN, LEFT_OUT, looks_turned, read_spectra, spectra_of
from tests.realdata import REALDATA, real

FREQUENCY = np.logspace(5, -1, 37)


def impedance(series: float = 5.0, arc: float = 30.0, inductance: float = 0.0, capacity: float = 0.0) -> np.ndarray:
    """R + jωL + R ∥ C (a millisecond) + 1/jωC."""
    omega = 2 * np.pi * FREQUENCY
    made = series + 1j * omega * inductance + arc / (1 + 1j * omega * 1e-3)
    return np.asarray(made + (1 / (1j * omega * capacity) if capacity else 0.0))


def table(z: np.ndarray, **extra: object) -> pl.DataFrame:
    columns = {"frequency_hertz": FREQUENCY, "real_impedance_ohm": z.real, "imaginary_impedance_ohm": z.imag, **extra}
    return pl.DataFrame(columns)


def zplot(separator: str = "\t") -> str:
    lines = ["ZPLOT2 ASCII", "  Date: 1-1-2026", "  Data Points: 37"]
    lines += [
        separator.join(["  Freq(Hz)", "Ampl", "Bias", "Time(Sec)", "Z'(a)", "Z''(b)", "GD", "Err", "Range"]),
        "End Comments",
    ]
    for place, (hertz, z) in enumerate(zip(FREQUENCY, impedance(), strict=True)):
        values = (float(hertz), 0.01, 0.0, float(place), float(z.real), float(z.imag), 0.0, 0.0, 4.0)
        lines.append(separator.join(f"{value!r}" for value in values))
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("names", [("Frequency / Hz", "Real Impedance / ohm", "{}Imaginary Impedance / ohm"),
                                   ("freq/Hz", "Re(Z)/Ohm", "{}Im(Z)/Ohm"), ("Freq (Hz)", "Z' (Ohm)", "{}Z'' (Ohm)"),
                                   ("frequency_hertz", "real_impedance_ohm", "{}imaginary_impedance_ohm")])  # fmt: skip
def test_columns_of_any_heading_give_one_spectrum(names: tuple[str, str, str], turned: bool, tmp_path: Path) -> None:
    """A column headed −Z″ holds −Z″, and is turned without a word."""
    z = impedance()
    minus = ("negative_" if "_" in names[0] else "-") if turned else ""
    columns = dict(zip(names, (FREQUENCY, z.real, -z.imag if turned else z.imag), strict=True))
    columns[names[2].format(minus)] = columns.pop(names[2])
    pl.DataFrame(columns).write_csv(tmp_path / "a.csv")
    [spectrum] = read_spectra(tmp_path / "a.csv")
    assert spectrum.sweep.impedance_ohm == pytest.approx(z, rel=1e-12)
    assert spectrum.findings == ()


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_three_columns_without_names_are_a_spectrum(separator: str, tmp_path: Path) -> None:
    """Frequency, Z′, Z″, in any order of frequencies."""
    z = impedance()
    rows = [separator.join(map(repr, map(float, row))) for row in zip(FREQUENCY, z.real, z.imag, strict=True)]
    (tmp_path / "cell-9.csv").write_text("\n".join(reversed(rows)) + "\n")
    [spectrum] = read_spectra(tmp_path / "cell-9.csv")
    assert spectrum.cell == "cell-9"
    assert spectrum.sweep.frequency_hertz == pytest.approx(FREQUENCY)
    assert spectrum.sweep.impedance_ohm == pytest.approx(z)
    assert spectrum.rows.tolist() == list(range(36, -1, -1))


@pytest.mark.parametrize("separator", ["\t", ","])
def test_zplot_text_gives_points_with_their_moments(separator: str, tmp_path: Path) -> None:
    """Windows line ends, a heading in the middle, nine columns."""
    (tmp_path / "a.z").write_bytes(zplot(separator).encode("cp1252"))
    [spectrum] = read_spectra(tmp_path / "a.z")
    assert spectrum.sweep.impedance_ohm == pytest.approx(impedance())
    assert spectrum.sweep.time_second is not None
    assert spectrum.sweep.time_second.tolist() == list(range(37))


def test_magnitude_and_phase_are_an_impedance() -> None:
    """|Z| and its angle in degrees."""
    z = impedance()
    frame = table(z).select(
        "frequency_hertz", absolute_impedance_ohm=pl.Series(np.abs(z)), phase_degree=pl.Series(np.rad2deg(np.angle(z)))
    )
    [spectrum] = spectra_of("a", frame, "")
    assert spectrum.sweep.impedance_ohm == pytest.approx(z)


@pytest.mark.parametrize("name", ["spectrum_count", "sweep_count", None, "cycle_count"])
def test_sweeps_of_one_file_are_told_apart(name: str | None) -> None:
    """By the file's count, by its cycle, or by the frequency that starts anew; each with its own bias."""
    parts = []
    for place in range(3):
        count = {} if name is None else {name: np.full(37, place + 2)}
        parts.append(table(impedance(arc=10.0 * (place + 1)), voltage_volt=np.full(37, 3.0 + place), **count))
    found = spectra_of("a", pl.concat(parts), "")
    assert [spectrum.sweep_count for spectrum in found] == ([2, 3, 4] if name in {"spectrum_count", "sweep_count"} else [0, 1, 2])
    assert [spectrum.sweep.impedance_ohm[-1].real for spectrum in found] == pytest.approx([15.0, 25.0, 35.0], rel=1e-3)
    assert [set(spectrum.voltage_volt.tolist()) for spectrum in found if spectrum.voltage_volt is not None] == [
        {3.0},
        {4.0},
        {5.0},
    ]


@pytest.mark.parametrize("counted", [False, True])
def test_first_frequency_measured_again_is_no_point_of_the_sweep(counted: bool) -> None:
    """It is kept apart, for the judgement of drift; the next sweep begins after it."""
    z = impedance()
    again = pl.DataFrame({"frequency_hertz": [1e5], "real_impedance_ohm": [5.5], "imaginary_impedance_ohm": [-0.1]})
    one = pl.concat([table(z), again])
    both = pl.concat([one.with_columns(sweep_count=pl.lit(n)) if counted else one for n in range(2)])
    found = spectra_of("a", both, "")
    assert [spectrum.sweep.frequency_hertz.size for spectrum in found] == [37, 37]
    assert [spectrum.repeated_first_ohm for spectrum in found] == [5.5 - 0.1j] * 2


def test_a_sweep_and_its_way_back_are_two() -> None:
    """Down and up again without a count: two sweeps of all points."""
    z = impedance()
    found = spectra_of("a", pl.concat([table(z), table(z).reverse(), table(z)]), "")
    sizes = [spectrum.sweep.frequency_hertz.size for spectrum in found]
    assert sizes == [37, 37, 37]


def test_a_jittering_frequency_divides_no_sweep() -> None:
    """One point out of order, and one measured twice, begin no sweep."""
    order = [*range(10), 11, 10, *range(12, 20), 20, 20, *range(21, 37)]
    [spectrum] = spectra_of("a", table(impedance())[order], "")
    assert spectrum.sweep.frequency_hertz.size == 38
    assert spectrum.repeated_first_ohm is None


def test_sweeps_among_readings_are_found() -> None:
    """Rows without a frequency are cycling, and no spectrum."""
    sweep = table(impedance()).with_columns(current_ampere=pl.lit(0.0), test_time_second=pl.Series(np.arange(37.0)))
    rest = pl.DataFrame({"current_ampere": [0.0] * 5, "frequency_hertz": [0.0, None, None, 0.0, None]})
    found = spectra_of("a", pl.concat([rest, sweep, rest, sweep], how="diagonal"), "")
    assert [spectrum.rows[0] for spectrum in found] == [5, 47]
    assert [spectrum.sweep.frequency_hertz.size for spectrum in found] == [37, 37]


def test_points_without_an_impedance_are_left_out_and_said() -> None:
    """An aborted point is no point."""
    z = impedance()
    z[7] = complex(np.nan, np.nan)
    [spectrum] = spectra_of("a", table(z), "")
    assert spectrum.sweep.frequency_hertz.size == 36
    assert [(finding.kind, finding.rows) for finding in spectrum.findings] == [(LEFT_OUT, (7,))]


@settings(deadline=None)
@given(
    arc=st.floats(1.0, 500.0), series=st.floats(0.1, 50.0), inductance=st.sampled_from([0.0, 1e-7, 3e-6]),
    capacity=st.sampled_from([0.0, 1e-3, 1.0]),
)  # fmt: skip
def test_a_turned_imaginary_part_is_found_by_causality(arc: float, series: float, inductance: float, capacity: float) -> None:
    """Arcs, tails and inductive leads: the true one is never accused, its conjugate always."""
    z = impedance(series, arc, inductance, capacity)
    assert not looks_turned(sweep_of(FREQUENCY, z))
    if arc > 0.3 * series or capacity:
        assert looks_turned(sweep_of(FREQUENCY, z.conj()))


def test_a_turned_file_is_left_as_it_is_until_repair_is_asked() -> None:
    """The finding comes either way, and says what was done."""
    frame = table(impedance().conj())
    [found] = spectra_of("a", frame, "")
    assert [(finding.kind, finding.factor, finding.repaired) for finding in found.findings] == [(IMAGINARY_SIGN, -1.0, False)]
    assert found.sweep.impedance_ohm == pytest.approx(impedance().conj())
    [turned] = spectra_of("a", frame, "", repair=True)
    assert turned.findings[0].repaired
    assert turned.sweep.impedance_ohm == pytest.approx(impedance())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "test_time_second,voltage_volt\n0,1\n1,1\n", "holds no spectrum"),
        ("a.csv", "frequency_hertz,real_impedance_ohm,imaginary_impedance_ohm\n-1,1,-1\n2,1,-1\n", "must be positive"),
        ("a.csv", "frequency_hertz,real_impedance_ohm,imaginary_impedance_ohm\n1,1,-1\n", "1 usable points"),
        ("a.csv", "frequency_hertz,real_impedance_ohm,imaginary_impedance_ohm\n1,nan,nan\n2,nan,nan\n", "0 usable points"),
        ("a.csv", "0,1,-1\n1,2,-2\n", "holds numbers and no names"),
        ("a.csv", "0.0,3.7,0.001\n60.0,3.8,0.001\n120.0,3.9,0.001\n", "holds numbers and no names"),
        ("a.csv", "nan,1,-1\n1,2,-2\n", "holds numbers and no names"),
        ("a.z", "ZPLOT2 ASCII\nnothing\n", "without a line that names its columns"),
        ("a.z", "ZPLOT2 ASCII\n Freq(Hz)\tZ'(a)\tZ''(b)\nEnd Comments\n", "without a point"),
        ("a.csv", "", "empty"),
    ],
)
def test_what_is_no_spectrum_is_one_sentence(name: str, content: str, said: str, tmp_path: Path) -> None:
    """Each names what is wrong."""
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput) as caught:
        read_spectra(tmp_path / name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """No file, no spectrum."""
    with pytest.raises(BadInput, match="cannot be read"):
        read_spectra(tmp_path / "none.z")


@real
@pytest.mark.parametrize(
    ("name", "points"),
    [("example_spectrum.csv", [66]), ("circuit3_eis_1.z", [53]), ("nmc_graphite_peis_biologic.parquet", [61, 61, 61, 61])],
)
def test_real_spectra_are_read_as_they_are(name: str, points: list[int]) -> None:
    """No sign is doubted, no point is lost."""
    found = read_spectra(REALDATA / name)
    assert [spectrum.sweep.frequency_hertz.size for spectrum in found] == points
    assert all(spectrum.findings == () for spectrum in found)
