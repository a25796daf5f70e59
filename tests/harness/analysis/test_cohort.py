"""Groups of cells: Welch's test where it applies, intervals that hold with few unlike cells, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from harness.analysis.cohort import CellValue, GroupComparison, GroupPair, compare_groups
from harness.errors import AnalysisError

Array = NDArray[np.float64]


def cells(group: str, values: list[float] | Array, std: list[float] | Array | float | None = 0.1) -> list[CellValue]:
    errors = [None] * len(values) if std is None else np.broadcast_to(std, len(values)).tolist()
    return [
        CellValue(f"{group}-{n}", group, float(one), error) for n, (one, error) in enumerate(zip(values, errors, strict=True))
    ]


def only_pair(comparison: GroupComparison) -> GroupPair:
    [pair] = comparison.pairs
    return pair


def test_equal_errors_give_the_t_test_of_welch() -> None:
    """With equal σ, or none, the difference, its interval and its p-value are those of Welch's test over cells."""
    one, other = [1.0, 1.4, 0.9, 1.2], [2.1, 1.7, 2.9]
    known = stats.ttest_ind(other, one, equal_var=False)
    interval = known.confidence_interval()
    for std in (0.1, None):
        pair = only_pair(compare_groups([*cells("a", one, std), *cells("b", other, std)]))
        assert (pair.group, pair.baseline) == ("b", "a")
        assert pair.difference.value == pytest.approx(np.mean(other) - np.mean(one))
        assert (pair.difference.low, pair.difference.high) == pytest.approx((interval.low, interval.high))
        assert pair.p_value == pytest.approx(known.pvalue)


def test_between_cells_is_what_their_errors_leave() -> None:
    """τ² + σ² is the scatter of cells with equal σ; τ is zero when they scatter less than σ."""
    values = [1.0, 1.4, 0.9, 1.2]
    comparison = compare_groups([*cells("a", values, 0.1), *cells("b", values, 5.0)])
    first, second = comparison.groups
    assert first.between_std == pytest.approx(np.sqrt(np.var(values, ddof=1) - 0.1**2))
    assert second.between_std == 0.0


@pytest.mark.parametrize("size", [3, 5, 8])
@pytest.mark.parametrize("between", [0.0, 0.5, 2.0])
def test_difference_is_as_sure_as_it_says(size: int, between: float) -> None:
    """With σ that differ fivefold in each group, the interval of a difference holds the truth in 93–97 % of cohorts."""
    rng = np.random.default_rng(size)
    std = np.geomspace(0.5, 2.5, size)
    draws, held = 1200, 0
    for _ in range(draws):
        groups = [rng.normal(mean, np.hypot(between, std)) for mean in (10.0, 12.0)]
        shown = only_pair(compare_groups([*cells("a", groups[0], std), *cells("b", groups[1], std)])).difference
        assert shown.low is not None
        assert shown.high is not None
        held += shown.low <= 2.0 <= shown.high
    # Two standard deviations of a count of 1200 are 1.2 %.
    assert 0.93 - 0.012 <= held / draws <= 0.97 + 0.012


def test_what_could_have_been_seen_is_seen_in_four_of_five() -> None:
    """The detectable difference of a known spread is found significant in 80 % of cohorts of that size."""
    rng = np.random.default_rng(3)
    size, std = 5, 1.0
    freedom = 2 * size - 2
    critical = stats.t.ppf(0.975, freedom)
    away = brentq(lambda one: stats.nct.sf(critical, freedom, one) - 0.8, 1.0, 6.0)
    shift = away * std * np.sqrt(2 / size)
    found, shown = 0, []
    for _ in range(1000):
        pair = only_pair(compare_groups([*cells("a", rng.normal(0, std, size)), *cells("b", rng.normal(shift, std, size))]))
        found += (pair.p_value or 1.0) < 0.05
        shown.append(pair.detectable_difference or 0.0)
    assert found / 1000 == pytest.approx(0.8, abs=0.03)
    assert float(np.mean(shown)) == pytest.approx(shift, rel=0.05)


def test_cycles_are_not_cells() -> None:
    """A thousand cycles behind each cell change nothing but what is counted."""
    few = [*cells("a", [1.0, 1.4, 0.9]), *cells("b", [2.1, 1.7, 2.9])]
    many = [replace(cell, cycles=1000) for cell in few]
    assert only_pair(compare_groups(few)) == only_pair(compare_groups(many))
    assert [group.cycles for group in compare_groups(many).groups] == [3000, 3000]


def shared(channels: list[str], offset: float) -> list[CellValue]:
    std = float(np.hypot(0.1, offset))
    both = [*cells("a", [1.0, 1.1, 0.9], std), *cells("b", [1.5, 1.4, 1.6], std)]
    return [replace(cell, channel=name, offset_std=offset) for cell, name in zip(both, channels, strict=True)]


def test_what_lies_between_cells_is_beyond_what_their_scatter_can_show() -> None:
    """Cells on one channel scatter without its offset, so that it takes nothing from what is between them; on three it does."""
    values = [1.0, 1.4, 0.6]
    for channels, seen in (("ppp", 0.1), ("pqr", float(np.hypot(0.1, 0.3)))):
        made = [
            replace(one, channel=name) for one, name in zip(cells("a", values, float(np.hypot(0.1, 0.3))), channels, strict=True)
        ]
        made = [replace(one, offset_std=0.3) for one in made]
        between = compare_groups([*made, *cells("b", values)]).groups[0].between_std
        assert between == pytest.approx(np.sqrt(0.4**2 - seen**2))


