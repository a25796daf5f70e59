"""``FACT=VALUE``, as the commands take it that choose cells."""

from __future__ import annotations

from harness.errors import BadInput


def parse_fact(text: str) -> tuple[str, str]:
    """The two sides of ``FACT=VALUE``.

    Raises:
        BadInput: one of them is missing.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise BadInput("--where", f'"{text}" is not FACT=VALUE; write for example claim_12=meets')
    return name, value
