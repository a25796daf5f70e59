"""YAML is read narrowly, and every refusal is one sentence with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.model.yaml_text import LARGEST_BYTES, load_mapping


def test_load_mapping_keeps_everything_but_counts_and_truth_as_text() -> None:
    """Whole numbers, true, false and nothing are values; all else stays the text its author wrote."""
    text = "a: 100\nb: 1 h\nc: no\nd: 1:30\ne: 2026-01-01\nf: 1e-3\ng: true\nh:\ni: [-0.5 V, 1C]\nj: 0x10\nk: 010\nl: -7\nm: 0\n"
    assert load_mapping(text) == {
        "a": 100, "b": "1 h", "c": "no", "d": "1:30", "e": "2026-01-01", "f": "1e-3", "g": True, "h": None,
        "i": ["-0.5 V", "1C"], "j": "0x10", "k": "010", "l": -7, "m": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "f.yaml: it must hold keys and values at the top level"),
        ("- 1", "f.yaml: it must hold keys and values at the top level"),
        ("a: 1\na: 2", 'f.yaml: line 2, column 1: the key "a" stands there twice'),
        ("a: {b: 1, b: 2}", 'f.yaml: line 1, column 11: the key "b" stands there twice'),
        ("a: &x 1", "f.yaml: line 1, column 4: anchors and aliases (& and *) are not used here; write the value out"),
        ("a: *x", "f.yaml: line 1, column 4: anchors and aliases (& and *) are not used here; write the value out"),
        ("a: !!python/object:os.system x",
         "f.yaml: line 1, column 4: tags (!) are not used here; put text that begins with ! into quotes"),
        ("1: a", "f.yaml: line 1, column 1: a key must be text"),
        ("? [a]\n: b", "f.yaml: line 1, column 3: a key must be text"),
        ("a: " + "[" * 41, "f.yaml: line 1, column 43: it is nested more than 40 deep"),
        ("a: [b", "f.yaml: line 1, column 6: it is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: \x07", "f.yaml: it is not YAML: unacceptable character #x0007: special characters are not allowed"),
    ],
)  # fmt: skip
def test_load_mapping_refuses_with_the_place(text: str, sentence: str) -> None:
    """What is surprising or no YAML is refused, with line and column."""
    with pytest.raises(BadInput) as refused:
        load_mapping(text, "f.yaml")
    assert str(refused.value).startswith(sentence)


def test_load_mapping_refuses_over_a_mebibyte() -> None:
    """One byte over 1 MiB is too much, and 1 MiB is not."""
    fits = "a: " + "b" * (LARGEST_BYTES - 3)
    assert len(str(load_mapping(fits)["a"])) == LARGEST_BYTES - 3
    with pytest.raises(BadInput, match="over 1 MiB"):
        load_mapping(fits + "b")


@given(st.text() | st.text(alphabet="ab:{}[]-,&*!?|>'\"#% \n019.~<="))
def test_load_mapping_raises_nothing_but_bad_input(text: str) -> None:
    """Whatever the text, the answer is a mapping or `BadInput`."""
    try:
        loaded = load_mapping(text)
    except BadInput:
        return
    assert all(isinstance(key, str) for key in loaded)
