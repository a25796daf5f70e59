"""InfluxQL of a Grafana panel: the target that grafana-foundation-sdk lacks, and a condition on derived rows. No panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE = DataSourceRef(type_val="influxdb", uid="${datasource}")
"""The dashboard's own variable: the same JSON works with any InfluxDB data source."""


@dataclass(frozen=True)
class InfluxQuery(Dataquery):
    """A raw InfluxQL query. ``table`` gives one frame with the tags as columns, ``time_series`` one frame per column."""

    ref_id: str
    query: str
    result_format: Literal["table", "time_series"]
    alias: str = ""

    def to_json(self) -> dict[str, object]:
        """The object that Grafana's InfluxDB data source reads."""
        payload: dict[str, object] = {
            "datasource": DATASOURCE,
            "query": self.query,
            "rawQuery": True,
            "refId": self.ref_id,
            "resultFormat": self.result_format,
        }
        if self.alias:
            payload["alias"] = self.alias
        return payload


@dataclass(frozen=True)
class Target(Builder[Dataquery]):
    """The builder the SDK's panels ask for."""

    of: InfluxQuery

    def build(self) -> Dataquery:
        """The query itself."""
        return self.of


def given(field: str) -> str:
    """The condition that a derived row still has ``field``: InfluxDB cannot forget one that was withdrawn, its row names it."""
    return f'"absent" !~ /\\b{field}\\b/'


def table(query: str, ref_id: str = "A") -> Target:
    """``query`` as one frame: numeric columns, and the tags of GROUP BY as string columns."""
    return Target(InfluxQuery(ref_id, query, "table"))


def series(query: str, alias: str = "", ref_id: str = "A") -> Target:
    """``query`` as one time series per column and tag set, named by ``alias`` (``$tag_cell``)."""
    return Target(InfluxQuery(ref_id, query, "time_series", alias))
