"""The whole state of one channel in a file: its cell, its instrument, the places in its streams of random numbers.

A snapshot is taken between programs only, since a script in the middle of a statement is no state. A channel that is restored
from one goes on as the original did, bit for bit, when seed and channel are the same; under another scenario (a branch) the cell
is the same to that moment, and what happens to it is the other scenario's.

The file is JSON: ``{"kind", "version", "sha256", "content"}``; the hash is that of the content in canonical form (sorted keys,
no blanks), so a changed or cut file is found out. Only a cell like the one it came from may be given it: the same geometry, area
and parameters.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field, model_validator

from emulator.instruments.channel import Channel
from emulator.scenario.cells import CellSettings
from emulator.snapshots.state import restore_state, state_of
from harness.errors import BadInput
from harness.model.run import Geometry
from harness.model.written import Written


class SnapshotRefused(Exception):
    """A snapshot cannot be taken or used now; the message is one sentence."""


class Origin(Written):
    """Which cell on which channel it was, and when."""

    channel: str
    cell: str
    model: str
    seed: int
    geometry: Geometry
    area_cm2: float
    parameters_sha256: str
    deposit_count: int
    unix_time_nanosecond: int


class Content(Written):
    """Where it comes from, and the state of its parts: ``cell`` is base64 of the cell's own bytes."""

    origin: Origin
    cell: str
    channel: dict[str, dict[str, Any]]


class Snapshot(Written):
    """A snapshot, checked against its hash."""

    kind: Literal["emulated channel"] = "emulated channel"
    version: Literal[1] = 1
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    content: Content

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if hash_of(self.content) != self.sha256:
            raise ValueError("the content does not have the hash that stands beside it; the file was changed or cut")
        return self


def hash_of(content: Content) -> str:
    """SHA-256 of the content in canonical form."""
    text = json.dumps(content.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def parameters_hash(settings: CellSettings) -> str:
    """What tells apart cells that are not the same."""
    return hashlib.sha256(settings.parameters().model_dump_json().encode()).hexdigest()


def text_of(snapshot: Snapshot) -> str:
    """The file's text."""
    return json.dumps(snapshot.model_dump(mode="json"), separators=(",", ":"))


def take(channel: Channel, settings: CellSettings, seed: int) -> Snapshot:
    """The state of an idle ``channel``."""
    content = Content(
        origin=Origin(
            channel=channel.name,
            cell=channel.cell_name,
            model=channel.model.name,
            seed=seed,
            geometry=settings.geometry,
            area_cm2=settings.area_cm2,
            parameters_sha256=parameters_hash(settings),
            deposit_count=channel.cell.tracked().deposits,
            unix_time_nanosecond=channel.now_nanosecond,
        ),
        cell=base64.b64encode(channel.cell.snapshot()).decode("ascii"),
        channel=state_of(channel),
    )
    return Snapshot(sha256=hash_of(content), content=content)


def restore(snapshot: Snapshot, channel: Channel, settings: CellSettings, now_nanosecond: int) -> None:
    """Give an idle ``channel`` the state of ``snapshot``; what was then is now.

    Raises:
        SnapshotRefused: the snapshot is of another cell, or of another instrument's making.
    """
    origin = snapshot.content.origin
    if (sentence := difference(snapshot, settings)) is not None:
        raise SnapshotRefused(sentence)
    if origin.model != channel.model.name:
        raise SnapshotRefused(f"the snapshot is of a channel of the model {origin.model}, here it is {channel.model.name}")
    try:
        channel.cell.restore(base64.b64decode(snapshot.content.cell, validate=True))
        restore_state(channel, snapshot.content.channel, now_nanosecond - origin.unix_time_nanosecond)
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotRefused(f"the snapshot was made by another version of the emulator ({error})") from None


def difference(snapshot: Snapshot, settings: CellSettings) -> str | None:
    """Why the cell described by ``settings`` cannot go on from ``snapshot``; ``None`` if it can."""
    origin = snapshot.content.origin
    for what, kept, here in (
        ("geometry", origin.geometry.value, settings.geometry.value),
        ("area_cm2", origin.area_cm2, settings.area_cm2),
        ("hash of parameters", origin.parameters_sha256, parameters_hash(settings)),
    ):
        if kept != here:
            return f"the snapshot is of another cell: its {what} is {kept}, here it is {here}"
    return None


def read(path: Path) -> Snapshot:
    """The snapshot in a file.

    Raises:
        BadInput: there is none, or it is not whole.
    """
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(str(path), f"the snapshot cannot be read ({error.strerror})") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(str(path), f"is not a snapshot: {place + ': ' if place else ''}{first['msg']}") from None
