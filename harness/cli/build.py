"""The commands about anode builds: which claims they meet, and how two of them differ. They touch no station."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

build_app = typer.Typer(no_args_is_help=True, help="Anode builds: what the claims say of them, and how they differ.")

console = Console()

BuildArgument = Annotated[str, typer.Argument(help="A ready build's name, or a YAML file.", metavar="BUILD")]


@build_app.command("check")
def build_check(
    build: BuildArgument,
    *,
    show_parameters: Annotated[bool, typer.Option("--parameters", help="Also show what it means for a cell.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide the twenty claims for a build: meets, does not, or cannot tell, each with the reason."""
    from harness.model.anode import load_build  # noqa: PLC0415 - help must not wait for pydantic
    from harness.model.anode_parameters import anode_parameters  # noqa: PLC0415
    from harness.model.claims import assess  # noqa: PLC0415
    from harness.service.build_tables import parameter_tables, verdict_json, verdict_table  # noqa: PLC0415

    loaded = load_build(build)
    if as_json:
        print(verdict_json(loaded, assess(loaded), anode_parameters(loaded)))
        return
    console.print(verdict_table(loaded, assess(loaded)))
    for table in parameter_tables(anode_parameters(loaded)) if show_parameters else ():
        console.print()
        console.print(table)


@build_app.command("diff")
def build_diff(
    before: Annotated[str, typer.Argument(help="A ready build's name, or a YAML file.", metavar="A")],
    after: Annotated[str, typer.Argument(help="Another one.", metavar="B")],
) -> None:
    """Show what differs between two builds, and which verdicts and cell parameters change with it."""
    from harness.model.anode import load_build  # noqa: PLC0415
    from harness.model.build_difference import difference  # noqa: PLC0415
    from harness.service.build_tables import difference_tables  # noqa: PLC0415

    first, second = load_build(before), load_build(after)
    for table in difference_tables(first, second, difference(first, second)):
        console.print(table)
        console.print()


@build_app.command("list")
def build_list() -> None:
    """List the builds that come with the harness, and the claims each meets."""
    from harness.model.anode import load_build, ready_builds  # noqa: PLC0415
    from harness.model.claims import assess  # noqa: PLC0415
    from harness.service.build_tables import build_list as table_of  # noqa: PLC0415

    loaded = map(load_build, ready_builds())
    console.print(table_of((build, assess(build)) for build in loaded))


@build_app.command("show")
def build_show(name: Annotated[str, typer.Argument(help="A ready build's name.", metavar="NAME")]) -> None:
    """Print a ready build's YAML, to copy."""
    from harness.model.anode import ready_build  # noqa: PLC0415

    print(ready_build(name), end="")
