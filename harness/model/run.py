"""Names and facts of a run: one cell on one channel under one schedule revision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from harness.errors import BadInput

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


class Geometry(StrEnum):
    """Which way lithium goes. Declared with the cell, never guessed from data.

    ``deposit``: the working electrode takes up lithium at I < 0 (Li||Cu). ``symmetric``: Li||Li, plates at I < 0, no
    efficiency. ``full``: the cathode is the working electrode, charging (I > 0) plates the anode.
    """

    DEPOSIT = "deposit"
    SYMMETRIC = "symmetric"
    FULL = "full"


class Role(StrEnum):
    """What a step's current is for. Efficiency uses roles, never signs."""

    PLATE = "plate"
    STRIP = "strip"
    CHARGE = "charge"
    DISCHARGE = "discharge"
    REST = "rest"
    PROBE = "probe"

    @property
    def deposits(self) -> bool:
        """Whether lithium is deposited on the electrode that is followed."""
        return self in (Role.PLATE, Role.CHARGE)

    @property
    def removes(self) -> bool:
        """Whether lithium is taken from the electrode that is followed."""
        return self in (Role.STRIP, Role.DISCHARGE)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The tags of everything a run sends: strings that never change while it lasts."""

    station: str
    channel: str
    cell: str
    build: str
    run_id: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run pins at its start, so that its numbers can be understood for ever.

    ``accuracy_offset`` is a fraction of the current range, ``accuracy_gain`` a fraction of the reading, both one standard
    deviation; ``None`` is unknown. ``adc_bits`` cover ±3 × the nominal range.
    ``schedule_text`` is the schedule as its author wrote it, ``plan`` the resolved numbers as JSON.

    What follows ``time_scale`` was not pinned by the first version: there it is ``None``. ``anode`` is the build in the revision
    ``build_revision`` and ``findings`` what the claims made of it then, both as JSON; the facts between are the cell's and the
    main ones of its anode (see `harness.model.anode_facts`), where ``unknown`` is a word.
    """

    geometry: Geometry
    area_cm2: float
    nominal_capacity_ah: float | None
    cell_revision: int
    build_revision: int
    description: str
    schedule_name: str
    schedule_text: str
    schedule_sha256: str
    plan: str
    driver: str
    instrument_model: str
    instrument_serial: str
    instrument_firmware: str
    software_version: str
    accuracy_offset: float | None
    accuracy_gain: float | None
    adc_bits: int | None
    time_scale: float
    counter: str | None = None
    electrolyte: str | None = None
    electrolyte_volume_ul: float | None = None
    separator: str | None = None
    stack_pressure_kpa: float | None = None
    assembled_at: str | None = None
    batch: str | None = None
    replicate: int | None = None
    substrate: str | None = None
    lithium_origin: str | None = None
    lithium_thickness_um: float | None = None
    layer_count: int | None = None
    co_deposition_gas: str | None = None
    anode: str | None = None
    findings: str | None = None


def check_identifier(text: str, where: str) -> str:
    """``text`` if it is a legal id, else `BadInput`."""
    if not _IDENTIFIER.fullmatch(text):
        raise BadInput(where, f'"{text}" is not an id; use 1 to 48 of a-z, 0-9, "-" and "_", beginning with a letter or digit')
    return text


def run_id_for(cell: str, unix_time_nanosecond: int) -> str:
    """``<cell>-<UTC start>``, for example ``cu-01-20260101t000000``."""
    started = datetime.fromtimestamp(unix_time_nanosecond / 1e9, UTC)
    return f"{cell}-{started:%Y%m%dt%H%M%S}"
