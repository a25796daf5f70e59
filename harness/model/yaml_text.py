"""YAML written by a person, read narrowly: text → plain mappings, lists, text and whole numbers, or one complaint.

YAML can do far more than a file of ours needs, and most of it surprises people: ``no`` becomes false, ``1:30`` becomes 90,
an alias makes a gigabyte of a kilobyte, the second of two equal keys wins in silence. Here everything that is not a whole
number, true, false or nothing stays text, and what is surprising is refused. This module knows no schedules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml
from pydantic import ValidationError

from harness.errors import BadInput

LARGEST_BYTES = 1 << 20
DEEPEST_NESTING = 40
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]
"""What a file can hold."""


def load_mapping(text: str, source: str = "") -> dict[str, Plain]:
    """The mapping that ``text`` holds at its top level.

    Raises:
        BadInput: over 1 MiB, not YAML, aliases, anchors, tags, equal or non-text keys, too deeply nested, or not a mapping.
    """
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_BYTES:
        raise BadInput(source, "it is over 1 MiB; a file written by a person is shorter")
    try:
        loaded = _NarrowLoader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = source if mark is None else _at(source, mark.line, mark.column)
        raise BadInput(where, f"it is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInput(source, f"it is not YAML: {' '.join(str(error).split())}") from None
    except _Refused as refused:
        raise BadInput(_at(source, refused.line, refused.column), refused.what) from None
    if not isinstance(loaded, dict):
        raise BadInput(source, "it must hold keys and values at the top level")
    return loaded


def complaint(error: ValidationError, data: object, source: str = "") -> BadInput:
    """The first complaint of pydantic about ``data`` as one sentence with its path in the file."""
    first = error.errors(include_url=False)[0]
    path = _path(first["loc"], data)
    kind, context = first["type"], first.get("ctx", {})
    if place := context.get("place"):
        path = joined(path, place) if not str(place).startswith("[") else f"{path}{place}"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        path = f"{path}.{str(context['discriminator']).strip(chr(39))}"
    return BadInput(located(path, source), _sentence(kind, first["msg"], first["input"], context))


def located(path: str, source: str) -> str:
    """``path`` within ``source``: ``li-cu.yaml: steps[3].until``."""
    return ": ".join(part for part in (source, path) if part)


def joined(*parts: str | int) -> str:
    """``steps[3].until`` of ``"steps", 3, "until"``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts if part != "").removeprefix(".")


class _Refused(Exception):
    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what)
        self.line = line
        self.column = column
        self.what = what


class _NarrowLoader(yaml.SafeLoader):
    """The safe loader without aliases, anchors, tags and guesses."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the loader's own protocol: a table on the class

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases (& and *) are not used here; write the value out", event)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags (!) are not used here; put text that begins with ! into quotes", event)
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise _refused(f"it is nested more than {DEEPEST_NESTING} deep", event)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and _NO_TEXT.search(node.value):
            raise _refused("a NUL, or half of a character (\\ud800 to \\udfff), is no text", node)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Plain]:  # type: ignore[override]  # noqa: FBT001, FBT002
        made: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                hint = " (decimal comma?)" if node.flow_style and key_node.tag == "tag:yaml.org,2002:int" else ""
                raise _refused(f"a key must be text{hint}", key_node)
            key = str(key_node.value)
            if key in made:
                raise _refused(f'the key "{key}" stands there twice', key_node)
            made[key] = self.construct_object(value_node, deep=deep)
        return made


for _tag, _pattern, _firsts in (
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,14})\Z"), "-+0123456789"),
    ("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), "tf"),
    ("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)\Z"), "~n"),
):
    _NarrowLoader.add_implicit_resolver(_tag, _pattern, [*_firsts, *([""] if "null" in _tag else [])])


def _refused(what: str, place: yaml.Event | yaml.Node) -> _Refused:
    mark = place.start_mark
    return _Refused(what, mark.line if mark else 0, mark.column if mark else 0)


def _at(source: str, line: int, column: int) -> str:
    return located(f"line {line + 1}, column {column + 1}", source)


def _path(location: Sequence[str | int], data: object) -> str:
    """The path as it stands in the file: pydantic also names the kind of a step and the form of a value, which are no keys."""
    parts: list[str | int] = []
    here: object = data
    fresh = False
    for place, part in enumerate(location):
        if fresh and isinstance(here, Mapping) and here.get("step") == part:
            fresh = False
            continue
        if isinstance(part, str) and _is_no_key(part, here, last=place == len(location) - 1):
            continue
        parts.append(part)
        fresh = isinstance(part, int)
        here = _within(here, part)
    return joined(*parts)


def _is_no_key(part: str, here: object, *, last: bool) -> bool:
    """Whether ``part`` names one of several forms that ``here`` could have: no text has keys, and only a last key is missing."""
    if isinstance(here, Mapping):
        return part not in here and not last
    return isinstance(here, str | int)


def _within(here: object, part: str | int) -> object:
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, Sequence) and not isinstance(here, str) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _sentence(kind: str, message: str, found: object, context: Mapping[str, object]) -> str:
    match kind:
        case "extra_forbidden":
            sentence = "this key is not known here; check its spelling"
        case "missing":
            sentence = "it is missing and has no default"
        case "written" | "value_error":
            sentence = message.removeprefix("Value error, ")
        case "union_tag_not_found":
            sentence = "it is missing; every step says what kind it is"
        case "union_tag_invalid":
            kinds = str(context["expected_tags"]).replace("'", "")
            sentence = f'"{context["tag"]}" is not a kind of step; use one of {kinds}'
        case "list_type" | "tuple_type":
            sentence = f"{_shown(found)} does not fit; it should be a list"
        case "float_parsing":
            hint = " (decimal comma?)" if "," in str(found) else ""
            sentence = f"{_shown(found)} is not a number{hint}"
        case "model_attributes_type" | "model_type" | "dict_type":
            sentence = f"{_shown(found)} does not fit; it should hold keys and values"
        case _:
            sentence = f"{_shown(found)} does not fit: {message[:1].lower()}{message[1:]}"
    return sentence


def _shown(found: object) -> str:
    shown = f'"{found}"' if isinstance(found, str) else repr(found)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
