"""The named places of the two flat vectors a cell is made of: its state, and the numbers its equations use now.

Both are plain sequences of floats (a list in plain Python, a float64 array under a compiler), so that a state is cheap to copy,
hash, store and send. The state begins with the block of the lithium electrode that is followed (`TRACKED`), then the block of
the other one (`OTHER`, used where the counter-electrode is lithium with books of its own), then what belongs to the whole cell.
The constants are indices: ``state[TRACKED + FRESH]``, ``state[SHORT]``, ``par[THERMAL]``.

Units: C/cm², A/cm², Ω cm², V, s, K, nm. Signs: within a block j > 0 plates; for the whole cell j > 0 oxidises
the working electrode.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

Vector = list[float]

ELECTRODE_FIELDS = (
    "fresh",  # mossy or columnar lithium deposited since, C/cm²
    "bulk",  # the foil or reservoir underneath, C/cm²
    "dead",  # metallic lithium that lost contact, C/cm²
    "film",  # lithium bound in the interphase (or an alloy), C/cm²
    "surface",  # charge stored on the lithium-free surface, C/cm²
    "oxidised",  # charge of other reactions once lithium is exhausted, C/cm²
    "net",  # ∫ j dt, C/cm²
    "throughput",  # ∫ |j| dt, C/cm²
    "initial",  # what the books held at first, C/cm²
    "grown",  # the part of `film` that thickening and corrosion bound, C/cm²
    "formation_left",  # first reduction of a bare substrate still to come, C/cm²
    "film_nm",  # mean thickness on fresh lithium
    "bulk_film_nm",  # thickness on what lies under it
    "area",  # true area of fresh lithium per cm²
    "pitted",  # bulk taken in this strip, C/cm²
    "plated",  # charge plated since this deposit began, C/cm²
    "loss_start",  # dead and film when this deposit began, C/cm²
    "depositing",  # 1 within a deposit
    "stripping",  # 1 within a removal
    "deposits",  # how many deposits have begun
    "deviation",  # of ln(1 − efficiency), correlated from deposit to deposit
    "loss_factor",  # on film and dead lithium of this deposit
    "cell_factor",  # … of this cell
    "area_limit",  # where the area of this deposit saturates
    "reach",  # charge over which it does, C/cm²
    "new_film_nm",  # thickness of film on new area
    "dead_fraction",  # of what is stripped
    "crack_share",  # of the current that goes through cracks of the layers
    "integrity",  # θ, intact fraction of the layers
)
(
    FRESH,
    BULK,
    DEAD,
    FILM,
    SURFACE,
    OXIDISED,
    NET,
    THROUGHPUT,
    INITIAL,
    GROWN,
    FORMATION_LEFT,
    FILM_NM,
    BULK_FILM_NM,
    AREA,
    PITTED,
    PLATED,
    LOSS_START,
    DEPOSITING,
    STRIPPING,
    DEPOSITS,
    DEVIATION,
    LOSS_FACTOR,
    CELL_FACTOR,
    AREA_LIMIT,
    REACH,
    NEW_FILM_NM,
    DEAD_FRACTION,
    CRACK_SHARE,
    INTEGRITY,
) = range(29)

ELECTRODE_SIZE = len(ELECTRODE_FIELDS)
TRACKED = 0
OTHER = ELECTRODE_SIZE

CELL_FIELDS = (
    "clock_second",  # time this cell has lived
    "net",  # ∫ j dt of the terminals, C/cm²
    "temperature_kelvin",
    "electrolyte_1",  # relative shift of concentration, three modes
    "electrolyte_2",
    "electrolyte_3",
    "stretch",  # length of the diffusion path over that of a new cell
    "stoichiometry",  # mean lithium content of the cathode
    "cathode_1",  # surface ahead of the mean, five relaxations
    "cathode_2",
    "cathode_3",
    "cathode_4",
    "cathode_5",
    "cathode_other",  # charge of side reactions at the ends of the stoichiometry, C/cm²
    "shuttle",  # charge that polysulfides carried past the terminals, C/cm²
    "short_s_cm2",  # conductance of a short inside the cell
    "short",  # charge that went through it, C/cm²
    "short_random",  # 1 where chance made it, and chance may end it
    "short_wait",  # hazard still to live through until it begins or ends
    "short_draws",  # random numbers used so far
    "crack_wait",
    "crack_draws",
    "contact_ohm_cm2",
    "shift_volt",  # of the measured potential
    "wetted",  # 1, or what is left after drying out
    "ended",  # why the last segment ended
    "elapsed_second",  # … and after how long
)
(
    CLOCK,
    CELL_NET,
    TEMPERATURE,
    ELECTROLYTE_1,
    ELECTROLYTE_2,
    ELECTROLYTE_3,
    STRETCH,
    STOICHIOMETRY,
    CATHODE_1,
    CATHODE_2,
    CATHODE_3,
    CATHODE_4,
    CATHODE_5,
    CATHODE_OTHER,
    SHUTTLE,
    SHORT,
    SHORT_CHARGE,
    SHORT_RANDOM,
    SHORT_WAIT,
    SHORT_DRAWS,
    CRACK_WAIT,
    CRACK_DRAWS,
    CONTACT,
    SHIFT,
    WETTED,
    ENDED,
    ELAPSED,
) = range(2 * ELECTRODE_SIZE, 2 * ELECTRODE_SIZE + 27)

STATE_FIELDS = (
    *(f"tracked.{name}" for name in ELECTRODE_FIELDS),
    *(f"other.{name}" for name in ELECTRODE_FIELDS),
    *CELL_FIELDS,
)
STATE_SIZE = len(STATE_FIELDS)

PARAMETER_FIELDS = (
    "counter",  # COUNTER_FOIL, COUNTER_LITHIUM or COUNTER_CATHODE
    "material",  # of the cathode, see `emulator.cell.materials`
    "sign",  # +1 where j > 0 plates the tracked electrode, else −1
    "thermal_volt",  # RT/F
    "steepness",  # true area per charge of a thin deposit, cm²/C
    "area_limit",
    "new_film_nm",
    "dead_fraction",
    "growth_nm2_s",
    "bare_steepness",  # the same five where a crack lets the electrolyte in
    "bare_area_limit",
    "bare_film_nm",
    "bare_dead_fraction",
    "bare_growth_nm2_s",
    "nucleation_area",
    "nucleation_power",  # m of d ∝ η^−m
    "nucleation_volt",  # where d is the given one
    "exchange_fresh",
    "exchange_bulk",
    "pit_area",
    "pit_charge",
    "film_resistivity",  # Ω cm² per nm
    "lost_resistivity",  # Ω cm² per C/cm²
    "layer_ohm_cm2",
    "crack_ohm_cm2",
    "corrosion",  # A/cm² of lithium beside a bare substrate
    "surface_farad",
    "open_circuit_volt",
    "formation",
    "oxidation_volt",
    "oxidation_reference",
    "loss_scatter",
    "loss_correlation",
    "cell_scatter",
    "run_in_factor",
    "run_in_cycles",
    "electrolyte_ohm_cm2",
    "limiting",
    "electrolyte_time",  # L²/D, s
    "concentration_volt",  # 4 (1 − t+) RT/F
    "dead_stretch",  # relative lengthening of the diffusion path, per C/cm² dead
    "series_ohm_cm2",  # substrate and leads
    "counter_exchange",
    "counter_film_ohm_cm2",
    "cathode_capacity",
    "cathode_exchange",
    "cathode_time",  # r²/D, s
    "shuttle_rate",  # 1/s
    "crack_per_cycle",
    "crack_strain_charge",  # ε_max L / v: charge that strains the polymer to its limit, C/cm²
    "crack_event_per_cycle",
    "crack_event_size",
    "short_rate",  # 1/s, onset
    "short_critical",
    "short_steepness",
    "short_charge",
    "short_conductance",
    "short_spread",
    "short_close_rate",  # 1/s
    "short_fuse",
    "decay_second",  # what follows is remembered from the last step, not a parameter
    "decay_stretch",
    "decay_1",
    "decay_2",
    "decay_3",
    "decay_c1",
    "decay_c2",
    "decay_c3",
    "decay_c4",
    "decay_c5",
)
(
    P_COUNTER,
    P_MATERIAL,
    P_SIGN,
    P_THERMAL,
    P_STEEPNESS,
    P_AREA_LIMIT,
    P_NEW_FILM,
    P_DEAD,
    P_GROWTH,
    P_BARE_STEEPNESS,
    P_BARE_AREA_LIMIT,
    P_BARE_FILM,
    P_BARE_DEAD,
    P_BARE_GROWTH,
    P_NUCLEATION,
    P_NUCLEATION_POWER,
    P_NUCLEATION_VOLT,
    P_EXCHANGE_FRESH,
    P_EXCHANGE_BULK,
    P_PIT_AREA,
    P_PIT_CHARGE,
    P_FILM_RESISTIVITY,
    P_LOST_RESISTIVITY,
    P_LAYER_OHM,
    P_CRACK_OHM,
    P_CORROSION,
    P_SURFACE_FARAD,
    P_OPEN_CIRCUIT,
    P_FORMATION,
    P_OXIDATION_VOLT,
    P_OXIDATION_REFERENCE,
    P_LOSS_SCATTER,
    P_LOSS_CORRELATION,
    P_CELL_SCATTER,
    P_RUN_IN_FACTOR,
    P_RUN_IN_CYCLES,
    P_ELECTROLYTE_OHM,
    P_LIMITING,
    P_ELECTROLYTE_TIME,
    P_CONCENTRATION_VOLT,
    P_DEAD_STRETCH,
    P_SERIES_OHM,
    P_COUNTER_EXCHANGE,
    P_COUNTER_FILM,
    P_CATHODE_CAPACITY,
    P_CATHODE_EXCHANGE,
    P_CATHODE_TIME,
    P_SHUTTLE_RATE,
    P_CRACK_PER_CYCLE,
    P_CRACK_STRAIN_CHARGE,
    P_CRACK_EVENTS,
    P_CRACK_SIZE,
    P_SHORT_RATE,
    P_SHORT_CRITICAL,
    P_SHORT_STEEPNESS,
    P_SHORT_CHARGE,
    P_SHORT_CONDUCTANCE,
    P_SHORT_SPREAD,
    P_SHORT_CLOSE_RATE,
    P_SHORT_FUSE,
    P_DECAY_SECOND,
    P_DECAY_STRETCH,
    P_DECAY,
) = range(63)
P_CATHODE_DECAY = P_DECAY + 3
PARAMETER_SIZE = len(PARAMETER_FIELDS)

COUNTER_FOIL = 0.0
COUNTER_LITHIUM = 1.0
COUNTER_CATHODE = 2.0

STREAM_TRACKED, STREAM_OTHER, STREAM_CRACK, STREAM_SHORT = range(4)
STREAMS = 4
"""Random numbers stand in one table, ``normals[STREAMS * index + stream]``."""

OK, BOOKS_WRONG, NORMALS_EXHAUSTED, NO_PROGRESS = range(4)
"""What `emulator.cell.kernel.advance` returns."""

BY_TIME, BY_LOW_VOLT, BY_HIGH_VOLT, BY_EXHAUSTION, BY_CURRENT, BY_FULL_BUFFER = range(6)
"""Why a segment ended (``state[ENDED]``)."""

COULOMB_PER_MAH = 3.6
FILM_COULOMB_PER_NM = 2.7e-4 * COULOMB_PER_MAH
"""q_s: lithium in a film, per nm and true cm² (LiF basis)."""
UM_PER_COULOMB = 4.85 / COULOMB_PER_MAH
"""v: thickness of dense lithium per C/cm²; 1 µm holds 0.206 mAh/cm²."""

_SCHEMA = hashlib.blake2b("/".join(STATE_FIELDS).encode(), digest_size=8).digest()


class NotASnapshot(ValueError):
    """These bytes are no state of a cell of this version."""


def index_of(name: str) -> int:
    """Where ``name`` (``tracked.fresh``, ``short_s_cm2``) stands in a state.

    Raises:
        KeyError: there is no such place.
    """
    try:
        return STATE_FIELDS.index(name)
    except ValueError:
        raise KeyError(name) from None


def named(state: Sequence[float]) -> dict[str, float]:
    """A state by name."""
    return dict(zip(STATE_FIELDS, map(float, state), strict=True))


def to_bytes(state: Sequence[float]) -> bytes:
    """Eight bytes that name the schema, then the numbers as little-endian float64."""
    return _SCHEMA + struct.pack(f"<{STATE_SIZE}d", *state)


def from_bytes(data: bytes) -> Vector:
    """The state in what `to_bytes` made.

    Raises:
        NotASnapshot: another schema, or another length.
    """
    if data[:8] != _SCHEMA or len(data) != 8 + 8 * STATE_SIZE:
        raise NotASnapshot("this is not a snapshot of a cell made by this version; make a new one")
    return list(struct.unpack(f"<{STATE_SIZE}d", data[8:]))