def test_an_offset_that_a_group_shares_is_not_lost() -> None:
    """Groups on one channel each: √2 × offset is added; all on one channel: nothing; each on its own: the scatter has it."""
    plain = only_pair(compare_groups(shared(list("pqrstu"), 0.0))).difference.std or 0.0
    apart = compare_groups(shared(list("pppqqq"), 0.3))
    assert only_pair(apart).difference.std == pytest.approx(np.hypot(plain, 0.3 * np.sqrt(2)))
    assert apart.groups[0].mean.std == pytest.approx(np.hypot(0.1 / np.sqrt(3), 0.3))
    assert apart.notes == ("a-0, a-1, a-2 share the offset of channel p", "b-0, b-1, b-2 share the offset of channel q")
    assert only_pair(compare_groups(shared(list("pppppp"), 0.3))).difference.std == pytest.approx(plain)
    assert only_pair(compare_groups(shared(list("pqrstu"), 0.3))).difference.std == pytest.approx(plain)


def test_shared_offsets_are_covered() -> None:
    """Two channels per group, drawn offsets: the interval holds in 93–98 % although no scatter shows the whole offset."""
    rng = np.random.default_rng(4)
    draws, held = 1500, 0
    channels = np.array(list("ppqq" + "rrss"))
    for _ in range(draws):
        offset = {name: rng.normal(0, 0.5) for name in "pqrs"}
        values = rng.normal(0, 0.5, 8) + np.array([offset[name] for name in channels])
        made = [CellValue(str(n), "a" if n < 4 else "b", float(one), 0.7, 0.5, str(channels[n])) for n, one in enumerate(values)]
        shown = only_pair(compare_groups(made)).difference
        assert shown.low is not None
        assert shown.high is not None
        held += shown.low <= 0.0 <= shown.high
    assert 0.93 - 0.011 <= held / draws <= 0.98 + 0.011


def test_ratio_is_of_positive_values() -> None:
    """The ratio of the means with the interval of its logarithm; refused when a value is not positive."""
    pair = only_pair(compare_groups([*cells("a", [1.0, 1.4, 0.9]), *cells("b", [2.1, 1.7, 2.9])]))
    assert pair.ratio.value == pytest.approx(6.7 / 3.3)
    assert (pair.ratio.low or 0.0) * (pair.ratio.high or 0.0) == pytest.approx((6.7 / 3.3) ** 2)
    assert (
        only_pair(compare_groups([*cells("a", [1.0, -1.4]), *cells("b", [2.1, 1.7])])).ratio.refusal
        == "a ratio needs positive values"
    )


def test_one_cell_says_nothing_about_spread() -> None:
    """A group of one is shown with its value; its pairs are refused; other pairs are not."""
    comparison = compare_groups([*cells("a", [1.0, 1.4]), *cells("b", [2.1]), *cells("c", [3.0, 3.1])])
    assert comparison.groups[1].mean.value == 2.1
    assert comparison.groups[1].mean.refusal == "1 cell: nothing can be said about spread"
    refusals = {(pair.group, pair.baseline): pair.difference.refusal for pair in comparison.pairs}
    assert refusals == {
        ("b", "a"): '1 cell in "b": nothing can be said about spread',
        ("c", "a"): "",
        ("c", "b"): '1 cell in "b": nothing can be said about spread',
    }


def test_cells_that_do_not_differ_give_no_p_value() -> None:
    """Without any spread a difference cannot be judged."""
    pair = only_pair(compare_groups([*cells("a", [5.0, 5.0]), *cells("b", [6.0, 6.0])]))
    assert "do not differ at all" in pair.difference.refusal
    assert pair.p_value is None


def test_several_groups_are_corrected_together() -> None:
    """Every pair without a baseline, the others beside it with one; Holm's p-values are no smaller and keep the order."""
    rng = np.random.default_rng(7)
    made = [cell for n, name in enumerate("abcd") for cell in cells(name, rng.normal(n, 0.7, 4))]
    every = compare_groups(made)
    assert len(every.pairs) == 6
    ranked = sorted((pair.p_value or 0.0, pair.p_value_holm or 0.0) for pair in every.pairs)
    assert ranked[0][1] == pytest.approx(min(1.0, 6 * ranked[0][0]))
    assert [holm for _, holm in ranked] == sorted(holm for _, holm in ranked)
    against = compare_groups(made, baseline="b")
    assert [(pair.group, pair.baseline) for pair in against.pairs] == [("a", "b"), ("c", "b"), ("d", "b")]


def test_cells_without_errors_weigh_the_same() -> None:
    """One unknown σ makes its group's cells weigh the same, and the comparison says so."""
    comparison = compare_groups([*cells("a", [1.0, 1.4]), CellValue("a-9", "a", 3.0, None), *cells("b", [2.1, 1.7])])
    assert comparison.groups[0].mean.value == pytest.approx(1.8)
    assert comparison.notes == ("cells of a weigh the same: not all of them have a standard deviation",)


@pytest.mark.parametrize(
    ("made", "baseline", "sentence"),
    [
        ([], None, "a comparison needs two groups; there are no cells"),
        (cells("a", [1.0, 2.0]), None, 'a comparison needs two groups; all 2 cells are in one group, "a"'),
        ([*cells("a", [1.0]), *cells("b", [1.0])], "c", 'the baseline "c" is not a group; there are a, b'),
        ([*cells("a", [1.0]), *cells("b", [1.0]), *cells("b", [1.0])], None, "a cell occurs twice"),
        ([*cells("a", [float("nan")]), *cells("b", [1.0])], None, '"a-0" has the value nan'),
        ([*cells("a", [1.0], -1.0), *cells("b", [1.0])], None, "with the standard deviation -1.0"),
    ],
)
def test_what_cannot_be_compared_is_an_error(made: list[CellValue], baseline: str | None, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(AnalysisError, match=sentence):
        compare_groups(made, baseline=baseline)
