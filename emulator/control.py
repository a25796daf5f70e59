"""The control port: what a test may ask of the emulator and tell it, in HTTP and JSON on 127.0.0.1, apart from the instruments.

Every request needs the token of the ports file in ``X-Emulator-Token``. Moments are ``…_nanosecond`` (simulated, UTC since 1970).
A refusal is a status of 4xx with ``{"what": "<one sentence>"}``.

::

    GET    /time                                        now, and how time runs
    GET    /status                                      channels, their ports, leases
    GET    /speed                                       `emulator.clock.SpeedReport`
    POST   /advance   {second: 60} | {until_nanosecond} stepped time only; answers when everything up to then has happened
    POST   /lease     {holder, channels?, keep_alive_second?}
    POST   /lease/ID/wait  {until_nanosecond?, traffic?: {channel: [received, sent]}}   answers when the holder has to go on
    POST   /lease/ID/hold                               the holder has something to do; answers with the time, which stands now
    DELETE /lease/ID
    GET    /lease/ID/stream                             the same as WebSocket: `emulator.control_leases`
    GET    /channel/NAME/truth                          latent state, as of the moment the channel has reached     [not blind]
    POST   /channel/NAME/snapshot  {deposit?}           answers with a snapshot as soon as the channel is idle     [not blind]
    POST   /channel/NAME/restore   {snapshot}
    POST   /channel/NAME/branch    {onto}               the state of one channel onto another
    POST   /fault     {channel, do, …}                  begins a fault; answers with its id
    DELETE /fault/ID                                    ends it

A look never moves a cell: how often a client asks changes no sample.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, TypeVar

import pydantic
from aiohttp import web
from pydantic import Field

from emulator.clock import NANOSECOND, Clock
from emulator.control_leases import add_lease_routes
from emulator.control_words import Complaint, Floor, answered, parsed
from emulator.scenario.written import Written
from emulator.snapshot import SnapshotRefused
from emulator.stations import Station
from emulator.virtual_time import SelfAdvancingClock, SteppedClock
from harness.errors import BadInput

TOKEN_HEADER = "X-Emulator-Token"  # noqa: S105 - the name of a header
ENTRY = "@control"
"""Where the ports file has the control port; no channel can be called that."""
