"""The same step kernel, compiled: an `Engine` made by numba from the source that plain Python runs. An optional extra.

The modules are loaded a second time under another name, so that plain Python keeps its own, and every function in them is
replaced by its compiled form before any of them is called; names are looked up at the first call, so they find each other.
Machine code is kept beside the source, in a directory named by the content of all of it and by numba's version: numba itself
would look at one file's date only, and would not see that another has changed. First call: some seconds; kept: tenths of one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator.cell import kernel, kernel_counter, kernel_events, kernel_interface, kernel_lithium, materials, program, state
from emulator.cell.engine import Engine

_MODULES = (kernel_interface, kernel_lithium, kernel_counter, kernel_events, kernel, program)
"""In an order in which each finds those it needs already there."""

_ALONE = (materials.open_circuit_volt, materials.open_circuit_slope, materials.exchange_ratio)
"""Functions that need no other: compiled as they are."""

_COPIES = (program,)
"""Modules that copy states. In all others no vector is made or kept, so nobody counts who holds one (numba's ``_nrt``); counting,
two atomic operations per vector and call, took half of the time."""


class NotInstalled(ImportError):
    """The optional extra ``compiled`` is missing."""


def installed() -> bool:
    """Whether numba is there."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def engine() -> Engine:
    """The compiled engine; made once per process.

    Raises:
        NotInstalled: numba is not there.
    """
    try:
        import numba  # noqa: PLC0415 - an optional extra, slow to import
    except ImportError:
        raise NotInstalled(
            'numba is not installed, so there is no compiled kernel; `pip install "anode-harness[compiled]"` or use the plain one'
        ) from None
    made = _compiled(numba)
    return Engine(
        name=f"numba {numba.__version__}",
        vector=_vector,
        advance=made["kernel"].advance,
        voltage_ahead=made["kernel"].voltage_ahead,
        current_for=made["kernel"].current_for,
        run_segment=made["program"].run_segment,
        run_hold=made["program"].run_hold,
        run_program=made["program"].run_program,
    )


def _vector(values: Sequence[float]) -> Any:  # noqa: ANN401 - an array where the annotations of the source say list
    return np.array(values, dtype=np.float64)


def _compiled(numba: Any) -> dict[str, Any]:  # noqa: ANN401 - a library without types
    """The second copies by their last name, every function compiled."""
    kept = numba.config.CACHE_DIR
    directory = _machine_code(numba.__version__)
    copies: dict[str, types.ModuleType] = {}
    compile_ = functools.partial(numba.njit, cache=directory is not None, error_model="numpy")
    try:
        if directory is not None:
            numba.config.CACHE_DIR = str(directory)
        replaced: dict[object, object] = {function: compile_(function) for function in _ALONE}
        for module in _MODULES:
            copy = _second_copy(module)
            _replace(copy, replaced, functools.partial(compile_, _nrt=module in _COPIES))
            replaced[module] = copy
            copies[module.__name__.rpartition(".")[2]] = copy
    finally:
        numba.config.CACHE_DIR = kept
    return copies


def _replace(copy: types.ModuleType, replaced: dict[object, object], compile_: Callable[[object], object]) -> None:
    """Put compiled functions in the place of those of ``copy``, and of what it imported."""
    for name, value in vars(copy).copy().items():
        if not isinstance(value, types.FunctionType | types.ModuleType):
            continue
        if value in replaced:
            setattr(copy, name, replaced[value])
        elif value.__name__ == name and getattr(value, "__module__", "") == copy.__name__:
            setattr(copy, name, compile_(value))


def _second_copy(module: types.ModuleType) -> types.ModuleType:
    specification = importlib.util.spec_from_file_location(f"{module.__name__}__compiled", str(module.__file__))
    if specification is None or specification.loader is None:
        raise ImportError(f"the source of {module.__name__} is not there")
    copy = importlib.util.module_from_spec(specification)
    sys.modules[copy.__name__] = copy  # machine code that was kept asks for its module by name
    specification.loader.exec_module(copy)
    return copy


def _machine_code(version: str) -> Path | None:
    """Where compiled code of exactly this source may be kept; ``None`` where nothing can be written beside it."""
    digest = hashlib.blake2b(version.encode(), digest_size=8)
    for module in (*_MODULES, materials, state, sys.modules[__name__]):
        digest.update(Path(str(module.__file__)).read_bytes())
    directory = Path(__file__).parent / "__pycache__" / f"kernel-{digest.hexdigest()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory
