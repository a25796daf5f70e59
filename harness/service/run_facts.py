"""What a run pins at its start, gathered from those who know it. Decides nothing and starts nothing."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace

from harness.cycling.plan import Plan
from harness.cycling.rack import ChannelSettings
from harness.model.anode import AnodeBuild
from harness.model.anode_facts import anode_facts, findings_text
from harness.model.cell import Cell
from harness.model.claims import assess
from harness.model.run import RunFacts
from harness.model.schedule import Schedule
from harness.model.written import json_of
from harness.store.registry import Pinned
from potentiostat_drivers.interface import Identity


def run_facts(
    pinned: Pinned,
    schedule: Schedule,
    *,
    schedule_text: str,
    plan: Plan,
    settings: ChannelSettings,
    identity: Identity,
    software_version: str,
    time_scale: float,
) -> RunFacts:
    """The facts of a run of ``pinned.cell`` under ``schedule``, with the verdicts of this software on its build."""
    cell = pinned.cell.facts
    begun = RunFacts(
        geometry=cell.geometry,
        area_cm2=cell.area_cm2,
        nominal_capacity_ah=cell.nominal_capacity_ah,
        cell_revision=pinned.cell.revision,
        build_revision=pinned.build.revision,
        description=cell.description,
        schedule_name=schedule.schedule,
        schedule_text=schedule_text,
        schedule_sha256=hashlib.sha256(schedule_text.encode()).hexdigest(),
        plan=plan.to_json(),
        driver=settings.driver,
        instrument_model=identity.model,
        instrument_serial=identity.serial,
        instrument_firmware=identity.firmware,
        software_version=software_version,
        accuracy_offset=settings.accuracy_offset,
        accuracy_gain=settings.accuracy_gain,
        adc_bits=settings.adc_bits,
        time_scale=time_scale,
    )
    return _with_anode(_with_cell(begun, cell), pinned.build.facts)


def _with_cell(facts: RunFacts, cell: Cell) -> RunFacts:
    return replace(
        facts,
        counter=cell.counter,
        electrolyte=cell.electrolyte,
        electrolyte_volume_ul=cell.electrolyte_volume_ul,
        separator=cell.separator,
        stack_pressure_kpa=cell.stack_pressure_kpa,
        assembled_at=None if cell.assembled_at is None else cell.assembled_at.isoformat(),
        batch=cell.batch,
        replicate=cell.replicate,
    )


def _with_anode(facts: RunFacts, build: AnodeBuild) -> RunFacts:
    return replace(facts, **asdict(anode_facts(build)), anode=json_of(build), findings=findings_text(assess(build)))
