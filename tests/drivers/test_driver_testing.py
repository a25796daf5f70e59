import asyncio

import pytest

from potentiostat_drivers.errors import PortGone
from potentiostat_drivers.testing import Gone, Received, ScriptedTransport, Sent, parse_transcript

TEXT = r"""
# a comment
> t\n
< tes4_hr\x20"x"\n
package Pab8000000  => []
"""


def test_transcript_is_read_with_its_escapes() -> None:
    """Sent and received bytes are what the escapes say; comments and vectors are passed over."""
    assert parse_transcript(TEXT) == (Sent(b"t\n"), Received(b'tes4_hr "x"\n'))


def test_transcript_is_played_in_order() -> None:
    """What the instrument says comes only after it was asked, in pieces as in one."""

    async def main() -> None:
        transport = ScriptedTransport([Received(b"\n"), Sent(b"t\n"), Received(b"tes"), Received(b"4\n"), Sent(b"i\n"), Gone()])
        await transport.open()
        lines = aiter(transport.lines())
        assert await anext(lines) == b""
        await transport.write(b"t")
        await transport.write(b"\ni")
        assert await anext(lines) == b"tes4"
        with pytest.raises(AssertionError, match="2 turns of the transcript were never played"):
            transport.check_finished()
        await transport.write(b"\n")
        with pytest.raises(PortGone):
            await anext(lines)
        transport.check_finished()

    asyncio.run(main())


@pytest.mark.parametrize("written", [b"x", b"tt", b"t\nx", b"Z\n"])
def test_other_bytes_than_written_fail_twice(written: bytes) -> None:
    """A wrong byte fails where it is sent, and again at the end, whatever the driver makes of the first failure."""

    async def main() -> None:
        transport = ScriptedTransport([Sent(b"t\n")])
        await transport.open()
        with pytest.raises(AssertionError, match="sent "):
            await transport.write(written)
        with pytest.raises(AssertionError, match="sent "):
            transport.check_finished()

    asyncio.run(main())


def test_closing_ends_the_lines() -> None:
    """After closing, whoever reads is released."""

    async def main() -> None:
        transport = ScriptedTransport([])
        await transport.open()
        await transport.close()
        assert [line async for line in transport.lines()] == []
        transport.check_finished()

    asyncio.run(main())
