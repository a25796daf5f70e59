"""What a column is called: machine names, labels with units, and the words of testers, brought to one spelling and one unit.

Machine names are lower case with the unit last (``current_ampere``), labels carry it behind a stroke (``Current / A``). Labels in
other units of the same kind come with the factor to the name's unit; what nobody knows keeps its name.
"""

from __future__ import annotations

import re

_OHMS = {
    f"{prefix}{word}": ("ohm", factor)
    for prefix, factor in (("", 1.0), ("k", 1e3), ("M", 1e6), ("m", 1e-3), ("u", 1e-6), ("µ", 1e-6), ("μ", 1e-6))
    for word in ("ohm", "Ohm", "ohms", "Ohms", "Ω", "\N{OHM SIGN}")
}
_UNITS = {
    "1": ("", 1.0), "s": ("second", 1.0), "ms": ("second", 1e-3), "us": ("second", 1e-6), "Sec": ("second", 1.0),
    "min": ("second", 60.0), "h": ("second", 3600.0), "d": ("second", 86400.0),
    "V": ("volt", 1.0), "mV": ("volt", 1e-3), "A": ("ampere", 1.0),
    "mA": ("ampere", 1e-3), "uA": ("ampere", 1e-6), "µA": ("ampere", 1e-6), "μA": ("ampere", 1e-6), "nA": ("ampere", 1e-9),
    "Ah": ("ah", 1.0), "mAh": ("ah", 1e-3), "uAh": ("ah", 1e-6), "µAh": ("ah", 1e-6), "A.h": ("ah", 1.0), "mA.h": ("ah", 1e-3),
    "Wh": ("wh", 1.0), "mWh": ("wh", 1e-3), "W.h": ("wh", 1.0), "mW.h": ("wh", 1e-3), "W": ("watt", 1.0), "mW": ("watt", 1e-3),
    **_OHMS, "OHM": ("ohm", 1.0),
    "Hz": ("hertz", 1.0), "kHz": ("hertz", 1e3), "deg": ("degree", 1.0), "degC": ("celsius", 1.0), "°C": ("celsius", 1.0),
    "Pa": ("pascal", 1.0), "kPa": ("pascal", 1e3), "bar": ("pascal", 1e5),
}  # fmt: skip
_SUFFIXES = {
    "_milliampere": ("_ampere", 1e-3), "_microampere": ("_ampere", 1e-6), "_millivolt": ("_volt", 1e-3), "_mah": ("_ah", 1e-3),
    "_mwh": ("_wh", 1e-3), "_hour": ("_second", 3600.0), "_minute": ("_second", 60.0), "_millisecond": ("_second", 1e-3),
    "_nanosecond": ("_second", 1e-9),
}  # fmt: skip
_WORDS = {
    "seconds": "test_time_second", "amps": "current_ampere", "volts": "voltage_volt", "ah": "capacity_ah", "step": "step_index",
    "cycle": "cycle_count", "cycle_number": "cycle_count", "cycle_index": "cycle_count", "data_point": "record_index",
    "half_cycle": "half_cycle_count", "control_v_ma": "control_volt_or_milliampere",
}  # fmt: skip
_SYNONYMS = {
    "time_second": "test_time_second", "total_time_second": "test_time_second", "ewe_volt": "voltage_volt",
    "ecell_volt": "voltage_volt", "ewe_ece_volt": "voltage_volt", "i_ampere": "current_ampere",
    "charge_capacity_ah": "charging_capacity_ah", "discharge_capacity_ah": "discharging_capacity_ah",
    "charge_energy_wh": "charging_energy_wh", "discharge_energy_wh": "discharging_energy_wh", "q_qo_ah": "net_capacity_ah",
    "dq_ah": "charge_increment_ah", "p_watt": "power_watt", "freq_hertz": "frequency_hertz", "f_hertz": "frequency_hertz",
    "abs_z_ohm": "absolute_impedance_ohm", "z_ohm": "absolute_impedance_ohm", "phase_z_degree": "phase_degree",
    "time_sec": "test_time_second",
}  # fmt: skip
NUMERIC_ENDINGS = (*{f"_{unit}" for unit, _ in _UNITS.values() if unit}, "_count", "_index")
"""Columns whose names end so hold numbers."""
_LABEL = re.compile(r"(?P<name>[^/]+?)\s*(?:/\s*(?P<unit>[^\s/]+)|\((?P<round>[^()\s]+)\)|\[(?P<square>[^\[\]\s]+)\])")
_IMPEDANCE = re.compile(
    r"(?P<minus>(?:[-−–]|neg(?:ative)?[ _]|minus[ _])\s*)?"
    r"(?:(?P<real>re ?\(z\)|z'|z_?re(?:al)?|real(?:[ _]impedance)?)"
    r"|im ?\(z\)|z''|z\"|z_?im(?:ag)?|imag(?:inary)?(?:[ _]impedance)?)"
    r"\s*(?:_ohm|\([ab]\)|[/(\[]\s*(?P<unit>[^\s)\]]+)[)\]]?)?",
    re.IGNORECASE,
)


def machine_name(column: str) -> tuple[str, float]:
    """The machine name of a column's heading, and the factor that brings its values to that name's unit."""
    text = column.strip().lstrip("\ufeff")
    if (part := _impedance_name(text)) is not None:
        return part
    match = _LABEL.fullmatch(text)
    written = match and (match["unit"] or match["round"] or match["square"])
    if match and written in _UNITS:
        unit, factor = _UNITS[written]
        name = "_".join(filter(None, (_snake(match["name"]), unit)))
        return _SYNONYMS.get(name, name), factor
    lower = text.lower()
    word = _snake(text)
    if word in _WORDS:
        return _WORDS[word], 1.0
    for ending, (unit_ending, factor) in _SUFFIXES.items():
        if lower.endswith(ending):
            return lower.removesuffix(ending) + unit_ending, factor
    return (_snake(text) if " " in text else text), 1.0


def label(name: str) -> str:
    """The label of a machine name, or the name itself where no label leads back to it."""
    for unit, (ending, factor) in _UNITS.items():
        if factor == 1.0 and ending and name.endswith(f"_{ending}"):
            made = f"{_words(name.removesuffix(f'_{ending}'))} / {unit}"
            return made if machine_name(made) == (name, 1.0) else name
    made = f"{_words(name)} / 1" if name.endswith(("_count", "_index")) else _words(name)
    return made if machine_name(made) == (name, 1.0) else name


def _words(name: str) -> str:
    return " ".join(word.upper() if word in {"ac", "dc", "id"} else word.capitalize() for word in name.split("_"))


def _impedance_name(text: str) -> tuple[str, float] | None:
    """The parts of an impedance as programs head them (``Z'``, ``-Im(Z)/Ohm``, ``Z''(b)``): primes survive no machine name.

    ``None`` for everything else, and where a unit is written that is not known to be one of resistance: m and M are two.
    """
    match = _IMPEDANCE.fullmatch(text.strip())
    if match is None:
        return None
    kind, unit = _UNITS.get(match["unit"] or "ohm", ("", 1.0))
    if kind != "ohm":
        return None
    turned = -1.0 if match["minus"] else 1.0
    return ("real_impedance_ohm", unit) if match["real"] else ("imaginary_impedance_ohm", turned * unit)


def _snake(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")
