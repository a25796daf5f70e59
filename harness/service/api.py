"""The data server's routes: frames out, three commands in. What a route answers, not how the server is run.

Frames are JSON (an array of objects) unless the client accepts Arrow, in which case they are one IPC stream with exactly the
columns that `harness.store.base` declares. Every error is ``{"detail": "<one sentence>"}``.
"""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Protocol

import polars as pl
from fastapi import APIRouter, FastAPI, Header, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from harness.errors import BadInput, HarnessError, Refused
from harness.model.status import StationStatus
from harness.service.readers import StoreReaders
from harness.store.base import ALL_SEQ, Store

ARROW = "application/vnd.apache.arrow.stream"
TOKEN_HEADER = "X-Harness-Token"  # noqa: S105 - the name of the header, not a secret
MORE_ROWS_HEADER = "X-More-Rows"
JSON_ROWS = 10_000
"""How many rows a JSON answer has at most when the client sets no limit; Arrow answers are whole."""


class Control(Protocol):
    """The daemon, as the data server sees it."""

    async def status(self) -> StationStatus:
        """The station now."""

    async def pause(self, run_id: str, who: str) -> None:
        """Open the cell and keep the schedule's place."""

    async def resume(self, run_id: str, who: str) -> None:
        """Go on where the schedule was paused."""

    async def stop(self, run_id: str, who: str) -> None:
        """End the run and open the cell."""


class Action(StrEnum):
    """What a person may do to a run from here."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class CommandBody(BaseModel):
    """Who commands: it is written into the run's incidents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Annotated[str, Field(min_length=1, max_length=64)] = "http"


class CommandAccepted(BaseModel):
    """The daemon has carried the command out."""

    run_id: str
    action: Action


class Complaint(BaseModel):
    """Why there is no answer, in one sentence."""

    detail: str


RunId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
Runs = Annotated[list[RunId] | None, Query(description="Run ids, repeated; all runs when absent.")]
Limit = Annotated[int | None, Query(ge=1, description=f"At most so many rows; for JSON {JSON_ROWS} unless given.")]
Accept = Annotated[str, Header(include_in_schema=False)]

FRAME_RESPONSES: dict[int | str, dict[str, object]] = {
    200: {
        "description": "One row per object, columns as in harness.store.base. Stamps are integer nanoseconds, beyond the "
        "integers that JavaScript holds exactly.",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}, ARROW: {}},
        "headers": {MORE_ROWS_HEADER: {"description": "true when the limit cut rows off", "schema": {"type": "boolean"}}},
    },
    422: {"description": "A parameter is not usable.", "model": Complaint},
    503: {"description": "The store does not answer.", "model": Complaint},
}
COMMAND_RESPONSES: dict[int | str, dict[str, object]] = {
    403: {"description": "The token is missing or not this session's.", "model": Complaint},
    409: {"description": "The daemon refuses the command now; nothing was done.", "model": Complaint},
    503: {"description": "The daemon does not answer.", "model": Complaint},
}


def add_routes(app: FastAPI, readers: StoreReaders, control: Control, token: str) -> None:
    """Put everything under ``/api`` into ``app``, and one-sentence errors."""
    for router in (_frame_routes(readers), _run_frame_routes(readers), _control_routes(control, token)):
        app.include_router(router, prefix="/api")
    app.add_exception_handler(HarnessError, _harness_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)


def cells_of(runs: pl.DataFrame) -> pl.DataFrame:
    """One row per cell from the frame of runs (`harness.store.base.RUNS`): its facts at its last run, and how often it ran.

    ``running_on`` is the channel of a run that lasts, null when there is none. The station's own runs have no cell.
    """
    return (
        runs.filter(pl.col("geometry").is_not_null())
        .sort("started_nanosecond")
        .group_by("cell", maintain_order=True)
        .agg(
            pl.col("build", "geometry", "area_cm2", "nominal_capacity_ah", "description").last(),
            pl.len().cast(pl.Int64).alias("runs"),
            pl.col("started_nanosecond").first().alias("first_started_nanosecond"),
            pl.col("run_id").last().alias("last_run_id"),
            pl.col("channel").filter(pl.col("ended_nanosecond").is_null()).last().alias("running_on"),
        )
        .sort("cell")
    )


