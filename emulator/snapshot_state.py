"""The state of an object as plain data, and back again: its numbers and texts, and those of its parts.

State is whatever an object holds that is a number, a text, or a sequence of them; what it was made of once and for all (frozen
records, functions, streams of random numbers) is no state and is made again from the scenario. A whole number above 10^17 is a
moment (nanoseconds since 1970): it is moved by as much as the time has moved between keeping and restoring.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

_FIRST_MOMENT = 10**17
_OURS = "emulator."


def state_of(thing: object, *, without: tuple[type, ...] = ()) -> dict[str, Plain]:
    """The state of ``thing``; parts of the types ``without`` are somebody else's."""
    return _state_of(thing, without, {id(thing)})


def restore_state(thing: object, state: dict[str, Plain], shift_nanosecond: int = 0) -> None:
    """Give ``thing`` a state that `state_of` told of one of the same make.

    Raises:
        ValueError: it was of another make.
    """
    for name, value in state.items():
        if not hasattr(thing, name):
            raise ValueError(f"{type(thing).__name__} has no {name}")
        present = getattr(thing, name)
        if isinstance(value, dict) and not isinstance(present, dict):
            restore_state(present, value, shift_nanosecond)
        else:
            setattr(thing, name, _as(present, value, shift_nanosecond))


def _state_of(thing: object, without: tuple[type, ...], seen: set[int]) -> dict[str, Plain]:
    state: dict[str, Plain] = {}
    for name, value in _attributes(thing):
        if _is_plain(value):
            state[name] = _plain(value)
        elif _is_part(value, without) and id(value) not in seen:
            seen.add(id(value))
            if part := _state_of(value, without, seen):
                state[name] = part
    return state


def _attributes(thing: object) -> Iterator[tuple[str, Any]]:
    names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())} | set(
        getattr(thing, "__dict__", ())
    )
    for name in sorted(names):
        if not name.startswith("__") and hasattr(thing, name):
            yield name, getattr(thing, name)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float | str | enum.Enum)


def _plain(value: object) -> Plain:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    held = value.value if isinstance(value, enum.Enum) else value
    return held if held is None or isinstance(held, bool | int | float | str) else repr(held)


def _is_part(value: object, without: tuple[type, ...]) -> bool:
    """Whether ``value`` is an object of this package with a state that can change."""
    kind = type(value)
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False) or hasattr(kind, "model_fields")
    return kind.__module__.startswith(_OURS) and not frozen and not callable(value) and not isinstance(value, without)


def _as(present: object, value: Plain, shift: int) -> object:
    if isinstance(present, enum.Enum):
        return type(present)(value)
    if isinstance(value, list):
        items = [_as(None, item, shift) for item in value]
        return tuple(items) if isinstance(present, tuple) or present is None else items
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _FIRST_MOMENT:
        return value + shift
    return value
