"""Reproducible noise: a standard normal number for every (seed, channel, stream, index), whatever was asked before.

Numbers come from Philox, a counter-based generator, in blocks; a block is made when it is first needed. How often a host
polls, or how many clients are connected, can therefore never change a sample.
"""

from __future__ import annotations

import hashlib

import numpy as np

_BLOCK = 4096


class Normals:
    """The stream of standard normal numbers named (seed, channel, stream)."""

    __slots__ = ("_block", "_key", "_values")

    def __init__(self, seed: int, channel: str, stream: str) -> None:
        digest = hashlib.blake2b(f"{seed}/{channel}/{stream}".encode(), digest_size=16).digest()
        self._key = np.frombuffer(digest, dtype=np.uint64)
        self._block = -1
        self._values: list[float] = []

    def value(self, index: int) -> float:
        """The number at ``index`` (0, 1, …)."""
        block, place = divmod(index, _BLOCK)
        if block != self._block:
            bits = np.random.Philox(key=self._key, counter=np.array([0, 0, block, 0], dtype=np.uint64))
            self._values = np.random.Generator(bits).standard_normal(_BLOCK).tolist()
            self._block = block
        return self._values[place]