def _frame_routes(readers: StoreReaders) -> APIRouter:
    """The tables that are asked for whole."""
    router = APIRouter(tags=["frames"], responses=FRAME_RESPONSES)

    @router.get("/runs", summary="Every run")
    async def runs(limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.runs(), limit, accept)

    @router.get("/cells", summary="Every cell that has run")
    async def cells(limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: cells_of(store.runs()), limit, accept)

    @router.get("/samples", summary="DC readings of runs")
    async def samples(
        run: Annotated[list[RunId], Query(min_length=1, description="Run ids, repeated.")],
        after_seq: Annotated[int, Query(ge=ALL_SEQ, description="Only rows with a higher seq.")] = ALL_SEQ,
        limit: Limit = None,
        accept: Accept = "",
    ) -> Response:
        return await _frame(readers, lambda store: store.samples(run, after_seq=after_seq), limit, accept)

    return router


def _run_frame_routes(readers: StoreReaders) -> APIRouter:
    """The tables that are asked for by run."""
    router = APIRouter(tags=["frames"], responses=FRAME_RESPONSES)

    @router.get("/documents", summary="What runs pinned whole: schedule, anode build, findings of the claims")
    async def documents(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.documents(_ids(store, run)), limit, accept)

    @router.get("/impedance", summary="Impedance points of runs")
    async def impedance(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.impedance(_ids(store, run)), limit, accept)

    @router.get("/events", summary="What happened in runs: steps, cycles, incidents")
    async def events(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.events(_ids(store, run)), limit, accept)

    @router.get("/cycles", summary="Closed cycles of runs, with efficiencies and their standard deviations")
    async def cycles(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.cycles(_ids(store, run)), limit, accept)

    @router.get("/impedance_fits", summary="Fits of complete sweeps")
    async def impedance_fits(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.impedance_fits(_ids(store, run)), limit, accept)

    @router.get("/half_cycles", summary="Half cycles: overpotentials, arcing, and what speaks for a short")
    async def half_cycles(run: Runs = None, limit: Limit = None, accept: Accept = "") -> Response:
        return await _frame(readers, lambda store: store.half_cycles(_ids(store, run)), limit, accept)

    return router


def _control_routes(control: Control, token: str) -> APIRouter:
    """The station's state, and the three commands."""
    router = APIRouter(tags=["station"])

    @router.get("/status", summary="The station now", responses={503: COMMAND_RESPONSES[503]})
    async def status() -> StationStatus:
        return await control.status()

    @router.post("/runs/{run_id}/{action}", summary="Pause, resume or stop a run", responses=COMMAND_RESPONSES)
    async def command(
        run_id: Annotated[RunId, Path()],
        action: Action,
        body: CommandBody | None = None,
        x_harness_token: Annotated[str, Header(description="This session's token, embedded in the live page.")] = "",
    ) -> CommandAccepted:
        if not hmac.compare_digest(x_harness_token.encode(), token.encode()):
            raise HTTPException(403, f"Commands need this session's token in the header {TOKEN_HEADER}; reload the live page.")
        who = (body or CommandBody()).who
        match action:
            case Action.PAUSE:
                await control.pause(run_id, who)
            case Action.RESUME:
                await control.resume(run_id, who)
            case Action.STOP:
                await control.stop(run_id, who)
        return CommandAccepted(run_id=run_id, action=action)

    @router.get("/{path:path}", include_in_schema=False)
    async def unknown(path: str) -> Response:
        raise HTTPException(404, f"There is no /api/{path}; /docs lists what there is.")

    return router


def _ids(store: Store, run: list[str] | None) -> list[str]:
    return store.runs()["run_id"].to_list() if run is None else run


async def _frame(readers: StoreReaders, question: Callable[[Store], pl.DataFrame], limit: int | None, accept: str) -> Response:
    """Ask and encode, both in the store's thread: encoding a million rows takes longer than reading them."""
    arrow = ARROW in accept
    rows = limit if limit is not None or arrow else JSON_ROWS

    def answer(store: Store) -> Response:
        frame = question(store)
        more = rows is not None and frame.height > rows
        headers = {MORE_ROWS_HEADER: "true" if more else "false", "Cache-Control": "no-store"}
        cut = frame if rows is None else frame.head(rows)
        return Response(_encoded(cut, arrow=arrow), media_type=ARROW if arrow else "application/json", headers=headers)

    return await readers.ask(answer)


def _encoded(frame: pl.DataFrame, *, arrow: bool) -> bytes:
    if not arrow:
        return frame.write_json().encode()
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


async def _harness_error(_: Request, error: Exception) -> JSONResponse:
    match error:
        case Refused():
            status = 409
        case BadInput():
            status = 422
        case _:
            status = 503
    return _complaint(status, str(error))


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _complaint(422, f"{where}: {first['msg']}.")


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, StarletteHTTPException):
        raise error
    return _complaint(error.status_code, str(error.detail))


def _complaint(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers={"Cache-Control": "no-store"})
