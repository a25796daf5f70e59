"""Neware's files written byte by byte, as far as a reader needs them: a zip of packed blocks, or one list of older records.

Format 14 splits a test into voltages and currents, times and charges, and steps; format 5 keeps everything in one record, in
units of the current range. Nothing here came out of an instrument.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
FIRST = 132
REST, CC_CHARGE, CC_DISCHARGE = 4, 1, 2


@dataclass(frozen=True)
class Record:
    """One reading: seconds of its step, volt, ampere, and the step's charges in ampere-hours and energies in watt-hours."""

    step: int
    step_type: int
    cycle: int
    step_second: float
    volt: float
    ampere: float
    charged_ah: float = 0.0
    discharged_ah: float = 0.0
    charged_wh: float = 0.0
    discharged_wh: float = 0.0


def ndax_of_three_members(records: Sequence[Record], start_unix: int = 1_760_000_000, version: int = 14) -> bytes:
    """A ``.ndax`` with data, run information and steps apart (format 14: ampere, ampere-hours, milliseconds)."""
    main = np.zeros(len(records), dtype=[("volt", "<f4"), ("ampere", "<f4")])
    main["volt"] = [record.volt for record in records]
    main["ampere"] = [record.ampere for record in records]
    info = np.zeros(
        len(records),
        dtype=[
            ("step_ms", "<u4"), ("a", "V1"), ("chg", "<f4"), ("dchg", "<f4"), ("chg_e", "<f4"), ("dchg_e", "<f4"), ("b", "V8"),
            ("dt", "<i4"), ("unix", "<u4"), ("step", "<u4"), ("index", "<u4"), ("ms", "<i2"), ("c", "V8"),
        ],
    )  # fmt: skip
    info["step_ms"] = [round(record.step_second * 1000) for record in records]
    info["chg"] = [record.charged_ah for record in records]
    info["dchg"] = [record.discharged_ah for record in records]
    info["chg_e"] = [record.charged_wh for record in records]
    info["dchg_e"] = [record.discharged_wh for record in records]
    info["unix"] = [start_unix + int(second) for second in _elapsed(records)]
    info["step"] = [record.step for record in records]
    info["index"] = np.arange(1, len(records) + 1)
    firsts = [record for place, record in enumerate(records) if place == 0 or records[place - 1].step != record.step]
    steps = np.zeros(len(firsts), dtype=[("cycle", "<u4"), ("index", "<u4"), ("a", "V16"), ("type", "<u1"), ("b", "V12")])
    steps["cycle"] = [record.cycle - 1 for record in firsts]
    steps["index"] = [record.step for record in firsts]
    steps["type"] = [record.step_type for record in firsts]
    members = {"data.ndc": (1, main), "data_runInfo.ndc": (18, info), "data_step.ndc": (7, steps)}
    return _zipped({name: _blocks(kind, version, rows) for name, (kind, rows) in members.items()})


def ndax_of_one_member(records: Sequence[Record], version: int = 5) -> bytes:
    """A ``.ndax`` with everything in one record (format 5: 0.1 mV, and units of 1e-4 mA, the finest range)."""
    rows = np.zeros(
        len(records),
        dtype=[
            ("a", "V1"), ("index", "<u4"), ("cycle", "<u4"), ("step", "<u1"), ("type", "<u1"), ("b", "V5"), ("ms", "<u8"),
            ("volt", "<i4"), ("current", "<i4"), ("c", "V4"), ("chg", "<i8"), ("dchg", "<i8"), ("chg_e", "<i8"),
            ("dchg_e", "<i8"), ("Y", "<u2"), ("M", "<u1"), ("D", "<u1"), ("h", "<u1"), ("m", "<u1"), ("s", "<u1"),
            ("range", "<i4"), ("d", "V8"),
        ],
    )  # fmt: skip
    unit = 1e-4
    for place, record in enumerate(records):
        row = rows[place]
        row["index"], row["cycle"], row["step"], row["type"] = place + 1, record.cycle - 1, record.step, record.step_type
        row["ms"], row["volt"] = round(record.step_second * 1000), round(record.volt * 1e4)
        row["current"] = round(record.ampere * 1e3 / unit)
        row["chg"], row["dchg"] = (round(value * 3.6e6 / unit) for value in (record.charged_ah, record.discharged_ah))
        row["Y"], row["M"], row["D"], row["s"], row["range"] = 2026, 1, 1, place % 60, 1
    return _zipped({"data.ndc": _blocks(1, version, rows)})


def nda(records: Sequence[Record], version: int = 8) -> bytes:
    """A ``.nda``: a header that points to records of 59 bytes, in units of one fixed current range (0.01 mA: 100 mA)."""
    rows = np.zeros(
        len(records),
        dtype=[
            ("identifier", "<u1"), ("index", "<u4"), ("cycle", "<u4"), ("step", "<u1"), ("type", "<u1"), ("second", "<u4"),
            ("volt", "<i4"), ("current", "<i4"), ("a", "V8"), ("amount", "<i8"), ("energy", "<i8"), ("unix", "<u8"), ("b", "V4"),
        ],
    )  # fmt: skip
    unit, begin, settings = 0.01, 1024, 256
    for place, record in enumerate(records):
        row = rows[place]
        row["index"], row["cycle"], row["step"], row["type"] = place + 1, record.cycle, record.step, record.step_type
        row["second"], row["volt"] = round(record.step_second), round(record.volt * 1e4)
        row["current"] = round(record.ampere * 1e3 / unit)
        row["amount"] = round((record.charged_ah + record.discharged_ah) * 3.6e6 / unit)
        row["unix"] = 1_760_000_000 + int(_elapsed(records)[place])
    header = bytearray(begin)
    header[:6], header[14] = b"NEWARE", version
    header[16:20] = settings.to_bytes(4, "little")
    header[settings + 26 : settings + 30] = (100).to_bytes(4, "little")
    header[64:72] = begin.to_bytes(4, "little") + rows.nbytes.to_bytes(4, "little")
    return bytes(header) + rows.tobytes()


def _elapsed(records: Sequence[Record]) -> list[float]:
    """Seconds since the test began: steps laid end to end."""
    passed, made = 0.0, list[float]()
    for place, record in enumerate(records):
        if place and records[place - 1].step != record.step:
            passed += records[place - 1].step_second
        made.append(passed + record.step_second)
    return made


def _blocks(kind: int, version: int, rows: NDArray[np.void]) -> bytes:
    """A header block, then blocks with a bit for every record that is there and the records behind it."""
    header = bytearray(BLOCK)
    header[0], header[2] = kind, version
    each = (BLOCK - FIRST - 1) // rows.dtype.itemsize
    made = [bytes(header)]
    for first in range(0, len(rows), each):
        part = rows[first : first + each]
        block = bytearray(BLOCK)
        bits = np.packbits(np.ones(len(part), dtype=np.uint8), bitorder="little").tobytes()
        block[4 : 4 + len(bits)] = bits
        block[FIRST : FIRST + part.nbytes] = part.tobytes()
        made.append(bytes(block))
    return b"".join(made)


def _zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()
