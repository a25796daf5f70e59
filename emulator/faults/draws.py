"""Chance for faults: a sequence of numbers for every (seed, names), whatever else was drawn."""

from __future__ import annotations

import hashlib

import numpy as np


class Draws:
    """The sequence named (seed, *names); Philox, so that no two names share numbers."""

    __slots__ = ("_generator",)

    def __init__(self, seed: int, *names: str) -> None:
        digest = hashlib.blake2b("/".join((str(seed), *names)).encode(), digest_size=16).digest()
        self._generator = np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))

    def uniform(self) -> float:
        """A number from 0 up to, not including, 1."""
        return float(self._generator.random())

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` − 1."""
        return int(self._generator.integers(count))

    def exponential(self, mean: float) -> float:
        """A waiting time with this mean."""
        return float(self._generator.exponential(mean))

    def normal(self) -> float:
        """A standard normal number."""
        return float(self._generator.standard_normal())

    def data(self, count: int) -> bytes:
        """``count`` random bytes."""
        return self._generator.bytes(count)
