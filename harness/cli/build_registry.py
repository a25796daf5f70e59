"""The commands about registered builds; the command line puts them into its ``build`` group."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

SiteOption = Annotated[Path, typer.Option("--site", help="The site file.", envvar="HARNESS_SITE", metavar="SITE")]
WhyOption = Annotated[str, typer.Option("--why", help="Why it is corrected; needed once a run has used it.")]
DEFAULT_SITE = Path("site.toml")

console = Console()


def register(app: typer.Typer) -> None:
    """Put the commands into ``app``."""
    app.command("add")(build_add)
    app.command("history")(build_history)


def build_add(
    build: Annotated[str, typer.Argument(help="A ready build's name, or a YAML file.", metavar="BUILD")],
    why: WhyOption = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Register an anode build, or a correction of one as a new revision."""
    from harness.config import load_site  # noqa: PLC0415 - help must not wait for pydantic
    from harness.model.anode import load_build  # noqa: PLC0415
    from harness.store.registry import Registry  # noqa: PLC0415

    described = load_build(build)
    revision = Registry(load_site(site).state_directory).put_build(described, getpass.getuser(), why)
    console.print(f"{described.id} is registered, revision {revision}")


def build_history(
    build: Annotated[str, typer.Argument(help="A registered build's id.", metavar="ID")], site: SiteOption = DEFAULT_SITE
) -> None:
    """Show every revision of a build: when, by whom, why, what changed, and how many runs began with it."""
    from harness.config import load_site  # noqa: PLC0415
    from harness.service.tables import history_table  # noqa: PLC0415
    from harness.store.registry import Registry  # noqa: PLC0415

    revisions = Registry(load_site(site).state_directory).build_history(build)
    console.print(history_table(f"Build {build}", revisions))
