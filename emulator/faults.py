"""What goes wrong on purpose, and when: the scenario's events, each carried out once and told to the truth."""

from __future__ import annotations

from emulator.clock import NANOSECOND, Clock
from emulator.instruments.methodscript.session import Session
from emulator.links import Link
from emulator.scenario.events import Event
from emulator.truth import TruthFile


async def carry_out(
    event: Event, session: Session, link: Link, *, clock: Clock, started_nanosecond: int, truth: TruthFile
) -> None:
    """Wait for the event's moment; do it.

    A runtime error needs a running script; it waits for one.
    """
    await clock.wait_until(started_nanosecond + round(event.at.second * NANOSECOND))
    if event.do == "runtime_error":
        await session.running.wait()
    match event.do:
        case "link_drop":
            link.refuse_for(event.duration_second)
        case "runtime_error":
            if session.execution is not None:
                session.execution.fail(event.code)
        case "stuck_on":
            session.channel.stuck_on = True
        case "release":
            session.channel.stuck_on = False
    truth.append(
        {"kind": "event", "channel": session.channel.name, "do": event.do, "unix_time_nanosecond": clock.now_nanosecond()}
    )
