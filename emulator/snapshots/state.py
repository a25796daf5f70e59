"""What of an instrument's channel is state: what it does now, and how far it has come in its streams of random numbers.

What it is (ranges, offsets, gains, the strength of its noise) is made from the scenario, and what a fault does to it is the
scenario's too; neither is kept. Attributes are named here, so that a snapshot says plainly what is in it, and one that is missing
is an error when it is taken. Moments (integers, nanoseconds since 1970) are moved by as much as time has moved since.
"""

from __future__ import annotations

import enum

from emulator.instruments.channel import Channel
from emulator.instruments.converter import Converter

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
State = dict[str, Plain]

_CHANNEL = (
    "_impedance_index", "_interrupted_until", "_overshoot_since", "_overshoot_volt", "_regulated", "current",
    "current_autorange", "elapsed", "leakage_coulomb", "mode", "owed", "polarised", "set_current", "set_potential",
    "terminal_volt", "voltage_autorange",
)  # fmt: skip
_CHANNEL_MOMENTS = ("_created_nanosecond", "base_nanosecond")
_TIMER = ("_jitter_index", "_shift", "_zero")
_CONVERTER = ("_index", "_kelvin", "_settled", "doubtful", "range")
_LEDGER = ("_books_before", "_books_last", "_charge", "_direction", "charge_coulomb")
_LEDGER_MOMENTS = ("_start",)
_ACCOUNT = (
    "block_deposited", "block_deposits", "block_open", "block_removed", "pair_deposited", "pair_lithium", "pair_lost_before",
    "pair_removed", "removed_last",
)  # fmt: skip


def state_of(channel: Channel) -> dict[str, State]:
    """The state of ``channel``, its timer, its two converters and its ledger."""
    ledger = channel.ledger
    return {
        "channel": _taken(channel, (*_CHANNEL, *_CHANNEL_MOMENTS)),
        "timer": _taken(channel.timer, _TIMER),
        "ammeter": _taken(channel.ammeter, _CONVERTER),
        "voltmeter": _taken(channel.voltmeter, _CONVERTER),
        "ledger": _taken(ledger, (*_LEDGER, *_LEDGER_MOMENTS)),
        "account": _taken(ledger.account, _ACCOUNT),
    }


def restore_state(channel: Channel, state: dict[str, State], shift_nanosecond: int) -> None:
    """Give ``channel`` a state that `state_of` told.

    Raises:
        KeyError, TypeError, ValueError: it is another version's.
    """
    _given(channel, state["channel"], _CHANNEL)
    _moved(channel, state["channel"], _CHANNEL_MOMENTS, shift_nanosecond)
    _given(channel.timer, state["timer"], _TIMER)
    for name in ("ammeter", "voltmeter"):
        converter: Converter = getattr(channel, name)
        _given(converter, state[name], _CONVERTER)
        converter.disturb(converter.disturbance)
    _given(channel.ledger, state["ledger"], _LEDGER)
    _moved(channel.ledger, state["ledger"], _LEDGER_MOMENTS, shift_nanosecond)
    _given(channel.ledger.account, state["account"], _ACCOUNT)


def _taken(thing: object, names: tuple[str, ...]) -> State:
    return {name: _plain(getattr(thing, name)) for name in names}


def _given(thing: object, state: State, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(thing, name, _as(getattr(thing, name), state[name]))


def _moved(thing: object, state: State, names: tuple[str, ...], shift_nanosecond: int) -> None:
    for name in names:
        moment = state[name]
        if not isinstance(moment, int):
            raise TypeError(f"{name} is no moment")
        setattr(thing, name, moment + shift_nanosecond)


def _plain(value: object) -> Plain:
    """Infinity as text, since JSON has none."""
    match value:
        case enum.Enum():
            return _plain(value.value)
        case float() if value - value != 0.0:
            return repr(value)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            raise TypeError(f"{value!r} is no state")


def _as(present: object, kept: Plain) -> object:
    """``kept`` in the form of what stands there now."""
    if isinstance(present, enum.Enum):
        return type(present)(kept)
    if isinstance(present, float) and isinstance(kept, str):
        return float(kept)
    return tuple(kept) if isinstance(kept, list) else kept
