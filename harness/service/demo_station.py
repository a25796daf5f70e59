"""The demo's station: a scenario, a site file, registered cells, and the emulator as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from harness.config import Site, load_site
from harness.errors import BadInput, HarnessError
from harness.service.fleet import FLEET, INSTRUMENTS, build_of, emulated
from harness.store.registry import Registry

SCALE = 2500.0
"""Emulated seconds per second: ten cycles of the slowest cell in about a minute."""
PLANNED = timedelta(days=30)
"""How far in the past the demo's time begins, so that no stamp lies in the future."""
START_SECOND = 60.0
_MARKER = ".demo"
_OFFSET = 0.0002
_ADC_BITS = 16


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a person may choose."""

    cycles: int
    exit_when_done: bool
    report: Path | None
    directory: Path
    port: int
    ideal: bool


def check(options: DemoOptions) -> None:
    """Refuse at once what would fail only at the end."""
    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise BadInput("--report", f"the folder of {options.report} does not exist; make it first")
    try:
        with socket.create_server(("127.0.0.1", options.port)):
            pass
    except OSError as error:
        raise BadInput(
            "--port", f"port {options.port} cannot be used ({os.strerror(error.errno or 0)}); choose another"
        ) from None


def fresh_directory(directory: Path) -> Path:
    """An empty directory for a demo, in place of an earlier demo's."""
    if directory.exists():
        if not (directory / _MARKER).exists():
            raise BadInput("--directory", f"{directory} exists and is no demo station; name another or remove it")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / _MARKER).touch()
    return directory.absolute()


@asynccontextmanager
async def emulator(directory: Path, origin: datetime, *, ideal: bool) -> AsyncIterator[dict[str, dict[str, str]]]:
    """The emulator as a process; yields each channel's address and serial number."""
    scenario, ports = directory / "scenario.yaml", directory / "ports.json"
    scenario.write_text(json.dumps(_scenario(origin, ideal=ideal), indent=2), encoding="utf-8")
    arguments = ("-m", "emulator", str(scenario), "--ports", str(ports))
    with (directory / "emulator.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=output, stderr=output, start_new_session=True
        )
    try:
        async with asyncio.timeout(START_SECOND):
            while not ports.exists():
                if process.returncode is not None:
                    raise HarnessError(f"the emulator ended with status {process.returncode}; see {directory / 'emulator.log'}")
                await asyncio.sleep(0.05)
        yield json.loads(ports.read_text(encoding="utf-8"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _scenario(origin: datetime, *, ideal: bool) -> dict[str, object]:
    return {
        "seed": 1,
        "clock": {"scale": SCALE, "start": (origin - PLANNED).isoformat(), "origin": origin.isoformat()},
        "truth": {"file": "truth.jsonl"},
        "instruments": [
            {
                "serial": serial,
                "model": "es4_hr",
                "imperfections": "none" if ideal else {"offset": _OFFSET, "gain": 0.0, "adc_bits": _ADC_BITS},
                "channels": [
                    {"name": one.channel, "listen": "tcp", "cell": emulated(one)} for one in FLEET if one.instrument == serial
                ],
            }
            for serial in INSTRUMENTS
        ],
    }


def write_site(directory: Path, ports: dict[str, dict[str, str]], origin: datetime, options: DemoOptions) -> Site:
    """The site file of the emulated channels at ``ports``."""
    path = directory / "site.toml"
    lines = [
        'station = "demo"',
        "[clock]",
        f"scale = {SCALE}",
        f"start = {(origin - PLANNED).isoformat()}",
        f"origin = {origin.isoformat()}",
        "[serve]",
        f"port = {options.port}",
    ]
    for one in FLEET:
        port = ports[one.channel]
        lines += [
            "[[channel]]",
            f'name = "{one.channel}"',
            'driver = "methodscript"',
            f'url = "{port["url"]}"',
            f'serial = "{port["serial"]}"',
            'window = ["-1 V", "4.6 V"]',
            'current = "10 mA"',
        ]
        offset = 0.0 if options.ideal else _OFFSET * 100
        lines.append(f'accuracy = {{ offset = "{offset:g} %", gain = "0 %" }}')
        if not options.ideal:
            lines.append(f"adc_bits = {_ADC_BITS}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_site(path)


def register(site: Site) -> None:
    """Register the demo's cells and their builds."""
    registry = Registry(site.state_directory)
    for one in FLEET:
        registry.put_build(build_of(one), "demo")
        registry.put_cell(one.cell, "demo")
