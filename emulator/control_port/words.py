"""What the control port's requests share: reading what is asked for, refusing in one sentence."""

from __future__ import annotations

from typing import TypeVar

import pydantic
from aiohttp import web

from harness.model.written import Written

Asked = TypeVar("Asked", bound=Written)


class Refusal(Exception):
    """A request that is not carried out: a status, and one sentence."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


class Nothing(Written):
    """A request that needs no words."""


async def asked(request: web.Request, model: type[Asked]) -> Asked:
    """What a request asks for; an empty body is an empty object.

    Raises:
        Refusal: it is not that.
    """
    body = await request.read() or b"{}"
    try:
        return model.model_validate_json(body)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Refusal(422, f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}") from None
