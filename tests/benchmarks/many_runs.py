"""Records as 64 runs make them: plating at 10 Hz, numbers with the digits and the noise of an instrument."""

from __future__ import annotations

import random

from harness.model.records import RunStarted, Sample
from harness.model.run import Geometry, Role, RunContext, RunFacts
from harness.stream.journal import Journal

RUNS = 64
EPOCH = 1_767_225_600_000_000_000
_INTERVAL_NANOSECOND = 100_000_000
_STEP_SAMPLES = 7200
_FACTS = RunFacts(
    geometry=Geometry.DEPOSIT,
    area_cm2=1.267,
    nominal_capacity_ah=None,
    cell_revision=1,
    build_revision=1,
    description="",
    schedule_name="benchmark",
    schedule_text="",
    schedule_sha256="",
    plan="{}",
    driver="methodscript",
    instrument_model="es4_hr",
    instrument_serial="EMU4HR0001",
    instrument_firmware="",
    software_version="",
    accuracy_offset=None,
    accuracy_gain=None,
    adc_bits=None,
    time_scale=1.0,
)


def context_of(run: int) -> RunContext:
    """The context of run number ``run``."""
    cell = f"cu-{run:02d}"
    return RunContext("bench", f"a{run}", cell, "bare-foil", f"{cell}-20260101t000000")


def begin_runs(journal: Journal) -> None:
    """Begin all runs."""
    for run in range(RUNS):
        journal.begin_run(context_of(run), RunStarted(context_of(run).run_id, 0, EPOCH - 1, _FACTS))


def samples_of_all(per_run: int, first_seq: int = 1, seed: int = 1) -> list[Sample]:
    """``per_run`` samples of every run, in the order in which they arrive."""
    chance = random.Random(seed)
    run_ids = [context_of(run).run_id for run in range(RUNS)]
    return [
        _sample(run_id, seq, chance.gauss(0.0, 1.0), chance.gauss(0.0, 1.0))
        for seq in range(first_seq, first_seq + per_run)
        for run_id in run_ids
    ]


def _sample(run_id: str, seq: int, noise: float, more_noise: float) -> Sample:
    step, place = divmod(seq, _STEP_SAMPLES)
    sign, role = (1, Role.STRIP) if step % 2 else (-1, Role.PLATE)
    return Sample(
        run_id=run_id,
        seq=seq,
        unix_time_nanosecond=EPOCH + seq * _INTERVAL_NANOSECOND,
        test_time_second=round(seq * 0.1, 4),
        step_time_second=round(place * 0.1, 4),
        voltage_volt=round(sign * (0.05 + 1e-5 * noise), 9),
        current_ampere=round(sign * (6.335e-4 + 1e-8 * more_noise), 12),
        cycle_count=step // 2 + 1,
        step_count=step + 1,
        step_path=f"steps[0].steps[{step % 2}]",
        role=role,
        current_range_ampere=1e-3,
        flags="",
    )
