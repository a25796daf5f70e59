"""What the emulator refuses before anything runs, with the instrument's code and place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.instruments.methodscript.codes import ScriptRefused
from emulator.instruments.methodscript.parser import parse_literal, parse_script
from emulator.instruments.methodscript.syntax import If, Literal, Measure, Simple, While

VARIABLES = "var a\nvar b\n"

REFUSED = [
    ("fail", "4001: Line 1, Col 5"),
    ("var a\n  set_nothing 5", "4001: Line 2, Col 14"),
    ("var a\nvar a", "4026: Line 2, Col 6"),
    ("var A", "402B: Line 1, Col 6"),
    ("var 1a", "402B: Line 1, Col 7"),
    ("store_var a 1 ja", "420B: Line 1, Col 12"),
    (VARIABLES + "add_var a c", "420B: Line 3, Col 12"),
    (VARIABLES + "if a > c\nendif", "420B: Line 3, Col 9"),
    (VARIABLES + "store_var a 0.5 ja", "4039: Line 3, Col 16"),
    (VARIABLES + "store_var a 5x ja", "4039: Line 3, Col 15"),
    (VARIABLES + "store_var a 0x5m ja", "4039: Line 3, Col 17"),
    (VARIABLES + "store_var a 0x1FFFFFFFF ja", "4037: Line 3, Col 24"),
    (VARIABLES + "store_var a 2147483648 ja", "4037: Line 3, Col 23"),
    (VARIABLES + "add_var 5 a", "4207: Line 3, Col 10"),
    (VARIABLES + "add_var a", "004B: Line 3, Col 10"),
    (VARIABLES + "add_var a 1 2", "0007: Line 3, Col 14"),
    (VARIABLES + "if a >\nendif", "004B: Line 3, Col 7"),
    (VARIABLES + "if a > 1\nadd_var a 1", "4018: Line 4, Col 12"),
    (VARIABLES + "loop a > 1\nendif", "4018: Line 4, Col 6"),
    ("endloop", "400C: Line 1, Col 8"),
    ("else", "400C: Line 1, Col 5"),
    ("breakloop", "4036: Line 1, Col 10"),
    (VARIABLES + "if a > 1\nbreakloop\nendif", "4036: Line 4, Col 10"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\nmeas_loop_ocp a 1 5\nendloop\nendloop", "400B: Line 4, Col 14"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\nset_e 1\nendloop", "4032: Line 4, Col 6"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\nset_i 1m\nendloop", "4033: Line 4, Col 6"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\nset_range ba 1m\nendloop", "4033: Line 4, Col 10"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\nset_range ab 1\nendloop", "4032: Line 4, Col 10"),
    (VARIABLES + "meas_loop_cp a b 1m 1 5\ncell_off\nendloop", "401A: Line 4, Col 9"),
    (VARIABLES + "loop a < 5\nvar c\nendloop", "401A: Line 4, Col 4"),
    ("var a\nif 1 > 1i\nendif", "4041: Line 2, Col 10"),
    ("var \u00e9", "4004: Line 1, Col 5"),
    ("array a 10", "4207: Line 1, Col 11"),
    ("array a 0i", "4205: Line 1, Col 11"),
    ("set_range zz 1m", "0007: Line 1, Col 13"),
    ("array a 5i\nadd_var a 1i", "4207: Line 2, Col 10"),
    ('send_string f"{a}"', "420B: Line 1, Col 19"),
    ("file_open 5", "0083: Line 1, Col 10"),
    ("cell_on\non_finished:\ncell_off\non_finished:\ncell_off", "400C: Line 4, Col 13"),
    (VARIABLES + "if a > 1\n" * 17, "400D: Line 19, Col 3"),
]


@pytest.mark.parametrize(("text", "complaint"), REFUSED)
def test_parser_refuses_with_code_line_and_column(text: str, complaint: str) -> None:
    """The first fault of a script is named as the instrument names it."""
    with pytest.raises(ScriptRefused) as caught:
        parse_script(text)
    assert str(caught.value) == complaint


def test_parser_understands_structure() -> None:
    """Branches, loops and the last section become a tree with the right lines."""
    script = parse_script(
        "# a comment\nvar a\nvar p\nvar c\nloop a < 5i\n  add_var a 1i # more\nendloop\nmeas_loop_cp p c -1m 5 36000\n"
        "if p <= -500m\nbreakloop\nelseif p >= c\nabort\nelse\npck_start\nendif\nendloop\non_finished:\ncell_off"
    )
    loop, measure = script.body
    assert isinstance(loop, While)
    assert isinstance(measure, Measure)
    assert measure.line == 8
    assert measure.operands[2:] == (Literal(-1e-3), Literal(5.0), Literal(36000.0))
    branch = measure.body[0]
    assert isinstance(branch, If)
    assert [len(item.body) for item in branch.branches] == [1, 1]
    assert branch.otherwise == (Simple("pck_start", (), 14),)
    assert script.finish == (Simple("cell_off", (), 18),)


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("-200u", -2e-4), ("58505m", 58.505), ("51i", 51), ("0x1Fi", 31), ("0x1F", 31), ("0b101", 5), ("-0", 0.0)],
)
def test_literal_has_its_value_and_kind(text: str, value: float) -> None:
    """What ends with i is a whole number, and so are bits."""
    found = parse_literal(text)
    assert (found, type(found)) == (value, type(value))


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_parser_raises_nothing_but_refusals(text: str) -> None:
    """Whatever a host sends, the parser makes a script of it or refuses it with a place inside it."""
    try:
        parse_script(text)
    except ScriptRefused as refused:
        assert 1 <= refused.line <= text.count("\n") + 1  # noqa: PT017 - the absence of an exception is fine too
