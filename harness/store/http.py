"""A store at the other end of a data server: frames come as Arrow over HTTP."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import httpx
import polars as pl
from polars.exceptions import PolarsError

from harness.errors import StoreError
from harness.store.base import ALL_SEQ, CYCLES, DOCUMENTS, EVENTS, HALF_CYCLES, IMPEDANCE, IMPEDANCE_FITS, RUNS, SAMPLES

ARROW_STREAM = "application/vnd.apache.arrow.stream"
_TIMEOUT_SECOND = 120.0


class HttpStore:
    """The data server at ``url``. One connection is kept open; ``token`` is sent as a bearer token where the server has users."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Accept": ARROW_STREAM} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        # A lab's data server is on its own network: a proxy for the internet would not find it.
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT_SECOND, trust_env=False)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def runs(self) -> pl.DataFrame:
        """Every run, as `RUNS`."""
        return self._get("/api/runs", {}, RUNS)

    def documents(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What ``run_ids`` pinned whole, as `DOCUMENTS`."""
        return self._of_runs("/api/documents", run_ids, DOCUMENTS)

    def samples(self, run_ids: Sequence[str], *, after_seq: int = ALL_SEQ) -> pl.DataFrame:
        """The samples of ``run_ids`` above ``after_seq``, as `SAMPLES`."""
        extra = {} if after_seq == ALL_SEQ else {"after_seq": str(after_seq)}
        return self._of_runs("/api/samples", run_ids, SAMPLES, extra)

    def impedance(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance points of ``run_ids``, as `IMPEDANCE`."""
        return self._of_runs("/api/impedance", run_ids, IMPEDANCE)

    def events(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """What happened in ``run_ids``, as `EVENTS`."""
        return self._of_runs("/api/events", run_ids, EVENTS)

    def cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The cycles of ``run_ids``, as `CYCLES`."""
        return self._of_runs("/api/cycles", run_ids, CYCLES)

    def impedance_fits(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The impedance fits of ``run_ids``, as `IMPEDANCE_FITS`."""
        return self._of_runs("/api/impedance_fits", run_ids, IMPEDANCE_FITS)

    def half_cycles(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The half cycles of ``run_ids``, as `HALF_CYCLES`."""
        return self._of_runs("/api/half_cycles", run_ids, HALF_CYCLES)

    def _of_runs(
        self, path: str, run_ids: Sequence[str], schema: pl.Schema, extra: Mapping[str, str] | None = None
    ) -> pl.DataFrame:
        if not run_ids:
            return schema.to_frame()
        return self._get(path, {"run": list(run_ids), **(extra or {})}, schema)

    def _get(self, path: str, parameters: Mapping[str, str | list[str]], schema: pl.Schema) -> pl.DataFrame:
        try:
            answer = self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise StoreError(self.url, f"the data server did not answer {path} ({error}); check that it runs") from error
        if answer.status_code != httpx.codes.OK:
            raise StoreError(self.url, f"{path} was answered with HTTP {answer.status_code}: {answer.text[:500]}")
        frame = self._decoded(path, answer)
        if frame.schema != schema:
            raise StoreError(self.url, f"{path} answered with other columns than this software knows; use the same version")
        return frame

    def _decoded(self, path: str, answer: httpx.Response) -> pl.DataFrame:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        try:
            if kind == ARROW_STREAM:
                return pl.read_ipc_stream(io.BytesIO(answer.content))
            if kind == "application/vnd.apache.parquet":
                return pl.read_parquet(io.BytesIO(answer.content))
        except (PolarsError, OSError) as error:
            raise StoreError(self.url, f"{path} answered with an unreadable frame ({error})") from error
        raise StoreError(self.url, f'{path} answered with "{kind}" instead of a frame; check that this is a data server')
