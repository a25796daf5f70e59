"""How fast the emulator is: microseconds per cell step and per loop iteration, and how many channels keep up at which scale.

An iteration is what a demo channel does once per check interval: one cell step, two readings, and the thinning and cut-off
statements that a cycling program carries.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import time

from emulator.cell.cells import DepositCell
from emulator.cell.parameters import preset_parameters
from emulator.clocks.clock import Clock
from emulator.instruments.channel import Channel
from emulator.instruments.converter import TYPICAL, Imperfections
from emulator.instruments.methodscript.execution import Execution
from emulator.instruments.methodscript.parser import parse_script
from emulator.instruments.models import MODELS
from emulator.noise import Normals
from emulator.truth import TruthFile
from tests.benchmarks.figure import Figure

CHANNELS = 8
SCALES = (1000.0, 2000.0)

SCRIPT = """\
var k
var w
var t
var p
var c
var y
var u
var l
var g
store_var k 123456i ja
store_var y 0 eb
store_var u 0 ab
store_var l 0 ab
set_pgstat_chan 0
set_pgstat_mode 6
set_range db 1m
set_i 0
cell_on
timer_start
meas_loop_cp p c -600u 1 {second}
timer_get t
store_var g 0i jd
if t >= y
store_var g 1i jd
elseif p >= u
store_var g 1i jd
elseif p <= l
store_var g 1i jd
endif
if g > 0i
pck_start
pck_add k
pck_add t
pck_add p
pck_add c
pck_end
copy_var t y
add_var y 10
copy_var p u
add_var u 5m
copy_var p l
sub_var l 5m
endif
if p >= 4500m
store_var w 6i jc
breakloop
endif
if p <= -500m
store_var w 7i jc
breakloop
endif
if p >= 3
store_var w 2i jc
breakloop
endif
endloop
on_finished:
cell_off"""


def make_channel(name: str, clock: Clock, imperfections: Imperfections | None = None) -> Channel:
    """A channel with a Li||Cu cell and the default imperfections, or others."""
    cell = DepositCell(preset_parameters("bare_fec"), 1.267, Normals(1, name, "cell").value)
    return Channel(
        name,
        MODELS["es4_hr"],
        cell,
        imperfections=imperfections or Imperfections(),
        normal=lambda stream: Normals(1, name, stream).value,
        truth=TruthFile(None),
        now_nanosecond=clock.now_nanosecond(),
    )


def cell_step_microsecond(count: int = 200_000) -> float:
    """One second of plating or stripping, and the voltage after it."""
    cell = DepositCell(preset_parameters("bare_fec"), 1.267, Normals(1, "bench", "cell").value)
    begun = time.perf_counter()
    for index in range(count):
        current = -6e-4 if index % 7200 < 3600 else 6e-4
        cell.advance(current, 1.0)
        cell.voltage(current)
    return (time.perf_counter() - begun) / count * 1e6


async def iteration_microsecond(count: int = 100_000, imperfections: Imperfections | None = None) -> tuple[float, int]:
    """One loop iteration of the script above, always behind the clock; with the bytes it sent."""
    clock = Clock(1e9, 0, time.time_ns())
    sent: list[int] = []
    execution = Execution(
        parse_script(SCRIPT.format(second=count)),
        make_channel("bench", clock, imperfections),
        clock,
        lambda data: sent.append(len(data)),
    )
    begun = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # it cannot keep up, and says so
        await execution.run()
    return (time.perf_counter() - begun) / execution.iterations * 1e6, sum(sent)


async def channels_at_scale(scale: float, channels: int = CHANNELS, wall_second: float = 3.0) -> tuple[int, float]:
    """Iterations per second of that many channels checking every simulated second, and the worst lag (s of wall time)."""
    clock = Clock(scale, 0, time.time_ns())
    script = parse_script(SCRIPT.format(second=round(wall_second * scale)))
    runs = [Execution(script, make_channel(f"c{index}", clock), clock, lambda _data: None) for index in range(channels)]
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for run in runs:
            group.create_task(run.run())
    return round(sum(run.iterations for run in runs) / (time.perf_counter() - begun)), clock.worst_lag_second


def measure() -> list[Figure]:
    """Steps, iterations, and eight channels at two scales."""
    figures = [Figure("one cell step of 1 s", cell_step_microsecond(), "µs", "charge, thicknesses and voltage")]
    microsecond, sent = asyncio.run(iteration_microsecond())
    figures.append(
        Figure("one loop iteration of a script", microsecond, "µs", f"two readings, thinning, cut-offs; {sent:,} B sent")
    )
    typical, _ = asyncio.run(iteration_microsecond(imperfections=TYPICAL))
    figures.append(Figure("the same with every imperfection on", typical, "µs", "drift, pick-up, jitter, leads, clock as well"))
    for scale in SCALES:
        rate, lag = asyncio.run(channels_at_scale(scale))
        beside = f"{CHANNELS * scale:,.0f} wanted, worst lag {lag * 1e3:.1f} ms"
        figures.append(Figure(f"{CHANNELS} channels at scale {scale:,.0f}", rate, "iterations/s", beside))
    return figures
