"""A fact about a build: true, false or not known, and the sentence that says why, beginning with the place in the file.

What the tests of single claims are put together from. No claim is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model.anode import Layer, LayerKind
from harness.model.kleene import Truth


class Reading(StrEnum):
    """How the wording is read where it allows two: the strict reading asks more of the build."""

    STRICT = "strict"
    BROAD = "broad"


@dataclass(frozen=True, slots=True)
class Fact:
    """Whether something holds, and why, in one sentence without a full stop."""

    truth: Truth
    sentence: str


def every(facts: Iterable[Fact], holding: str) -> Fact:
    """The conjunction. What decides it speaks: the first false fact, else the first unknown one, else ``holding``."""
    known = list(facts)
    for truth in (False, None):
        for fact in known:
            if fact.truth is truth:
                return fact
    return Fact(True, holding)


def some(facts: Iterable[Fact], failing: str) -> Fact:
    """The disjunction. What decides it speaks: the first true fact, else the first unknown one, else ``failing``."""
    known = list(facts)
    for truth in (True, None):
        for fact in known:
            if fact.truth is truth:
                return fact
    return Fact(False, failing)


def unknown(place: str) -> Fact:
    """Not known because the file does not say."""
    return Fact(None, f"{place} is not known")


def layer_label(layers: Sequence[Layer], index: int) -> str:
    """``layers[2] (LiPON)``, or the kind where a layer has no name."""
    layer = layers[index]
    name = " ".join((layer.name or "").split())
    return f"layers[{index}] ({name or spoken(layer.kind)})"


def layers_label(indices: Sequence[int]) -> str:
    """``layers[0]``, ``layers[0] and layers[1]``, ``layers[0] to layers[4]`` or ``layers[0], layers[2] and layers[3]``."""
    if len(indices) > 2 and list(indices) == list(range(indices[0], indices[-1] + 1)):
        return f"layers[{indices[0]}] to layers[{indices[-1]}]"
    return listed([f"layers[{index}]" for index in indices])


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def spoken(term: StrEnum | None) -> str:
    """A kind, class or material as a person says it."""
    return "of unknown kind" if term is None else term.value.replace("_", " ").replace("single ion", "single-ion")


def is_kind(layer: Layer, *kinds: LayerKind) -> Truth:
    """Whether a layer is of one of these kinds; not known where its kind is not."""
    return None if layer.kind is None else layer.kind in kinds
