"""Anode builds for people at a terminal: verdicts with their reasons, what differs between two builds, and the ready ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness.model.anode import AnodeBuild
from harness.model.anode_parameters import AnodeParameters
from harness.model.build_difference import BuildDifference
from harness.model.claims import SUBJECTS, WORDING, ClaimFinding, Finding, Verdict

_SHOWN = {
    Verdict.MEETS: ("meets", "green"),
    Verdict.DOES_NOT: ("does not", "red"),
    Verdict.CANNOT_TELL: ("cannot tell", "yellow"),
}


def _plain_table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _verdict(finding: Finding | None) -> Text:
    return Text("–", style="dim") if finding is None else Text(*_SHOWN[finding.verdict])


def verdict_table(build: AnodeBuild, findings: Iterable[ClaimFinding]) -> Table:
    """All claims: the strict verdict, the broad one where there are two readings, and why."""
    title = escape(f"{build.id} · {build.title}" if build.title else build.id)
    table = _plain_table(title, "claim", "strict", "broad", "reason")
    for column in table.columns[:3]:
        column.no_wrap = True
    for found in findings:
        claim = f"{found.claim:>2} {SUBJECTS[found.claim - 1]}"
        table.add_row(claim, _verdict(found.strict), _verdict(found.broad), _reasons(found))
    table.caption, table.caption_justify = "a data model of the claims' wording, not legal advice", "left"
    return table


def _reasons(found: ClaimFinding) -> Text:
    """The strict reason, and the broad one below it where it says more; what is inherited is said once, at the parent."""
    reasons = Text(_short(found.strict))
    if found.broad is None:
        return reasons
    differs = found.broad.verdict is not found.strict.verdict
    if differs or (_is_inherited(found.strict) and not _is_inherited(found.broad)):
        reasons.append(f"\nbroadly: {_short(found.broad)}", style="dim")
    return reasons


def _is_inherited(finding: Finding) -> bool:
    return finding.reason.startswith("claim ")


def _short(finding: Finding) -> str:
    return finding.reason.partition(": ")[0] if _is_inherited(finding) else finding.reason


def verdict_json(build: AnodeBuild, findings: Iterable[ClaimFinding], parameters: AnodeParameters) -> str:
    """The same for programs, every reason in full, with the parameters."""

    def one(finding: Finding | None) -> dict[str, str] | None:
        return None if finding is None else {"verdict": finding.verdict.value, "reason": finding.reason}

    claims = [
        {"claim": found.claim, "wording": WORDING[found.claim], "strict": one(found.strict), "broad": one(found.broad)}
        for found in findings
    ]
    answer = {"build": build.id, "title": build.title, "claims": claims, "parameters": asdict(parameters)}
    return json.dumps(answer, indent=2, ensure_ascii=False)


def parameter_tables(parameters: AnodeParameters) -> Iterator[Table]:
    """What the build means for a cell, layer by layer, and every number that was assumed."""
    layers = _plain_table("Layers at 25 °C", "layer", "µm", "S/cm", "eV", "ohm cm²", "arc / kHz")
    for layer in parameters.layers:
        sizes = (layer.thickness_um, layer.conductivity_s_cm, layer.activation_energy_ev, layer.resistance_ohm_cm2)
        layers.add_row(Text(layer.name), *(f"{size:.3g}" for size in sizes), f"{layer.arc_hertz / 1e3:.3g}")
    yield layers
    cell = _plain_table("Parameters of the cell", "parameter", "value")
    for name, value in _scalars(parameters).items():
        cell.add_row(name, f"{value:.4g}")
    yield cell
    assumed = _plain_table("Assumed, not measured", "assumption")
    for sentence in parameters.assumptions:
        assumed.add_row(Text(sentence))
    yield assumed


def _scalars(parameters: AnodeParameters) -> dict[str, float]:
    written = asdict(parameters)
    return {name: value for name, value in written.items() if name not in ("layers", "assumptions")}


def difference_tables(before: AnodeBuild, after: AnodeBuild, found: BuildDifference) -> Iterator[Table | str]:
    """What differs, which verdicts change and why, and which parameters change, each if there is anything."""
    names = (before.id, after.id) if before.id != after.id else ("before", "after")
    if not found.facts:
        yield "The builds do not differ in any fact."
        return
    facts = _plain_table("Facts", "field", *names)
    facts.columns[0].no_wrap = True
    for fact in found.facts:
        facts.add_row(Text(fact.path), _fact(fact.before), _fact(fact.after))
    yield facts
    yield _verdict_changes(found, names) if found.verdicts else "No verdict changes."
    yield _parameter_changes(found, names) if found.parameters else "No parameter changes."


def _fact(value: object) -> Text:
    if value is None:
        return Text("–", style="dim")
    shown = value if isinstance(value, str) else json.dumps(_known(value), ensure_ascii=False).replace('"', "")
    return Text(shown)


def _known(value: object) -> object:
    """Without what is not known, so that a layer that was put in can be read."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items() if part is not None}
    return [_known(part) for part in value] if isinstance(value, list) else value


def _verdict_changes(found: BuildDifference, names: Sequence[str]) -> Table:
    table = _plain_table("Verdicts", "claim", "reading", *names)
    for change in found.verdicts:
        pair = (change.before, change.after)
        cells = [_verdict(finding).append(f"\n{_short(finding)}", style="default") for finding in pair]
        reading = "both" if len(change.readings) > 1 else change.readings[0].value if change.readings else "–"
        table.add_row(f"{change.claim:>2} {SUBJECTS[change.claim - 1]}", reading, *cells)
    return table


def _parameter_changes(found: BuildDifference, names: Sequence[str]) -> Table:
    table = _plain_table("Parameters of the cell", "parameter", *names, "change")
    table.columns[0].no_wrap = True
    for change in found.parameters:
        sizes = ("–" if size is None else f"{size:.4g}" for size in (change.before, change.after))
        ratio = f"× {change.after / change.before:.3g}" if change.before and change.after else ""
        table.add_row(Text(change.name), *sizes, ratio)
    return table


def build_list(builds: Iterable[tuple[AnodeBuild, Sequence[ClaimFinding]]]) -> Table:
    """The ready builds, with the claims each meets strictly, and broadly in brackets."""
    table = _plain_table("Ready builds", "name", "title", "meets the wording of")
    table.columns[0].no_wrap = True
    for build, findings in builds:
        table.add_row(build.id, Text(build.title), claims_met(findings))
    table.caption, table.caption_justify = "in brackets: met only when the wording is read broadly", "left"
    return table


def claims_met(findings: Iterable[ClaimFinding]) -> str:
    """``1-5, 7, 15``; those met only broadly in brackets."""
    strict, broad = [], []
    for found in findings:
        if found.strict.verdict is Verdict.MEETS:
            strict.append(found.claim)
        elif found.broad is not None and found.broad.verdict is Verdict.MEETS:
            broad.append(found.claim)
    shown = ", ".join(_runs(strict)) or "none"
    return f"{shown} ({', '.join(_runs(broad))})" if broad else shown


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            first, last = numbers[start], numbers[index - 1]
            yield str(first) if first == last else f"{first}, {last}" if last == first + 1 else f"{first}-{last}"
            start = index
