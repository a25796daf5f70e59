"""What differs between two builds: the facts written down, the verdicts that follow, and the parameters of the cell."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeGuard

from harness.model.anode import AnodeBuild
from harness.model.anode_parameters import AnodeParameters, LayerParameters, anode_parameters
from harness.model.claim_facts import Reading
from harness.model.claims import ClaimFinding, Finding, assess
from harness.model.yaml_text import joined

_ABOUT_THE_FILE = ("id", "title", "remarks")


@dataclass(frozen=True, slots=True)
class FactChange:
    """A field that differs, and what stands there in both, as in the file; ``None`` where nothing does."""

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A claim that is found otherwise, in these readings; none are named where the claim has one."""

    claim: int
    readings: tuple[Reading, ...]
    before: Finding
    after: Finding


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """A parameter that differs; ``None`` where a build has no such layer."""

    name: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class BuildDifference:
    """Everything that changes from one build to another."""

    facts: tuple[FactChange, ...]
    verdicts: tuple[VerdictChange, ...]
    parameters: tuple[ParameterChange, ...]


def difference(before: AnodeBuild, after: AnodeBuild) -> BuildDifference:
    """What changes from ``before`` to ``after``. Names and remarks of the builds themselves are no facts."""
    return BuildDifference(
        tuple(_facts(_written(before), _written(after), "")),
        tuple(_verdicts(before, after)),
        tuple(_parameters(anode_parameters(before), anode_parameters(after))),
    )


def _written(build: AnodeBuild) -> dict[str, object]:
    return build.model_dump(mode="json", by_alias=True, exclude=set(_ABOUT_THE_FILE))


def _facts(before: object, after: object, where: str) -> Iterator[FactChange]:
    """Leaf by leaf."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from _facts(before.get(key), after.get(key), joined(where, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _in_lists(before, after, where)
    elif before != after:
        yield FactChange(where, before, after)


def _in_lists(before: Sequence[object], after: Sequence[object], where: str) -> Iterator[FactChange]:
    """The index is that of ``before``, if the part is there."""
    for old, new in _aligned(before, after):
        yield from _facts(_part(before, old), _part(after, new), joined(where, old if old is not None else new or 0))


def _aligned(before: Sequence[object], after: Sequence[object]) -> Iterator[tuple[int | None, int | None]]:
    """Which parts of two lists belong together, so that a layer put in or left out is one change. Kinds of layers do not mix."""
    keys = [[_identity(part) for part in parts] for parts in (before, after)]
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if kind == "replace" and _is_layer(before[start]):
            yield from ((index, None) for index in range(start, end))
            yield from ((None, index) for index in range(other_start, other_end))
        else:
            yield from itertools.zip_longest(range(start, end), range(other_start, other_end))


def _part(parts: Sequence[object], index: int | None) -> object:
    return None if index is None else parts[index]


def _identity(part: object) -> str:
    """What makes two parts of a list the same one: layers are by their kind, everything else by all it says."""
    return str(part["kind"]) if _is_layer(part) else json.dumps(part)


def _is_layer(part: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(part, Mapping) and "kind" in part


def _verdicts(before: AnodeBuild, after: AnodeBuild) -> Iterator[VerdictChange]:
    for old, new in zip(assess(before), assess(after), strict=True):
        changes = {}
        for reading in Reading:
            was, now = _in(old, reading), _in(new, reading)
            if was is not None and now is not None and was.verdict is not now.verdict:
                changes[reading] = (was, now)
        if len({(was.verdict, now.verdict) for was, now in changes.values()}) == 1:
            readings = tuple(changes) if old.broad else ()
            yield VerdictChange(old.claim, readings, *next(iter(changes.values())))
        else:
            yield from (VerdictChange(old.claim, (reading,), *pair) for reading, pair in changes.items())


def _in(found: ClaimFinding, reading: Reading) -> Finding | None:
    return found.strict if reading is Reading.STRICT else found.broad


def _parameters(before: AnodeParameters, after: AnodeParameters) -> Iterator[ParameterChange]:
    """Those of the whole cell, then layer by layer; of a layer that only one build has, the resistance alone."""
    yield from _changes(_scalars(before), _scalars(after), "")
    old, new = _by_name(before.layers), _by_name(after.layers)
    for name in {**old, **new}:
        if name in old and name in new:
            yield from _changes(_layer_numbers(old[name]), _layer_numbers(new[name]), f"{name}: ")
        else:
            ohms = [layers[name].resistance_ohm_cm2 if name in layers else None for layers in (old, new)]
            yield ParameterChange(f"{name}: resistance_ohm_cm2", *ohms)


def _changes(before: Mapping[str, float], after: Mapping[str, float], prefix: str) -> Iterator[ParameterChange]:
    for name, size in before.items():
        if size != after[name]:
            yield ParameterChange(f"{prefix}{name}", size, after[name])


def _scalars(parameters: AnodeParameters) -> dict[str, float]:
    names = [field.name for field in fields(parameters) if field.name not in ("layers", "assumptions")]
    return {name: getattr(parameters, name) for name in names} | {"resistance_ohm_cm2": parameters.resistance_ohm_cm2}


def _by_name(layers: Sequence[LayerParameters]) -> dict[str, LayerParameters]:
    """``acrylate``, and ``acrylate (2)`` for a second of that name."""
    named: dict[str, LayerParameters] = {}
    for layer in layers:
        count = sum(other.split(" (")[0] == layer.name for other in named)
        named[f"{layer.name} ({count + 1})" if count else layer.name] = layer
    return named


def _layer_numbers(layer: LayerParameters) -> dict[str, float]:
    numbers = {field.name: getattr(layer, field.name) for field in fields(layer) if field.name != "name"}
    return numbers | {"resistance_ohm_cm2": layer.resistance_ohm_cm2, "arc_hertz": layer.arc_hertz}
