"""One channel on the control port: its truth, and its whole state out and in."""

from __future__ import annotations

import json
from typing import Any

import pydantic
from aiohttp import web
from pydantic import Field

from emulator.clocks.clock import Clock
from emulator.control_port.words import Refusal, asked
from emulator.snapshots import snapshot
from emulator.station import Station
from harness.model.written import Written


class SnapshotWanted(Written):
    """When: as soon as no program runs, and so many deposits have been made and taken off again."""

    deposits: int | None = Field(default=None, ge=0)


class BranchWanted(Written):
    """Which channel goes on from this one's state."""

    onto: str


def add_channel_routes(
    application: web.Application, seed: int, clock: Clock, stations: dict[str, Station], *, blind: bool
) -> None:
    """Put everything under ``/channel`` into ``application``."""
    routes = _ChannelRoutes(seed, clock, stations, blind=blind)
    application.router.add_get("/channel/{channel}/truth", routes.truth)
    application.router.add_post("/channel/{channel}/snapshot", routes.take)
    application.router.add_post("/channel/{channel}/restore", routes.restore)
    application.router.add_post("/channel/{channel}/branch", routes.branch)


class _ChannelRoutes:
    """The requests, and what they are about."""

    def __init__(self, seed: int, clock: Clock, stations: dict[str, Station], *, blind: bool) -> None:
        self._seed = seed
        self._clock = clock
        self._stations = stations
        self._blind = blind

    async def truth(self, request: web.Request) -> web.Response:
        station = self._station(request.match_info["channel"])
        self._refuse_if_blind()
        channel = station.session.channel
        return web.json_response(
            {
                "channel": channel.name,
                "cell": channel.cell_name,
                "reached_nanosecond": channel.now_nanosecond,
                "polarised": channel.polarised,
                "current_ampere": channel.current,
                "net_charge_coulomb": channel.cell.net_coulomb,
                **channel.cell.latent(),
            }
        )

    async def take(self, request: web.Request) -> web.Response:
        station = self._station(request.match_info["channel"])
        self._refuse_if_blind()
        wanted = await asked(request, SnapshotWanted)
        await station.session.rested(lambda: wanted.deposits is None or _has_behind_it(station, wanted.deposits))
        return web.json_response(text=snapshot.text_of(self._taken(station)))

    async def restore(self, request: web.Request) -> web.Response:
        station = self._station(request.match_info["channel"])
        try:
            given = snapshot.Snapshot.model_validate_json(await request.read())
        except pydantic.ValidationError as error:
            raise Refusal(422, f"this is not a snapshot: {error.errors()[0]['msg']}") from None
        return self._given(station, given)

    async def branch(self, request: web.Request) -> web.Response:
        station = self._station(request.match_info["channel"])
        onto = self._station((await asked(request, BranchWanted)).onto)
        self._refuse_if_busy(station)
        return self._given(onto, self._taken(station))

    def _taken(self, station: Station) -> snapshot.Snapshot:
        return snapshot.take(station.session.channel, station.settings.cell, self._seed)

    def _given(self, station: Station, given: snapshot.Snapshot) -> web.Response:
        self._refuse_if_busy(station)
        snapshot.restore(given, station.session.channel, station.settings.cell, self._clock.now_nanosecond())
        told: dict[str, Any] = json.loads(given.content.origin.model_dump_json())
        return web.json_response({"channel": station.name, "from": told if not self._blind else given.content.origin.channel})

    def _station(self, name: str) -> Station:
        if name not in self._stations:
            raise Refusal(404, f'there is no channel "{name}" (known: {", ".join(self._stations)})')
        return self._stations[name]

    def _refuse_if_blind(self) -> None:
        if self._blind:
            raise Refusal(403, "this emulator is blind: the truth is sealed until it ends")

    def _refuse_if_busy(self, station: Station) -> None:
        if station.session.running.is_set():
            raise Refusal(409, f"a program runs on channel {station.name}; wait for its end, or abort it")


def _has_behind_it(station: Station, deposits: int) -> bool:
    """Whether the cell has had so many deposits, and the last current took one off."""
    channel = station.session.channel
    return channel.cell.tracked().deposits >= deposits and channel.ledger.account.removed_last
