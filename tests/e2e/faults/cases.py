"""Which faults are staged, how, and on which station: a table. What comes of them is not here; it is found by running them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IN_PLATE = {"cycle": 1, "step": "plate", "q": 0.1}
EARLY = {"cycle": 1, "step": "plate", "q": 0.03}
IN_STRIP = {"cycle": 1, "step": "strip", "q": 0.1}
LATE_PLATE = {"cycle": 1, "step": "plate", "q": 0.24}
A_WHILE = {"duration": "600 s"}

Deeds = str | dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault on one channel with a run of its own. ``shows`` says in words how the fault is set, for the table."""

    name: str
    do: Deeds
    shows: str = ""
    at: dict[str, Any] | None = None
    lasts: dict[str, Any] | None = None
    on_gap: str = "continue"
    listen: str = "tcp"
    alone: bool = False
    cell: dict[str, Any] | None = None
    varies: bool = False
    """Whether what the harness says depends on how fast the machine is, so that its table row is an example."""
    harms: bool = False
    """Whether the fault itself keeps a current on that no harness can reach; the alarm is what is promised then."""

    @property
    def faults(self) -> tuple[str, ...]:
        """The ids of the faults."""
        items = self.do if isinstance(self.do, list) else [self.do] if self.do else []
        return tuple(name for item in items for name in ([item] if isinstance(item, str) else item))

    def events(self, channel: str) -> list[dict[str, Any]]:
        """What stands in the scenario; nothing for a channel that is only there for others."""
        if not self.do:
            return []
        event: dict[str, Any] = {"at": {"channel": channel, **(self.at or IN_PLATE)}, "do": self.do}
        return [event if self.lasts is None else event | {"for": self.lasts}]


def once(name: str, do: Deeds, shows: str = "", **more: Any) -> Case:
    return Case(name, do, shows, lasts={"count": 1}, **more)


def thrice(name: str, do: Deeds, shows: str = "", **more: Any) -> Case:
    return Case(name, do, shows, lasts={"count": 3}, **more)


def awhile(name: str, do: Deeds, shows: str = "", **more: Any) -> Case:
    return Case(name, do, shows, lasts=A_WHILE, **more)


