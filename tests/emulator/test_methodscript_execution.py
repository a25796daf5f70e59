"""What running scripts do: to variables, to the cell, to the output, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from emulator.cell.cells import DepositCell, SymmetricCell
from emulator.cell.parameters import preset_parameters
from emulator.instruments.channel import Channel
from emulator.instruments.converter import Imperfections
from emulator.instruments.methodscript.session import Session


class Bench(Protocol):
    """What the fixture ``bench`` opens."""

    said: bytearray
    session: Session

    @property
    def channel(self) -> Channel: ...
    def tell(self, text: str) -> None: ...
    async def ask(self, text: str, ending: bytes = b"\n") -> str: ...
    async def run(self, script: str) -> list[str]: ...
    async def until(self, happened: Callable[[], bool]) -> str: ...
    def truth(self, kind: str) -> list[dict[str, Any]]: ...


Open = Callable[..., contextlib.AbstractAsyncContextManager[Bench]]

POWERS = dict(zip("afpnum kMGTPE", range(-18, 21, 3), strict=True))
GALVANOSTAT = "var p\nvar c\nvar t\nset_pgstat_chan 0\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\n"
SEND = "pck_start\npck_add t\npck_add p\npck_add c\npck_end\n"
FINISH = "on_finished:\ncell_off"


def number(text: str) -> float:
    mantissa = int(text[2:9], 16) - 0x8000000
    return float(mantissa) if text[9] == "i" else mantissa * 10.0 ** POWERS[text[9]]


def packages(lines: list[str]) -> list[list[float]]:
    return [[number(part) for part in line[1:].split(";")] for line in lines if line.startswith("P")]


def polarised(instrument: Bench) -> bool:
    return instrument.channel.polarised


def variables(script: str, *names: str) -> str:
    """A script that ends by sending its variables."""
    adds = "".join(f"pck_add {name}\n" for name in names)
    return f"{script}\npck_start\n{adds}pck_end"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("store_var a 5 ja\nadd_var a 500m", [5.5]),
        ("store_var a 5i ja\nsub_var a 7i", [-2.0]),
        ("store_var a 4 ja\nmul_var a -2", [-8.0]),
        ("store_var a 7i ja\ndiv_var a -2i", [-3.0]),
        ("store_var a 1 ja\ndiv_var a 4", [0.25]),
        ("store_var a 0i ja\nloop a < 5i\nadd_var a 1i\nendloop", [5.0]),
        ("store_var a 0i ja\nloop a < 5i\nadd_var a 1i\nif a == 3i\nbreakloop\nendif\nendloop", [3.0]),
        (
            "store_var a 2 ja\nif a > 3\nstore_var a 10 ja\nelseif a > 1\nstore_var a 20 ja\nelse\nstore_var a 30 ja\nendif",
            [20.0],
        ),
        ("store_var a 0 ja\nif a != 0\nstore_var a 1 ja\nelse\nstore_var a 2 ja\nendif", [2.0]),
    ],
)
def test_statements_compute(bench: Open, statements: str, expected: list[float]) -> None:
    """Arithmetic, loops and branches do what they say."""

    async def main() -> None:
        async with bench() as instrument:
            lines = await instrument.run(variables(f"var a\n{statements}", "a"))
            assert packages(lines) == [expected]

    asyncio.run(main())


def test_arrays_keep_what_was_put_into_them(bench: Open) -> None:
    """A value set at an index is the value got from it."""

    async def main() -> None:
        async with bench() as instrument:
            script = "array a 3i\nvar b\nvar c\nstore_var c 2i ja\narray_set a c 250m\narray_get a 2i b"
            assert packages(await instrument.run(variables(script, "b"))) == [[0.25]]

    asyncio.run(main())


def test_loops_and_texts_show_in_the_output(bench: Open) -> None:
    """A loop is framed by L and +, send_string gives a T line, an output switched off gives no packages."""

    async def main() -> None:
        async with bench() as instrument:
            script = 'var a\nstore_var a 3i ja\nloop a > 2i\nsub_var a 1i\nendloop\nsend_string f"a is {a}"\nset_script_output 0'
            assert await instrument.run(variables(script, "a")) == ["L", "+", "Ta is 2"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("statements", "error"),
    [
        ("var a\nstore_var a 1i ja\nif a > 0\nendif", "!4041: Line 3"),
        ("var a\nstore_var a 1i ja\nadd_var a 1", "!4207: Line 3"),
        ("var a\nstore_var a 1 ja\ndiv_var a 0", "!0028: Line 3"),
        ("var a\npck_add a", "!401B: Line 2"),
        ("pck_end", "!401B: Line 1"),
        ("array a 3i\nvar b\narray_get a 3i b", "!400F: Line 3"),
        ("var a\nvar b\nset_pgstat_mode 6\nmeas_loop_cp a b 1m 1 5\nendloop", "!4027: Line 4"),
        ("var a\nset_pgstat_mode 3\nset_e 0\ncell_on\nmeas_loop_ocp a 1 5\nendloop", "!0014: Line 5"),
        ("set_pgstat_mode 9", "!0021: Line 1"),
        ("cell_on", "!0023: Line 1"),
        ("var p\nvar c\nset_pgstat_mode 2\ncell_on\nmeas_loop_cp p c 1m 1 5\nendloop", "!0023: Line 5"),
        ("var p\nvar c\nset_pgstat_mode 6\ncell_on\nmeas_loop_ca p c 1 1 5\nendloop", "!0023: Line 5"),
        ("set_pgstat_mode 3\nset_e 7", "!000F: Line 2"),
        ("set_pgstat_mode 6\nset_i 1", "!4205: Line 2"),
        ("var a\nmeas_loop_ocp a 0 5\nendloop", "!4204: Line 2"),
        ("var a\nvar b\nvar c\nset_pgstat_mode 3\nset_e 0\ncell_on\nmeas_loop_eis a b c 10m 1M 1 5i 0\nendloop", "!0011: Line 7"),
        ("var a\nvar b\nvar c\nset_pgstat_mode 3\nset_e 0\ncell_on\nmeas_loop_eis a b c 2 1k 1 5i 0\nendloop", "!0012: Line 7"),
        ("var a\nvar b\nvar c\nset_pgstat_mode 3\nset_e 0\ncell_on\nmeas_loop_eis a b c 10m 1k 1 5 0\nendloop", "!4207: Line 7"),
    ],
)
def test_runtime_errors_have_code_and_line(bench: Open, statements: str, error: str) -> None:
    """What cannot be known before running is refused while running, at its line."""

    async def main() -> None:
        async with bench() as instrument:
            assert (await instrument.run(statements))[-1] == error

    asyncio.run(main())


def test_pico_has_no_galvanostat(bench: Open) -> None:
    """An EmStat Pico refuses the galvanostatic mode and does not list the capability."""

    async def main() -> None:
        async with bench(model="espico") as instrument:
            assert await instrument.run("set_pgstat_mode 6") == ["!001B: Line 1"]
            bits = int((await instrument.ask("CM\n"))[1:], 16)
            assert not bits >> 67 & 1
        async with bench() as instrument:
            bits = int((await instrument.ask("CM\n"))[1:], 16)
            assert bits >> 67 & 1
            assert bits >> 68 & 1

    asyncio.run(main())


def test_constant_current_moves_exactly_its_charge(bench: Open) -> None:
    """The truth of a half cycle is set-point × time, to rounding."""

    async def main() -> None:
        async with bench() as instrument:
            script = f"{GALVANOSTAT}timer_start\nmeas_loop_cp p c -500u 7 3600\ntimer_get t\n{SEND}endloop\n{FINISH}"
            lines = await instrument.run(script)
            assert lines[0] == "M000A"
            assert lines[-1] == "*"
            rows = packages(lines)
            assert [row[0] for row in rows] == pytest.approx([7.0 * index for index in range(515)])
            assert {row[2] for row in rows} == {-5e-4}
            (half_cycle,) = instrument.truth("half_cycle")
            assert half_cycle["charge_coulomb"] == pytest.approx(-5e-4 * 3600.0, rel=1e-12)
            assert half_cycle["direction"] == "reduction"
            start, end = (half_cycle[f"{side}_unix_time_nanosecond"] for side in ("start", "end"))
            assert end - start == 3600 * 10**9

    asyncio.run(main())


def test_cut_off_ends_a_loop_and_the_truth_knows_when(bench: Open) -> None:
    """A breakloop leaves at its sample; plating and stripping are two rows with the efficiency in the second."""

    async def main() -> None:
        async with bench() as instrument:
            script = (
                f"{GALVANOSTAT}meas_loop_cp p c -1m 10 1800\nendloop\n"
                f"timer_start\nmeas_loop_cp p c 1m 1 36000\nif p >= 1\nbreakloop\nendif\nendloop\ntimer_get t\n{SEND}{FINISH}"
            )
            ((second, volt, _),) = packages(await instrument.run(script))
            plated, stripped = instrument.truth("half_cycle")
            assert volt >= 1.0
            assert stripped["charge_coulomb"] == pytest.approx(1e-3 * second, rel=1e-9)
            assert plated["coulombic_efficiency_lithium"] is None
            assert stripped["coulombic_efficiency_lithium"] == pytest.approx(second / 1800.0, abs=4e-3)

    asyncio.run(main())


def test_abort_runs_on_finished_and_a_runtime_error_does_not(bench: Open) -> None:
    """After Z the cell is open; after a runtime error it is as it was, and time goes on for it."""

    async def main() -> None:
        async with bench(scale=1e3) as instrument:
            loop = f"{GALVANOSTAT}meas_loop_cp p c -500u 1 36000\nendloop\n{FINISH}"
            instrument.tell(f"e\n{loop}\n\n")
            await instrument.until(lambda: b"M000A\n" in instrument.said)
            assert polarised(instrument)
            assert await instrument.ask("t\n") == "t!0006\n"
            assert await instrument.ask("Z\n", b"\n\n") == "Z\n*\n\n"
            assert not polarised(instrument)
            assert await instrument.ask("Z\n") == "Z!0006\n"

            instrument.tell(f"e\n{loop}\n\n")
            await instrument.until(lambda: instrument.channel.polarised)
            instrument.said.clear()
            assert instrument.session.execution is not None
            instrument.session.execution.fail("0032")
            assert (await instrument.until(lambda: instrument.said.endswith(b"\n\n"))).endswith("!0032: Line 1\n\n")
            assert polarised(instrument)
            carried = instrument.channel.cell.net_coulomb
            await instrument.until(lambda: instrument.channel.cell.net_coulomb < carried)
            assert await instrument.run("var p\nmeas_loop_ocp p 100m 100m\nendloop") == ["!0014: Line 2"]
            assert await instrument.run("cell_off") == []
            assert await instrument.run("var p\nmeas_loop_ocp p 100m 100m\nendloop") == ["M000B", "*"]

    asyncio.run(main())


def test_skip_ends_the_loop_and_the_script_goes_on(bench: Open) -> None:
    """Y leaves the present measurement loop only."""

    async def main() -> None:
        async with bench(scale=1e3) as instrument:
            loop = "meas_loop_ocp p 1 36000\nendloop\n"
            instrument.tell(f"e\nvar p\n{loop}{loop}\n\n")
            await instrument.until(lambda: b"M000B\n" in instrument.said)
            await instrument.ask("Y\n", b"*\nM000B\n")
            assert await instrument.ask("Z\n", b"\n\n") == "Z\n*\n\n"

    asyncio.run(main())


def test_halt_keeps_the_cell_polarised_and_current_flowing(bench: Open) -> None:
    """Command h stops the statements, not the current; H goes on."""

    async def main() -> None:
        async with bench(scale=1e3) as instrument:
            instrument.tell(f"e\n{GALVANOSTAT}meas_loop_cp p c -500u 1 36000\n{SEND}endloop\n{FINISH}\n\n")
            await instrument.until(lambda: b"P" in instrument.said)
            assert (await instrument.ask("h\n")).endswith("h\n")
            instrument.said.clear()
            carried = instrument.channel.cell.net_coulomb
            await instrument.until(lambda: instrument.channel.cell.net_coulomb < carried - 0.1)
            assert instrument.channel.polarised
            assert b"P" not in instrument.said
            instrument.tell("H\n")
            await instrument.until(lambda: b"P" in instrument.said)
            await instrument.ask("Z\n", b"\n\n")

    asyncio.run(main())


def test_constant_voltage_tapers_and_counts_what_flows(bench: Open) -> None:
    """Trapezoids over the readings give the charge of the truth row."""

    async def main() -> None:
        cell = SymmetricCell(preset_parameters("bare_fec"), 1.0, lambda _: 0.0, lambda _: 0.0, 20.0)
        async with bench(cell=cell) as instrument:
            script = (
                "var p\nvar c\nvar t\nset_pgstat_mode 3\nset_range ba 10m\nset_e -20m\ncell_on\ntimer_start\n"
                f"meas_loop_ca p c -20m 1 600\ntimer_get t\n{SEND}endloop\ntimer_get t\n{SEND}{FINISH}"
            )
            rows = packages(await instrument.run(script))
            charge = sum(0.5 * (one[2] + two[2]) * (two[0] - one[0]) for one, two in itertools.pairwise(rows))
            truth = sum(float(str(row["charge_coulomb"])) for row in instrument.truth("half_cycle"))
            assert [row[1] for row in rows] == pytest.approx([-0.02] * len(rows), abs=2e-9)
            assert charge == pytest.approx(truth, rel=2e-3)
            assert truth < 0.0

    asyncio.run(main())


@pytest.mark.parametrize("galvanostatic", [False, True])
def test_sweep_gives_the_impedance_of_the_state_and_moves_no_charge(bench: Open, galvanostatic: bool) -> None:
    """Frequencies are spaced evenly in the logarithm, parts are those of the cell, time passes, charge does not."""

    async def main() -> None:
        cell = DepositCell(preset_parameters("bare_fec"), 1.0, lambda _: 0.0)
        cell.advance(-5e-4, 3600.0)
        async with bench(cell=cell) as instrument:
            charge = cell.net_coulomb
            setup = "set_pgstat_mode 6\nset_i 0\n" if galvanostatic else "meas 100m p ab\nset_pgstat_mode 3\nset_e p\n"
            sweep = "meas_loop_geis f r i 100u 100k 1 6i 0" if galvanostatic else "meas_loop_eis f r i 10m 100k 1 6i p"
            send = "pck_start\npck_add t\npck_add f\npck_add r\npck_add i\npck_end\n"
            script = (
                f"var p\nvar t\nvar f\nvar r\nvar i\n{setup}cell_on\ntimer_start\n{sweep}\ntimer_get t\n{send}endloop\n{FINISH}"
            )
            lines = await instrument.run(script)
            rows = packages(lines)
            assert lines[0] == ("M000E" if galvanostatic else "M000D")
            assert [row[1] for row in rows] == pytest.approx([1e5, 1e4, 1e3, 1e2, 10.0, 1.0], rel=1e-6)
            assert [row[0] for row in rows] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.28, 2.28])
            for _, frequency, real, imaginary in rows:
                expected = cell.elements().impedance(frequency)
                assert complex(real, imaginary) == pytest.approx(expected, rel=1e-3)
                assert imaginary < 0.0
            assert cell.net_coulomb == charge
            (truth,) = instrument.truth("impedance")
            assert truth["interface_resistance_ohm"] == pytest.approx(cell.elements().interface_ohm, rel=1e-3)
            assert truth["point_count"] == 6

    asyncio.run(main())


def test_abort_during_a_sweep_waits_for_the_frequency(bench: Open) -> None:
    """Z is answered at once, the script ends only after the point at hand."""

    async def main() -> None:
        async with bench(scale=100.0) as instrument:
            setup = "var f\nvar r\nvar i\nvar t\nset_pgstat_mode 3\nset_e 2600m\ncell_on\ntimer_start\n"
            loop = "meas_loop_eis f r i 10m 50m 10m 5i 2600m\nendloop\n"
            instrument.tell(f"e\n{setup}{loop}on_finished:\ntimer_get t\npck_start\npck_add t\npck_end\ncell_off\n\n")
            await instrument.until(lambda: b"M000D\n" in instrument.said)
            said = await instrument.ask("Z\n", b"\n\n")
            first, star, package, *_ = said.split("\n")
            assert (first, star) == ("Z", "*")
            assert number(package[1:]) == pytest.approx(40.0)

    asyncio.run(main())


def test_critical_overload_stops_the_script_with_the_cell_on(bench: Open) -> None:
    """A voltage beyond the compliance is error 0032."""

    async def main() -> None:
        parameters = preset_parameters("bare_fec", {"electrolyte_resistance_ohm_cm2": 1e5})
        async with bench(cell=DepositCell(parameters, 1.0, lambda _: 0.0)) as instrument:
            lines = await instrument.run(f"{GALVANOSTAT}meas_loop_cp p c -1m 1 10\nendloop\n{FINISH}")
            assert lines == ["M000A", "!0032: Line 9"]
            assert instrument.channel.polarised

    asyncio.run(main())


def test_stored_scripts_run_again(bench: Open) -> None:
    """Command l loads, r runs, Fmscr and Lmscr keep a script; r without a script is 000C."""

    async def main() -> None:
        async with bench() as instrument:
            assert await instrument.ask("r\n") == "r!000C\n"
            assert await instrument.ask('l\nsend_string "one"\n\n') == "l\n"
            assert await instrument.ask("r\n", b"\n\n") == "r\nTone\n\n"
            assert await instrument.ask("Fmscr\n") == "F\n"
            assert await instrument.ask('l\nsend_string "two"\n\n') == "l\n"
            assert await instrument.ask("Lmscr\n") == "L\n"
            assert await instrument.ask("r\n", b"\n\n") == "r\nTone\n\n"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("fail\n", "f!0003\n"),
        ("\n", "\n"),
        ("Z\n", "Z!0006\n"),
        ("Y\n", "Y!0006\n"),
        ("h\n", "h!0006\n"),
        ("i\n", "iEMU1CH001\n"),
        ("m\n", "mEMU1\n"),
        ("v\n", "v01.09.00\n"),
        ("t\n", "tes4_hr1500#Mar 12 2026 14:28:01\nR*\n"),
        ("fs_dir\n", "f!0083\n"),
        ("x" * 300 + "\n", "x!0008\n"),
        ("l\nvar a\nstore_var b 1 ja\n\n", "l!420B: Line 2, Col 12\n"),
        ("e\n" + "# " + "x" * 300 + "\n\n", "e!0008: Line 1, Col 256\n"),
        ("e\n" + "cell_off\n" * 3000 + "\n", "e!4005: Line 1821, Col 1\n"),
    ],
)
def test_idle_instrument_answers(bench: Open, command: str, reply: str) -> None:
    """Each command has its reply, byte for byte."""

    async def main() -> None:
        async with bench() as instrument:
            instrument.tell(command)
            assert await instrument.until(lambda: instrument.said.endswith(b"\n")) == reply

    asyncio.run(main())


def test_samples_repeat_with_the_seed(bench: Open) -> None:
    """The same seed gives the same bytes of a program at any speed, another seed others."""
    script = f"{GALVANOSTAT}timer_start\nmeas_loop_cp p c -500u 2 400\ntimer_get t\n{SEND}endloop\n{FINISH}"

    async def said(seed: int, scale: float) -> list[str]:
        cell = DepositCell(preset_parameters("bare_fec"), 1.0, lambda _: 0.0)
        async with bench(seed=seed, scale=scale, cell=cell, imperfections=Imperfections()) as instrument:
            return list(await instrument.run(script))

    first = asyncio.run(said(1, 1e3))
    assert first == asyncio.run(said(1, 1e5))
    assert first != asyncio.run(said(2, 1e5))


def test_stuck_relay_keeps_the_cell_on(bench: Open) -> None:
    """A relay that does not open is found by the open-circuit measurement."""

    async def main() -> None:
        async with bench() as instrument:
            instrument.channel.stuck_on = True
            await instrument.run(f"{GALVANOSTAT}{FINISH}")
            assert await instrument.run("var p\nmeas_loop_ocp p 100m 100m\nendloop") == ["!0014: Line 2"]

    asyncio.run(main())
