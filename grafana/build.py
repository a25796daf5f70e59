"""Dashboards as code. ``python -m grafana.build`` writes ``grafana/dashboards/*.json``; ``--check`` compares, writes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.builds import builds
from grafana.cell import cell
from grafana.fleet import fleet

DIRECTORY = Path(__file__).parent / "dashboards"


def built() -> dict[str, str]:
    """File name → JSON of every dashboard; the same bytes on every machine."""
    return {"fleet.json": _encoded(fleet()), "cell.json": _encoded(cell()), "builds.json": _encoded(builds())}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with ``--check`` say which differ; the exit status is 1 if one does."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description="Build Grafana's dashboards.")
    parser.add_argument("--check", action="store_true", help="compare with the files and write nothing")
    checking: bool = parser.parse_args(arguments).check
    stale = [name for name, text in built().items() if _read(DIRECTORY / name) != text]
    if checking:
        for name in stale:
            print(f"{DIRECTORY / name} is not what its source builds; run python -m grafana.build", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (DIRECTORY / name).write_text(built()[name], encoding="utf-8")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _encoded(builder: Dashboard) -> str:
    """Panels get ids by position: without one Grafana invents them, and links to a panel break at each import."""
    dashboard = builder.build()
    payload = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    for index, panel in enumerate(payload["panels"], start=1):
        panel["id"] = index
    return json.dumps(payload, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
