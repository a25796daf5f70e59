"""The truth a channel writes: one row per uninterrupted direction of current, one per sweep. It moves no charge.

A row opens when a current begins or turns and is written when it turns again, stops, or the emulator ends. Its charge is what
crossed the cell, with the instrument's sign: + is oxidation at the working electrode.
"""

from __future__ import annotations

from emulator.cell.cells import Cell
from emulator.cell.impedance import Elements
from emulator.truth import TruthFile, Value


class Ledger:
    """The account of one channel. ``charge_coulomb`` is all that closed rows have moved."""

    __slots__ = ("_cell", "_cell_name", "_channel", "_charge", "_direction", "_start", "_truth", "charge_coulomb")

    def __init__(self, channel: str, cell_name: str, cell: Cell, truth: TruthFile, now_nanosecond: int) -> None:
        self._channel = channel
        self._cell_name = cell_name
        self._cell = cell
        self._truth = truth
        self._direction = 0
        self._charge = 0.0
        self._start = now_nanosecond
        self.charge_coulomb = 0.0

    def direct(self, current: float, now_nanosecond: int) -> None:
        """From this moment ``current`` flows; a change of direction closes the row."""
        direction = (current > 0.0) - (current < 0.0)
        if direction == self._direction:
            return
        self.close(now_nanosecond)
        self._direction = direction
        self._start = now_nanosecond

    def carry(self, coulomb: float) -> None:
        """So much has crossed the cell."""
        self._charge += coulomb

    def close(self, now_nanosecond: int) -> None:
        """Write what this direction of current has moved so far, if anything."""
        charge = self._charge
        self._charge = 0.0
        if charge == 0.0 or self._direction == 0:
            return
        self.charge_coulomb += charge
        tracked = self._cell.tracked()
        removes = (charge > 0.0) == self._cell.removes_when_oxidising
        row: dict[str, Value] = {
            "kind": "half_cycle",
            "channel": self._channel,
            "cell": self._cell_name,
            "direction": "oxidation" if charge > 0.0 else "reduction",
            "start_unix_time_nanosecond": self._start,
            "end_unix_time_nanosecond": now_nanosecond,
            "charge_coulomb": charge,
            "coulombic_efficiency_lithium": tracked.lithium_efficiency() if removes else None,
            "deposit_count": tracked.deposits,
            "net_charge_coulomb": self._cell.net_coulomb,
            **self._cell.books(),
            **_resistances(self._cell.elements()),
        }
        self._start = now_nanosecond
        self._truth.append(row)

    def write_sweep(
        self, technique: str, start_nanosecond: int, now_nanosecond: int, frequencies: list[float], elements: Elements
    ) -> None:
        """The truth of a sweep: the state it started from."""
        if not frequencies:
            return
        self._truth.append(
            {
                "kind": "impedance",
                "channel": self._channel,
                "cell": self._cell_name,
                "technique": technique,
                "start_unix_time_nanosecond": start_nanosecond,
                "end_unix_time_nanosecond": now_nanosecond,
                "point_count": len(frequencies),
                "frequency_max_hertz": max(frequencies),
                "frequency_min_hertz": min(frequencies),
                **_resistances(elements),
                "arcs": {
                    arc.name: {"resistance_ohm": arc.ohm, "time_constant_second": arc.second, "exponent": arc.exponent}
                    for arc in elements.arcs
                },
            }
        )


def _resistances(elements: Elements) -> dict[str, Value]:
    return {
        "series_resistance_ohm": elements.series_ohm,
        "interface_resistance_ohm": elements.interface_ohm,
        "charge_transfer_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("charge_transfer")),
        "film_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("film")),
        "layer_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("layers")),
        "diffusion_resistance_ohm": elements.diffusion_ohm,
    }
