"""What all files written by people share: strict frozen models, quantities as text, and complaints with their place.

A complaint reads ``steps[3].until.voltage_below: "-0,5 V" is not a quantity (decimal comma?)``: the path in the file, what
stands there, and what instead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from harness.errors import BadInput
from harness.model.yaml_text import Plain, complaint, load_mapping
from harness.units import parse_quantity

Model = TypeVar("Model", bound=BaseModel)


class Written(BaseModel):
    """A part of a file written by a person: frozen, and nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def wrong(what: str, place: str = "") -> PydanticCustomError:
    """What a validator raises so that ``what`` becomes the sentence a person reads, about ``place`` below what it validates."""
    return PydanticCustomError("written", "{what}", {"what": what, "place": place})


def _in(unit: str) -> Callable[[object], float]:
    def parse(text: object) -> float:
        try:
            return parse_quantity(text, unit)
        except BadInput as bad:
            raise wrong(bad.what) from None

    return parse


Volt = Annotated[float, BeforeValidator(_in("V"))]
Ampere = Annotated[float, BeforeValidator(_in("A"))]
Fraction = Annotated[float, BeforeValidator(_in(""))]


def validated(model: type[Model], data: object, source: str) -> Model:
    """``data`` as ``model``, or `BadInput` about the first thing in it that is wrong, located below ``source``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise complaint(error, data, source) from None


def json_of(written: BaseModel) -> str:
    """``written`` as one line of JSON, of which ``model_validate_json`` makes an equal one. What has its default is left out."""
    # Without warnings: pydantic takes a value that a plain validator made for an unexpected one, and writes it right.
    return written.model_dump_json(by_alias=True, exclude_defaults=True, warnings=False)


def read_yaml(path: Path) -> dict[str, Plain]:
    """What a YAML file written by a person holds, or `BadInput` with the place."""
    try:
        return load_mapping(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise BadInput(str(path), f"the file cannot be read ({error.strerror}); name an existing one") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "this is not UTF-8 text") from None