LINK = (
    awhile("latency", {"T1_latency": {"delay": "50 ms", "jitter": "100 ms"}}, "50 to 150 ms, 10 min"),
    awhile("bandwidth", {"T2_bandwidth": {"byte_per_second": 10_000}}, "10 kB/s, 10 min"),
    awhile("split", {"T3_split": {"size": 1}}, "1 byte at a time, 10 min"),
    awhile("coalesced", {"T3_split": {"size": 4096, "hold": "200 ms"}}, "gathered for 200 ms, 10 min"),
    once("request", "T4_drop_request", "the next script"),
    thrice("reading", {"T5_drop_reply": {"only": "package"}}, "three readings"),
    once("end", {"T5_drop_reply": {"containing": "jc8000001i"}}, "the end of a step"),
    once("accepted", {"T5_drop_reply": {"only": "reply"}}, "the acceptance of a script", at=LATE_PLATE),
    awhile("twice", "T6_duplicate_reply", "every line, 10 min", at=LATE_PLATE),
    Case("half_open", "T8_half_open"),
    once("reset", "T9_reset", "in a reading"),
    Case("refused", "T10_refuse", "1 s of wall time", lasts={"wall": "1 s"}),
)
PORT = (
    Case("shut", {"T10_refuse": {"how": "accept_then_close"}}, "let in and put out, 1 s", lasts={"wall": "1 s"}),
    Case("adopted", "T10_refuse", "0.2 s, and adopted", EARLY, {"wall": "0.2 s"}, on_gap="adopt", varies=True),
    Case("given_up", "T10_refuse", "1 s, and given up", lasts={"wall": "1 s"}, on_gap="abort"),
    Case("unplugged", "T10_refuse", "a serial device goes for 1 s", lasts={"wall": "1 s"}, listen="pty"),
    Case("moved", "T11_port_moved", "1 s of wall time", lasts={"wall": "1 s"}),
    Case("slow_close", "T12_slow_close", "2 s of wall time", lasts={"wall": "2 s"}),
    Case("flipped", {"T13_bit_flip": {"probability": 2e-4}}, "5 lines", lasts={"count": 5}, varies=True),
    Case("garbage", {"T14_framing": {"probability": 0.2}}, "3 bytes each in 5 lines", lasts={"count": 5}),
    Case("stolen", "T15_steal", "1 s of wall time", lasts={"wall": "1 s"}),
    Case("killed_by_thief", {"T15_steal": {"says": "Z\n"}}, "1 s, and it aborts the script", lasts={"wall": "1 s"}),
    Case(
        "stalled",
        ["T16_reader_stall", "T10_refuse"],
        "and nobody can connect for 14 s",
        lasts={"wall": "14 s"},
        harms=True,
        varies=True,
    ),
    Case("stuck", "I20_relay_stuck", "2 h", lasts={"duration": "2 h"}, harms=True),
)
WIRE = (
    thrice("truncated", {"P2_truncated": {"only": "package"}}, "three readings"),
    thrice("cut_to_head", {"P2_truncated": {"only": "package", "keep": 44}}, "three readings to what a step begins with"),
    thrice("extra", {"P3_extra_bytes": {"only": "package"}}, "three readings"),
    thrice("extra_value", {"P3_extra_bytes": {"only": "package", "text": ";ba8000000 "}}, "a second current in three readings"),
    once("unknown", {"P5_unknown_command": {"commands": ["e"]}}, "the next script"),
    once("busy", {"P6_busy": {"commands": ["e"]}}, "the next script"),
    Case(
        "deaf_to_abort", [{"P6_busy": {"commands": ["Z"]}}, "T9_reset"], "even Z, after a reset", lasts={"count": 3}, varies=True
    ),
    once("load_error", {"P7_load_error": {"code": "4001"}}, "4001 for the next script"),
    Case("overload", "P7_runtime_error", "0032 in a plating"),
    awhile("stale", "P8_stale_reply", "10 min", at=LATE_PLATE),
    thrice("nan", {"P9_bad_field": {"variable": "ba"}}, "three currents are not numbers"),
    once("overflow", {"P9_bad_field": {"variable": "ab", "value": "overflow"}}, "one voltage"),
)
NUMBERS = (
    once("zero", {"P9_bad_field": {"variable": "ba", "value": "minus_zero"}}, "one current is zero"),
    awhile("scale_small", {"P10_wrong_scale": {"variable": "ba", "prefixes": -1}}, "currents a thousandth"),
    once("scale_once", {"P10_wrong_scale": {"variable": "ba", "prefixes": -1}}, "one current a thousandth"),
    awhile("scale_large", {"P10_wrong_scale": {"variable": "ba", "prefixes": 1}}, "currents a thousandfold"),
    awhile("scale_volt", {"P10_wrong_scale": {"variable": "ab", "prefixes": -1}}, "voltages a thousandth", at=IN_STRIP),
    awhile("scale_time", {"P10_wrong_scale": {"variable": "eb", "prefixes": -1}}, "times a thousandth", varies=True),
    thrice("comma", "P11_unit_text", "three readings with a decimal comma"),
    thrice("unit", {"P11_unit_text": {"form": "unit"}}, "three readings with a unit"),
    thrice("partial", "P13_partial_package", "three readings"),
    thrice("partial_head", {"P13_partial_package": {"keep": 2}}, "three readings to two variables"),
    thrice("text", "P14_unsolicited", "three lines of text"),
    once("blank", {"P14_unsolicited": {"what": "blank"}}, "an empty line while a script runs"),
)
SINGLE = (
    awhile("flow_control", {"P14_unsolicited": {"what": "flow_control"}}, "XOFF and XON within lines, 10 min"),
    once("foreign", {"P14_unsolicited": {"what": "foreign_package"}}, "a package of another script"),
    once("unasked", {"P14_unsolicited": {"what": "reply"}}, "a reply while a script runs"),
    awhile("power_cut", "C11_power_cut", "10 min in a plating", alone=True),
    awhile("power_cut_adopt", "C11_power_cut", "10 min in a plating, on_gap adopt", alone=True, on_gap="adopt"),
)
LAYERED = {"preset": "claim1_stack"}
HOURS = {"duration": "3 h"}
CELL = (
    awhile("soft_short", {"C1_soft_short": {"conductance_s_cm2": 2e-3}}, "2 mS/cm² in a plating, 10 min"),
    Case("short_at_rest", {"C1_soft_short": {"conductance_s_cm2": 2e-3}}, "2 mS/cm² from the end of a plating on", LATE_PLATE,
         HOURS),
    Case("hard_short", "C2_hard_short", "2 S/cm², 3 h", lasts=HOURS),
    Case("dry_out", "C3_dry_out", "in a plating"),
    awhile("contact", {"C4_contact": {"resistance_ohm": 100.0}}, "100 Ω, 10 min"),
    awhile("bad_contact", {"C4_contact": {"resistance_ohm": 5000.0}}, "5 kΩ, 10 min"),
    Case("reference", {"C5_reference_drift": {"step_volt": 0.1, "drift_volt_per_hour": 0.1}}, "0.1 V and 0.1 V/h", lasts=HOURS),
    Case("chamber", {"C6_chamber": {"to_celsius": 55.0}}, "55 °C", lasts=HOURS),
    Case("crack", {"C8_crack": {"integrity": 0.5}}, "half of the area", cell=LAYERED),
    Case("exchanged", {"C9_wrong_cell": {"with": "c10"}}, "for another of its kind, 3 h", lasts=HOURS),
    Case("bystander", ""),
)  # fmt: skip
STATIONS = {"link": LINK, "port": PORT, "wire": WIRE, "numbers": NUMBERS, "single": SINGLE, "cell": CELL}
CASES = {f"{station}-{case.name}": (station, case) for station, cases in STATIONS.items() for case in cases}
