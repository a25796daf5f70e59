"""Emulated cells in numbers, with their truth: one scenario, many seeds, spread over the processors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import polars as pl
from rich.console import Console
from rich.progress import track

from emulator.generation import generate

Item = TypeVar("Item")
Result = TypeVar("Result")
PORTION = 25


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedCell:
    """What was measured of one cell, and what really happened: rows of the truth by kind (`emulator.truth`)."""

    name: str
    samples: pl.DataFrame
    points: pl.DataFrame | None
    truth: dict[str, list[dict[str, Any]]]


def each_cell(scenario: Mapping[str, Any], seeds: int, work: Callable[[GeneratedCell], Result], first: int = 1) -> list[Result]:
    """``work`` done to ``seeds`` cells, in the order of their seeds (`spread`).

    Every cell comes from its own scenario seed, so that its instrument's offset and gain are drawn anew, too. ``scenario`` has
    one channel with one cell.
    """
    portions = [range(start, min(start + PORTION, first + seeds)) for start in range(first, first + seeds, PORTION)]
    return [result for results in spread(partial(_portion, dict(scenario), work), portions) for result in results]


def spread(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``work``, a function of a module, done to every item, in their order, in as many processes as there are processors.

    The processes are not forked: frames live in threads. Each computes on one thread.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        done = pool.map(work, items)
        return list(track(done, "", len(items), console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()))


def _portion(scenario: dict[str, Any], work: Callable[[GeneratedCell], Result], seeds: range) -> list[Result]:
    return [work(cell) for seed in seeds for cell in generated(scenario, seed)]


def generated(scenario: Mapping[str, Any], seed: int) -> Iterator[GeneratedCell]:
    """The cells of one scenario with one seed."""
    with TemporaryDirectory(prefix="study-") as directory:
        file, out = Path(directory) / "scenario.yaml", Path(directory) / "out"
        file.write_text(json.dumps({**scenario, "seed": seed}), encoding="utf-8")
        generate.run(file, out)
        rows = [json.loads(line) for line in (out / generate.TRUTH_NAME).read_text(encoding="utf-8").splitlines()]
        for path in sorted(out.glob("*.bdf.parquet")):
            name = path.name.removesuffix(".bdf.parquet")
            points = path.with_name(f"{name}.impedance.parquet")
            truth: dict[str, list[dict[str, Any]]] = {}
            for row in rows:
                if row.get("cell", name) == name:
                    truth.setdefault(row["kind"], []).append(row)
            yield GeneratedCell(name, pl.read_parquet(path), pl.read_parquet(points) if points.exists() else None, truth)
