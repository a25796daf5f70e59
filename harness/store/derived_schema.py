"""The tables of ``derived.sqlite``, how an older file becomes a newer one, and the statements on them. No I/O of its own.

A column is found by its name, never by its place: an added one stands behind ``seq``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.model.derived import CycleRow, DerivedRow, HalfCycleRow, ImpedanceFitRow

USER_VERSION = 2

_NEW_TABLES = """
CREATE TABLE fit_start (
    run_id TEXT PRIMARY KEY, sweep_count INTEGER NOT NULL, method_version TEXT NOT NULL, text TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE half_cycle (
    run_id TEXT NOT NULL, cycle_count INTEGER NOT NULL, unix_time_nanosecond INTEGER NOT NULL, role TEXT NOT NULL,
    current_ampere REAL, capacity_ah REAL, capacity_ah_std REAL, duration_second REAL,
    nucleation_overpotential_volt REAL, nucleation_overpotential_volt_std REAL,
    plateau_overpotential_volt REAL, plateau_overpotential_volt_std REAL,
    end_overpotential_volt REAL, end_overpotential_volt_std REAL,
    arcing_1 REAL, arcing_1_std REAL, noise_volt REAL,
    apparent_resistance_ohm REAL, apparent_resistance_ohm_std REAL,
    short_grade TEXT NOT NULL, short_evidence TEXT NOT NULL, flags TEXT NOT NULL, method_version TEXT NOT NULL,
    relaxation_volt_per_second REAL, relaxation_volt_per_second_std REAL, refusals TEXT NOT NULL,
    seq INTEGER NOT NULL, PRIMARY KEY (run_id, cycle_count, role, method_version), UNIQUE (run_id, seq)
) WITHOUT ROWID;
"""

TABLES = f"""
CREATE TABLE run (
    run_id TEXT PRIMARY KEY, station TEXT NOT NULL, channel TEXT NOT NULL, cell TEXT NOT NULL, build TEXT NOT NULL,
    last_seq INTEGER NOT NULL, delivered_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE cycle (
    run_id TEXT NOT NULL, cycle_count INTEGER NOT NULL, unix_time_nanosecond INTEGER NOT NULL, kind TEXT NOT NULL,
    plating_capacity_ah REAL, plating_capacity_ah_std REAL, stripping_capacity_ah REAL, stripping_capacity_ah_std REAL,
    coulombic_efficiency REAL, coulombic_efficiency_std REAL, coulombic_efficiency_offset_std REAL,
    plating_resistance_ohm REAL, plating_resistance_ohm_std REAL,
    stripping_resistance_ohm REAL, stripping_resistance_ohm_std REAL,
    cycle_duration_second REAL, flags TEXT NOT NULL, method_version TEXT NOT NULL,
    seq INTEGER NOT NULL, PRIMARY KEY (run_id, cycle_count, method_version), UNIQUE (run_id, seq)
) WITHOUT ROWID;
CREATE TABLE impedance_fit (
    run_id TEXT NOT NULL, cycle_count INTEGER NOT NULL, unix_time_nanosecond INTEGER NOT NULL, sweep_count INTEGER NOT NULL,
    series_resistance_ohm REAL, series_resistance_ohm_std REAL,
    interface_resistance_ohm REAL, interface_resistance_ohm_std REAL,
    area_specific_resistance_ohm_cm2 REAL, area_specific_resistance_ohm_cm2_std REAL,
    residual_rms REAL, flags TEXT NOT NULL, method_version TEXT NOT NULL,
    verdict TEXT NOT NULL, verdict_reason TEXT NOT NULL, kramers_kronig_rms_1 REAL, kramers_kronig_order INTEGER,
    circuit TEXT NOT NULL, parameters TEXT NOT NULL,
    total_resistance_ohm REAL, total_resistance_ohm_std REAL, interface_resistance_ohm_noise_std REAL,
    seq INTEGER NOT NULL, PRIMARY KEY (run_id, sweep_count, method_version), UNIQUE (run_id, seq)
) WITHOUT ROWID;
{_NEW_TABLES}
CREATE TABLE position (name TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS = {
    1: f"""
ALTER TABLE impedance_fit ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
ALTER TABLE impedance_fit ADD COLUMN verdict_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE impedance_fit ADD COLUMN kramers_kronig_rms_1 REAL;
ALTER TABLE impedance_fit ADD COLUMN kramers_kronig_order INTEGER;
ALTER TABLE impedance_fit ADD COLUMN circuit TEXT NOT NULL DEFAULT '';
ALTER TABLE impedance_fit ADD COLUMN parameters TEXT NOT NULL DEFAULT '';
ALTER TABLE impedance_fit ADD COLUMN total_resistance_ohm REAL;
ALTER TABLE impedance_fit ADD COLUMN total_resistance_ohm_std REAL;
ALTER TABLE impedance_fit ADD COLUMN interface_resistance_ohm_noise_std REAL;
{_NEW_TABLES}
UPDATE run SET delivered_seq = -1;
"""  # noqa: S608 - tables of ours
}
"""From each version to the next. The last line sends everything again: lines name what they do not have since version 2."""


@dataclass(frozen=True, slots=True)
class Table:
    """The table of one kind of row. Apart from run and method version, ``key`` names a row within its run."""

    name: str
    made: type[DerivedRow]
    key: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields of a row, in its order."""
        return tuple(field.name for field in fields(self.made))

    @property
    def add(self) -> str:
        """Put one row in place of that with the same key: its values, then its ``seq``."""
        names = (*self.columns, "seq")
        return f"INSERT OR REPLACE INTO {self.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names of ours

    @property
    def find(self) -> str:
        """The row of a run, a key and a method version, if none of another version was written after it."""
        key = " AND ".join(f"{name} = ?" for name in ("run_id", *self.key, "method_version"))
        return f"{self._select} AS row WHERE {key} AND {self._newest}"

    @property
    def read(self) -> str:
        """Rows of a run from a ``seq`` on, at most so many, in its order; of each key the one written last."""
        return f"{self._select} AS row WHERE run_id = ? AND seq >= ? AND {self._newest} ORDER BY seq LIMIT ?"

    @property
    def newest(self) -> str:
        """Of each key of a run (of all runs for null) the row written last, in the order of the run."""
        return (
            f"{self._select} AS row WHERE (?1 IS NULL OR run_id = ?1) AND {self._newest} ORDER BY run_id, {', '.join(self.order)}"
        )

    @property
    def _newest(self) -> str:
        same = " AND ".join(f"newer.{name} = row.{name}" for name in ("run_id", *self.key))
        return f"NOT EXISTS (SELECT 1 FROM {self.name} AS newer WHERE {same} AND newer.seq > row.seq)"  # noqa: S608 - names of ours

    @property
    def _select(self) -> str:
        return f"SELECT {', '.join((*self.columns, 'seq'))} FROM {self.name}"  # noqa: S608 - names of ours


CYCLE = Table("cycle", CycleRow, ("cycle_count",), ("cycle_count",))
IMPEDANCE_FIT = Table("impedance_fit", ImpedanceFitRow, ("sweep_count",), ("sweep_count",))
HALF_CYCLE = Table("half_cycle", HalfCycleRow, ("cycle_count", "role"), ("cycle_count", "unix_time_nanosecond"))
ALL_TABLES = {table.made: table for table in (CYCLE, IMPEDANCE_FIT, HALF_CYCLE)}


def key_of(row: DerivedRow) -> tuple[object, ...]:
    """What names ``row`` among all rows of its run: its table and the values of that table's key."""
    table = ALL_TABLES[type(row)]
    return (table.name, *(getattr(row, name) for name in table.key))
