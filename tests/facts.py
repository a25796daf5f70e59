"""The facts of a run that tests begin with; each says with `dataclasses.replace` what matters to it."""

from __future__ import annotations

from dataclasses import asdict, replace

from harness.model.anode import (
    ActiveLithium,
    AnodeBuild,
    CoDeposition,
    Gas,
    Layer,
    LayerKind,
    Substrate,
    SubstrateClass,
    Thickness,
)
from harness.model.anode_facts import anode_facts, findings_text
from harness.model.claims import CLAIMS, ClaimFinding, Finding, Verdict
from harness.model.run import Geometry, RunFacts
from harness.model.written import json_of

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
"""As the first version pinned them: no build, no verdicts."""

BARE = AnodeBuild(
    id="bare",
    title="bare lithium foil",
    substrate=Substrate.model_validate({"class": SubstrateClass.NONE}),
    active=ActiveLithium(origin="foil", thickness=Thickness(value_um=50.0, u_um=1.0)),
    layers=(),
)
STACK = AnodeBuild(
    id="stack",
    title='polymer, "glass", polymer\non lithium deposited with CO2',
    substrate=Substrate.model_validate({"class": SubstrateClass.METAL_FOIL, "material": "Cu"}),
    active=ActiveLithium(
        origin="deposited",
        thickness=Thickness(value_um=25.0),
        co_deposition=CoDeposition(in_situ=True, gases=(Gas(species="CO2"), Gas(species="C2H2"))),
    ),
    layers=tuple(Layer(kind=kind) for kind in (LayerKind.POLYMER, LayerKind.SINGLE_ION_CONDUCTING, LayerKind.POLYMER)),
)


def findings_like(verdicts: dict[int, Verdict]) -> tuple[ClaimFinding, ...]:
    """Findings with these strict verdicts; every other claim cannot be told. Claim 20 has a broad reading."""
    return tuple(
        ClaimFinding(
            claim,
            Finding(verdicts.get(claim, Verdict.CANNOT_TELL), f'claim {claim}: "why", Ω'),
            Finding(Verdict.MEETS, "read broadly") if claim == 20 else None,
        )
        for claim in CLAIMS
    )


def with_build(facts: RunFacts, build: AnodeBuild, verdicts: dict[int, Verdict]) -> RunFacts:
    """``facts`` of a cell made from ``build``, with these verdicts."""
    return replace(
        facts,
        counter="Cu",
        electrolyte="1 M LiPF6 EC:DMC, 10 % FEC",
        electrolyte_volume_ul=40.0,
        separator="Celgard 2325",
        stack_pressure_kpa=0.0,
        assembled_at="2026-01-01",
        batch="b-7",
        replicate=2,
        **asdict(anode_facts(build)),
        anode=json_of(build),
        findings=findings_text(findings_like(verdicts)),
    )
