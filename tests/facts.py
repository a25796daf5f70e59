"""The facts of a run that tests begin with; each says with `dataclasses.replace` what matters to it."""

from __future__ import annotations

from harness.model.run import Geometry, RunFacts

FACTS = RunFacts(
    geometry=Geometry.DEPOSIT,
    area_cm2=1.27,
    nominal_capacity_ah=None,
    cell_revision=1,
    build_revision=2,
    description="",
    schedule_name="plain",
    schedule_text="steps:\n- rest: 1 h\n",
    schedule_sha256="0" * 64,
    plan="{}",
    driver="methodscript",
    instrument_model="EmStat4S HR",
    instrument_serial="EMU0001",
    instrument_firmware="1.3",
    software_version="0.1.0",
    accuracy_offset=2e-4,
    accuracy_gain=2e-4,
    adc_bits=16,
    time_scale=1.0,
)
