"""The lithium of an anode before its first cycle, in Ah with its σ: from thickness and area, or from a build. No cycles.

1 µm of lithium is ρ F/M = 0.534 g/cm³ × 96485.33 C/mol / 6.94 g/mol, that is 0.206 mAh/cm² (`harness.model.anode_parameters`).
The relative errors of thickness and area add in squares.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.analysis.estimate import Estimate
from harness.errors import AnalysisError

if TYPE_CHECKING:
    from harness.model.anode import AnodeBuild


def lithium_inventory(thickness_um: float, thickness_um_std: float, area_cm2: float, area_cm2_std: float = 0.0) -> Estimate:
    """Ah of lithium in a foil or deposit.

    Raises:
        AnalysisError: thickness or area is not positive, or a standard deviation is negative.
    """
    from harness.model.anode_parameters import LITHIUM_MAH_CM2_PER_UM  # noqa: PLC0415 - builds are written files, and load slowly

    if not (thickness_um > 0 and math.isfinite(thickness_um)):
        raise AnalysisError(f"a thickness of lithium must be positive, not {thickness_um:g} µm")
    return _of_area(thickness_um * LITHIUM_MAH_CM2_PER_UM, thickness_um_std * LITHIUM_MAH_CM2_PER_UM, area_cm2, area_cm2_std)


def build_inventory(build: AnodeBuild, area_cm2: float, area_cm2_std: float = 0.0) -> Estimate:
    """Ah of lithium of ``build`` that can cycle: measured, else from the thickness, less what its metals take up.

    Refused where the build states neither. A σ that it does not state is taken as 5 %.

    Raises:
        AnalysisError: the area is not positive, or its standard deviation is negative.
    """
    from harness.model.anode_parameters import anode_parameters  # noqa: PLC0415 - as above

    found = anode_parameters(build)
    if build.active.thickness is None and build.active.areal_capacity_mah_cm2 is None:
        return Estimate.refused(f"build {build.id} states neither a thickness nor a capacity of its lithium")
    return _of_area(found.cyclable_mah_cm2, found.lithium_mah_cm2_std, area_cm2, area_cm2_std)


def _of_area(areal_mah_cm2: float, areal_std: float, area_cm2: float, area_cm2_std: float) -> Estimate:
    if not (area_cm2 > 0 and math.isfinite(area_cm2)):
        raise AnalysisError(f"an area must be positive, not {area_cm2:g} cm²")
    if not (areal_std >= 0 and area_cm2_std >= 0):
        raise AnalysisError("a standard deviation of thickness or area is negative")
    return Estimate.normal(areal_mah_cm2 * area_cm2 / 1e3, math.hypot(areal_std * area_cm2, areal_mah_cm2 * area_cm2_std) / 1e3)
