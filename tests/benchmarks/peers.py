"""Other programs that a figure is measured beside. They live in environments of their own; nothing of ours imports them.

``HARNESS_PEERS`` names their Python interpreters, several joined by ``:`` as in ``PATH``: PyProBE and cellpy need a numpy that
impedance.py 1.7.1 does not bear.
"""

from __future__ import annotations

import os
import subprocess


def interpreter_with(module: str) -> str | None:
    """The first of the named interpreters that can import ``module``, ``None`` when none can."""
    named = [path for path in os.environ.get("HARNESS_PEERS", "").split(":") if path]
    for path in named:
        if subprocess.run([path, "-c", f"import {module}"], check=False, capture_output=True, timeout=120).returncode == 0:
            return path
    return None
