"""The emulator's command line: which words it takes, and what each starts."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from emulator.clocks.quiet import QuietLoop
from emulator.scenario.file import read_scenario
from emulator.scenario.library import directory_for, find_scenario, ready_scenarios
from emulator.server import serve
from emulator.snapshots import branch
from emulator.wire_log import replay
from harness.errors import BadInput
from harness.model.yaml_text import located

_COMMANDS = ("serve", "replay", "branch", "generate")
_EPILOG = """\
examples:
  python -m emulator scenario.yaml --ports ports.json       serve a scenario until Ctrl-C (serve is the default)
  python -m emulator serve scenario.yaml --record wire/     … and write down every byte
  python -m emulator serve scenario.yaml --blind            … and keep the truth sealed until the end
  python -m emulator replay wire/a1.jsonl                   be the instrument of a recorded conversation
  python -m emulator replay wire/a1.jsonl --as-client URL   be its host, and compare what is answered
  python -m emulator branch scenario.yaml a1.snapshot       a scenario that goes on from a snapshot
  python -m emulator generate scenario.yaml --out DIR       files instead of ports

The exit status is 0 after a signal or a faithful replay, 1 after one that was not, and 2 for input that cannot be used.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] not in (*_COMMANDS, "-h", "--help"):
        words.insert(0, "serve")
    given = _parser().parse_args(words)
    try:
        return int(given.act(given))
    except (BadInput, OSError) as bad:
        print(bad, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator",
        description="Potentiostats with lithium cells on them, behind real ports, whose truth is known.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(commands.add_parser("serve", help="serve a scenario until Ctrl-C (the default)"))
    _add_replay(commands.add_parser("replay", help="serve a wire log, or play its host"))
    _add_branch(commands.add_parser("branch", help="write a scenario that goes on from a snapshot"))
    _add_generate(commands.add_parser("generate", help="write what a scenario's cells would give, without any port"))
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", help=f"the scenario's YAML file, or one of {', '.join(ready_scenarios())}")
    parser.add_argument(
        "--ports", type=Path, metavar="FILE", help="where to write the addresses of channels and control port, as JSON (0600)"
    )
    parser.add_argument("--record", type=Path, metavar="DIR", help="write a wire log of every channel into this directory")
    parser.add_argument("--blind", action="store_true", help="show no truth before the end, on no way")
    parser.set_defaults(act=_serve)


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", type=Path, help="a wire log")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="the port to serve on (default: a free one)")
    parser.add_argument("--as-client", metavar="URL", help="play the host's side against socket://HOST:PORT instead")
    parser.set_defaults(act=_replay)


def _add_branch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", type=Path, help="the scenario to branch from")
    parser.add_argument("snapshots", type=Path, nargs="+", metavar="SNAPSHOT", help="files that the control port gave")
    parser.add_argument("--channel", metavar="NAME", help="the channel one snapshot is for (default: the one it came from)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: standard output)")
    parser.set_defaults(act=_branch)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", help="the scenario's YAML file, or a ready one that has a schedule, like nominal")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write the files")
    parser.set_defaults(act=_generate)


def _serve(given: argparse.Namespace) -> int:
    started = time.time_ns()
    path = find_scenario(given.scenario)
    scenario, directory = read_scenario(path), directory_for(path)
    try:
        _until_signalled(serve(scenario, directory, given.ports, _say, started, blind=given.blind, record=given.record))
    except BadInput as bad:
        raise BadInput(located(bad.where, str(path)), bad.what) from None
    return 0


def _replay(given: argparse.Namespace) -> int:
    if given.as_client is not None:
        return asyncio.run(replay.play_host(given.log, given.as_client, _say))
    outcome = replay.Outcome()
    _until_signalled(replay.play_instrument(given.log, given.listen, _say, outcome))
    return 0 if outcome.faithful else 1


def _branch(given: argparse.Namespace) -> int:
    text = branch.branched(given.scenario, given.snapshots, given.channel, given.out)
    if given.out is None:
        print(text, end="")
    else:
        given.out.write_text(text, encoding="utf-8")
    return 0


def _generate(given: argparse.Namespace) -> int:
    from emulator.generation import generate  # noqa: PLC0415 - only this command pays for it

    for line in generate.run(find_scenario(given.scenario), given.out).lines(given.out):
        _say(line)
    return 0


def _until_signalled(life: Coroutine[Any, Any, None]) -> None:
    """Run until it ends by itself, or SIGTERM or SIGINT ends it."""
    with asyncio.Runner(loop_factory=QuietLoop) as runner:
        runner.run(_ended_by_signals(life))


async def _ended_by_signals(life: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    living = loop.create_task(life, name="life")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, living.cancel)
    try:
        await living
    except asyncio.CancelledError:
        return


def _say(line: str) -> None:
    print(line, flush=True)
