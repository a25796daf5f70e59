"""The look of every drawn figure: one sheet, the colours of the live page, and nothing that does not help to read a value.

matplotlib is imported inside functions only: a command that draws nothing does not wait for it. Figures are made without pyplot,
so that no window, no global state and no display is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BadInput
from harness.service.charts import COLOURS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2933"
FAINT = "#e3e8ee"
ENDINGS = (".png", ".svg", ".pdf")

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 1.6,
    "text.color": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "svg.hashsalt": "harness",
    "svg.fonttype": "none",
}


@contextlib.contextmanager
def house_style() -> Generator[None]:
    """Inside, everything that is drawn has the house's look; titles and legends take it when they are made."""
    import matplotlib as mpl  # noqa: PLC0415 - see the module's docstring
    from cycler import cycler  # noqa: PLC0415

    colours: Any = {"axes.prop_cycle": cycler(color=COLOURS)}
    with mpl.rc_context(STYLE), mpl.rc_context(colours):
        yield


def new_figure(
    mosaic: str, *, width_inch: float = 12.0, height_inch: float = 8.0, title: str = "", **layout: object
) -> tuple[Figure, dict[str, Axes]]:
    """A white sheet with one plot per letter of ``mosaic`` (rows divided by ``;``), and a title at the top left.

    Draw on it inside `house_style`.
    ``layout`` goes to matplotlib's ``subplot_mosaic`` (``height_ratios``, ``width_ratios``, ``sharex``, …).
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    with house_style():
        figure = Figure(figsize=(width_inch, height_inch), layout="constrained", facecolor="white")
        axes = figure.subplot_mosaic(mosaic, **layout)  # type: ignore[call-overload]
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    return figure, axes


def check_figure_path(path: Path) -> None:
    """Refuse before anything is computed what could not be written at the end.

    Raises:
        BadInput: another ending than .png, .svg or .pdf, or a folder that is not there.
    """
    if path.suffix.lower() not in ENDINGS:
        raise BadInput("--figure", f"{path} ends with none of {', '.join(ENDINGS)}; name the file so")
    if not path.absolute().parent.is_dir():
        raise BadInput("--figure", f"the folder of {path} does not exist; make it first")


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` in the format its name says; the same figure gives the same bytes.

    Raises:
        BadInput: the file cannot be written.
    """
    dated = {".svg": "Date", ".pdf": "CreationDate", ".png": "Software"}[path.suffix.lower()]
    try:
        with house_style():
            figure.savefig(path, dpi=144, metadata={dated: None})
    except OSError as error:
        raise BadInput("--figure", f"{path} cannot be written ({error.strerror})") from None
