"""``FACT=VALUE``: what may be written, and that it is no argument of a question."""

from __future__ import annotations

import inspect

import pytest

from harness.cli.facts import parse_facts
from harness.errors import BadInput
from harness.query import COLUMNS, Lab


def test_facts_are_collected() -> None:
    """A fact given again allows another value; only the first sign of equality divides."""
    assert parse_facts([]) == {}
    given = ["cell=sym-1", "batch=a=b", "cell=sym-2", "replicate="]
    assert parse_facts(given) == {"cell": ["sym-1", "sym-2"], "batch": ["a=b"], "replicate": [""]}


@pytest.mark.parametrize("name", ["baseline", "by", "self", "metric", "at_cycle", "claim", "verdict", "facts", "Cell"])
def test_what_is_no_column_is_refused_with_the_columns(name: str) -> None:
    """Arguments of the questions are no facts."""
    with pytest.raises(BadInput) as caught:
        parse_facts([f"{name}=1"])
    assert str(caught.value) == f'--where: cells have no column "{name}"; they have {", ".join(COLUMNS)}'


@pytest.mark.parametrize("text", ["batch", "=3", "", "="])
def test_what_is_no_fact_is_refused(text: str) -> None:
    """Both sides of the sign, and the sign."""
    with pytest.raises(BadInput, match="is not FACT=VALUE"):
        parse_facts([text])


@pytest.mark.parametrize("question", [Lab.cells, Lab.compare, Lab.lithium])
def test_no_column_is_an_argument_of_a_question(question: object) -> None:
    """Else a fact would be taken for it."""
    assert not set(COLUMNS) & set(inspect.signature(question).parameters)  # type: ignore[arg-type]
