"""Tables built of cells, and what they show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fovea.config.errors import ConfigError
from fovea.stats.estimates import compare, holm
from fovea.tables.build import build_table
from fovea.tables.cells import Cell, Repeat
from fovea.tables.definition import TableDefinition
from fovea.tables.layout import lay_out
from fovea.tables.table import Table

MakeCell = Callable[..., Cell]

ACCURACY = {"metric": "test/accuracy", "label": "accuracy", "format": "percent", "better": "higher"}
EPOCHS = "epochs_to(train/accuracy >= 0.75)"
TO_EPOCHS = {"metric": EPOCHS, "label": "epochs", "digits": 1, "better": "lower"}


def build(cells: Sequence[Cell], *columns: dict[str, Any], **more: Any) -> Table:
    definition = {"rows": {"key": "model"}, "columns": list(columns or [ACCURACY])} | more
    return build_table(TableDefinition.model_validate(definition), cells)


def accuracies(cell: MakeCell, **values: list[float | None]) -> list[Cell]:
    """Return a cell of each model with these accuracies."""
    return [cell({"model": name}, **{"test/accuracy": given}) for name, given in values.items()]


def texts(table: Table) -> list[list[str]]:
    return [[text.text for text in row] for row in lay_out(table).rows]


def test_a_cell_shows_what_it_has(cell: MakeCell) -> None:
    cells = accuracies(cell, mlp=[0.9, 0.8], vgg=[None], one=[0.5], bad=[math.nan, 0.9])
    table = build([*cells, cell({"model": "other"}, parameters=[5])])
    assert texts(table) == [
        ["mlp", "85.00 ± 7.07 % (n = 2)"],
        ["vgg", "not run"],
        ["one", "50.00 % (n = 1)"],
        ["bad", "no number in 1 of 2"],
        ["other", "not measured"],
    ]
    assert table.rows[0].runs == ("mlp-0", "mlp-1")
    assert table.rows[1].runs == ()
    assert list(table.results) == ["mlp-0", "mlp-1", "one-0", "bad-0", "bad-1", "other-0"]


@pytest.mark.parametrize(
    ("column", "several", "one"),
    [
        ({"format": "percent"}, "12,345.60 ± 141.42 % (n = 2)", "12,345.60 % (n = 1)"),
        ({"format": "percent", "digits": 0}, "12,346 ± 141 % (n = 2)", "12,346 % (n = 1)"),
        ({"format": "number"}, "123.4560 ± 1.4142 (n = 2)", "123.4560 (n = 1)"),
        ({"format": "count"}, "123 ± 1 (n = 2)", "123"),
        ({"format": "seconds"}, "123.5 ± 1.4 (n = 2)", "123.5"),
        (
            {"format": "number", "digits": 1, "interval": True},
            "123.5 ± 1.4 [110.7, 136.2] (n = 2)",
            "123.5 (n = 1)",
        ),
    ],
)
def test_formats(cell: MakeCell, column: dict[str, Any], several: str, one: str) -> None:
    cells = [
        cell({"model": "two"}, value=[122.456, 124.456]),
        cell({"model": "one"}, value=[123.456]),
    ]
    table = build(cells, {"metric": "value", "label": "value"} | column)
    assert [row[1] for row in texts(table)] == [several, one]


def test_counts_that_are_equal_need_no_n(cell: MakeCell) -> None:
    column = {"metric": "parameters", "label": "parameters", "format": "count"}
    table = build([cell({"model": "mlp"}, parameters=[1_234_567] * 3)], column)
    assert texts(table) == [["mlp", "1,234,567"]]


def test_without_a_key_a_cell_is_told_by_its_values(cell: MakeCell) -> None:
    one = cell({"model": "mlp", "optimizer.lr": "0.1"}, **{"test/accuracy": [0.5]})
    table = build([one], rows={})
    assert table.headings == ("cell",)
    assert table.rows[0].labels == ("model=mlp optimizer.lr=0.1",)


def test_several_keys_and_their_labels(cell: MakeCell) -> None:
    cells = [
        cell({"model": model, "data": data}, **{"test/accuracy": [0.5]})
        for model in ("mlp", "vgg")
        for data in ("a", "b")
    ]
    rows = {"key": ["model", "data"], "label": ["network", "set"], "labels": {"mlp": "MLP"}}
    layout = lay_out(build(cells, rows=rows))
    assert [heading.text for heading in layout.headings] == ["network", "set", "accuracy"]
    assert layout.labels == 2
    assert [[text.text for text in row[:2]] for row in layout.rows] == [
        ["MLP", "a"],
        ["MLP", "b"],
        ["vgg", "a"],
        ["vgg", "b"],
    ]


def test_a_pivot_has_columns_of_its_own(cell: MakeCell) -> None:
    cells = [
        cell({"model": model, "data": data}, parameters=[7], **{"test/accuracy": [accuracy]})
        for model, data, accuracy in (("mlp", "a", 0.5), ("mlp", "b", 0.6), ("vgg", "b", 0.7))
    ]
    pivot = {"key": "data", "labels": {"a": "Set A"}}
    reference = {"row": "vgg", "column": "test/accuracy", "pivot": "b", "value": 0.7}
    reference |= {"source": "a paper", "evidence": "A"}
    layout = lay_out(build(cells, pivot=pivot, references=[reference]))
    heads = [heading.text for heading in layout.headings]
    assert heads == ["model", "Set A", "b", "b: published", "b: verdict"]
    assert [[text.text for text in row] for row in layout.rows] == [
        ["mlp", "50.00 % (n = 1)", "60.00 % (n = 1)", "", ""],
        ["vgg", "not run", "70.00 % (n = 1)", "70.00 %", "one run (0.00 pp, no verdict)"],
    ]
    count = {"metric": "parameters", "label": "parameters", "format": "count"}
    several = lay_out(build(cells, ACCURACY, count, pivot=pivot))
    assert [heading.text for heading in several.headings[1:3]] == [
        "Set A: accuracy",
        "Set A: parameters",
    ]


def test_each_row_at_its_own_best_value(cell: MakeCell) -> None:
    cells = [
        cell({"model": model, "optimizer.lr": lr}, **{EPOCHS: given})
        for model, lr, given in (
            ("relu", "0.01", [9]),
            ("relu", "0.1", [5, 6]),
            ("relu", "1", [7]),
            ("tanh", "0.01", [30]),
            ("tanh", "0.1", ["> 60"]),
        )
    ]
    rule = {"key": "optimizer.lr", "by": EPOCHS, "better": "lower", "label": "lr"}
    layout = lay_out(build(cells, TO_EPOCHS, choose=rule))
    assert [[text.text for text in row] for row in layout.rows] == [
        ["relu", "0.1", "5.5 ± 0.7 (n = 2)"],
        ["tanh", "0.01", "30.0 (n = 1)"],
    ]
    assert layout.headings[1].text == "lr"
    relu, tanh = (layout.footnotes[row[0].marks[0] - 1] for row in layout.rows)
    assert relu == f"lr chosen of 0.01, 0.1, 1 by {EPOCHS}, seeds 0"
    assert tanh.endswith("a better one may lie beyond")


def test_differences_to_the_baseline(cell: MakeCell) -> None:
    base, better, worse = [0.90, 0.91, 0.92], [0.93, 0.95, 0.94], [0.80, 0.79, 0.83]
    table = build(accuracies(cell, base=base, better=better, worse=worse), baseline="base")
    compared = [compare(each, base) for each in (better, worse)]
    corrected = holm([each.p for each in compared if each])
    entries = [row.entries[0] for row in table.rows]
    assert entries[0].comparison is None
    assert [entry.comparison for entry in entries[1:]] == [
        each.among(2) for each in compared if each
    ]
    assert [entry.p for entry in entries[1:]] == pytest.approx(corrected)
    assert [row[2] for row in texts(table)] == [
        "–",
        "+3.00 pp [0.15, 5.85], p = 0.021",
        "−10.33 pp [−16.08, −4.58], p = 0.010",
    ]
    assert lay_out(table).headings[2].text == "accuracy: difference to base"
    assert (
        "differences to the baseline: 95 % t intervals that hold together over the rows of a "
        "column (Bonferroni); p by Welch's t tests, Holm-corrected over the rows of a column"
    ) in table.notes
    alone = ACCURACY | {"difference": False}
    table = build(accuracies(cell, base=base, better=better), alone, baseline="base")
    assert [len(row) for row in texts(table)] == [2, 2]


def test_differences_that_cannot_be_tested_are_not_called_tested(cell: MakeCell) -> None:
    table = build(accuracies(cell, base=[0.90, 0.92], other=[0.94]), baseline="base")
    assert [row[2] for row in texts(table)] == ["–", "+3.00 pp, untested (n = 1)"]
    assert not any("Holm" in note for note in table.notes)
    assert any(note.endswith("untested (n = 1)") for note in table.notes)


def test_a_ratio_to_the_baseline(cell: MakeCell) -> None:
    cells = [
        cell({"model": "relu"}, **{EPOCHS: [10, 10, 10]}),
        cell({"model": "tanh"}, **{EPOCHS: [59, 60, 61]}),
        cell({"model": "sigmoid"}, **{EPOCHS: ["> 80", 70, "> 80"]}),
    ]
    reference = {"row": "tanh", "column": EPOCHS, "value": 6, "ratio": True}
    reference |= {"source": "AlexNet, Fig. 1", "evidence": "P"}
    table = build(cells, TO_EPOCHS | {"ratio": True}, baseline="relu", references=[reference])
    layout = lay_out(table)
    assert [heading.text for heading in layout.headings[3:]] == [
        "epochs: ratio to relu",
        "epochs: published",
        "epochs: verdict",
    ]
    # 10 epochs in each run are known to no better than rounding
    assert [text.text for text in layout.rows[1][3:]] == [
        "6.00 [5.58, 6.45]",
        "6 ×",
        "reproduced (0.00, within ±5 %)",
    ]
    assert any(note.startswith("ratios: of geometric means") for note in table.notes)
    assert layout.rows[2][1].text == "70.0, > 80.0, > 80.0 (n = 3)"
    assert [text.text for text in layout.rows[2][2:4]] == ["–", "> 7.65"]


def test_runs_that_never_got_there_have_no_mean(cell: MakeCell) -> None:
    cells = [
        cell({"model": "relu"}, **{EPOCHS: [5, 6, 5]}),
        cell({"model": "tanh"}, **{EPOCHS: ["> 20", "> 20", "> 20"]}),
    ]
    reference = {"row": "tanh", "column": EPOCHS, "value": 6, "source": "s", "evidence": "P"}
    table = build(cells, TO_EPOCHS, baseline="relu", references=[reference])
    assert table.rows[1].entries[0].measurement is None
    assert table.rows[1].entries[0].comparison is None
    assert not any(row.entries[0].best for row in table.rows)
    assert texts(table)[1] == [
        "tanh",
        "> 20.0 (n = 3)",
        "6.0",
        "not comparable (a run here ended before it got there)",
    ]
    (note,) = (text for text in lay_out(table).footnotes if "first epoch" in text)
    assert "in whole epochs" in note


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"a": [0.90, 0.91, 0.92], "b": [0.80, 0.805, 0.83], "c": [0.5, 0.6, 0.4]}, ["a"]),
        ({"a": [0.90, 0.91, 0.92], "b": [0.89, 0.915, 0.91]}, []),  # by chance
        ({"a": [0.9], "b": [0.1]}, []),  # never at n = 1
        ({"a": [0.9, 0.91, 0.92], "b": [0.1]}, []),
        ({"a": [0.9, 0.9, 0.9], "b": [0.1, 0.1, 0.1]}, []),  # of permutations, p = 0.1
        ({"a": [0.9] * 5, "b": [0.1] * 5}, ["a"]),  # 0.008
        ({"a": [0.9, 0.91, 0.92], "b": [0.9, 0.91, 0.92], "c": [0.1, 0.3, 0.2]}, []),  # a tie
        ({"a": [math.nan, 0.99, 0.99], "b": [0.9, 0.91, 0.92], "c": [0.1, 0.12, 0.2]}, ["b"]),
        ({"a": [0.9, 0.91, 0.92], "b": [None]}, []),
    ],
)
def test_only_a_significant_winner_is_bold(
    cell: MakeCell, values: dict[str, list[float | None]], best: list[str]
) -> None:
    table = build(accuracies(cell, **values))
    assert [row.label for row in table.rows if row.entries[0].best] == best
    assert any(note.startswith("bold: ") for note in table.notes) == bool(best)
    lower = build(accuracies(cell, **values), ACCURACY | {"better": None})
    assert not any(row.entries[0].best for row in lower.rows)


def test_the_winner_pays_for_being_chosen(cell: MakeCell) -> None:
    values = {"a": [0.90, 0.91, 0.92], "b": [0.88, 0.89, 0.895], "c": [0.2, 0.87, 0.91]}
    ahead = compare(values["a"], values["b"])
    assert ahead is not None
    assert ahead.p is not None
    assert 0.025 < ahead.p < 0.05
    assert build(accuracies(cell, a=values["a"], b=values["b"])).rows[0].entries[0].best
    # of two comparisons the smaller p counts twice
    assert not build(accuracies(cell, **values)).rows[0].entries[0].best


def test_equal_runs_stay_in_the_family(cell: MakeCell) -> None:
    values = {"base": [0.90, 0.91, 0.92], "a": [0.93, 0.94, 0.95], "b": [0.90, 0.91, 0.92]}
    of_two = build(accuracies(cell, **values), baseline="base").rows[1].entries[0]
    alone = compare(values["a"], values["base"])
    assert alone is not None
    assert alone.p is not None
    assert of_two.p == pytest.approx(2 * alone.p)
    # a row without any spread, against a baseline without: of permutations, and in the family
    counts = {"base": [7, 7, 7], "a": [9, 9, 9], "b": [7, 7, 8], "one": [9]}
    cells = [cell({"model": name}, **{EPOCHS: given}) for name, given in counts.items()]
    table = build(cells, TO_EPOCHS, baseline="base")
    p = [row.entries[0].p for row in table.rows]
    assert p == [None, pytest.approx(0.2), pytest.approx(0.42265, abs=1e-5), None]
    assert texts(table)[1][2] == "+2.0, p = 0.200"
    assert any("exact permutation test" in note for note in table.notes)


def test_runs_are_paired_by_a_key_that_the_table_names(cell: MakeCell) -> None:
    base, other = [0.90, 0.80, 0.70], [0.92, 0.81, 0.72]
    cells = accuracies(cell, base=base, other=other)
    pairs = {Repeat(seed): f"split {seed}" for seed in range(3)}
    crossed = {Repeat(seed): f"split {2 - seed}" for seed in range(3)}
    more = {"baseline": "base", "pair": "data.split_seed"}
    for of_other, values in ((pairs, other), (crossed, other[::-1])):
        paired = [replace(cells[0], pairs=pairs), replace(cells[1], pairs=of_other)]
        table = build(paired, ACCURACY, **more)
        comparison = table.rows[1].entries[0].comparison
        assert comparison is not None
        expected = compare(values, base, paired=True)
        assert expected is not None
        assert comparison.paired
        assert comparison.p == pytest.approx(expected.p)
    assert any("t tests paired by data.split_seed" in note for note in table.notes)
    unpaired = build(cells, ACCURACY, baseline="base").rows[1].entries[0].comparison
    assert unpaired is not None
    assert not unpaired.paired


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (
            ["00", "00"],
            "table.yaml: pair: 2 runs of 'a' have data.split_seed = 0; a key that pairs has "
            "another value in each run of a row",
        ),
        (
            ["01", "12"],
            "table.yaml: pair: no two rows share two values of data.split_seed; leave it out, and "
            "runs are compared as independent ones",
        ),
    ],
)
def test_a_key_that_does_not_pair_is_refused(cell: MakeCell, pairs: list[str], reason: str) -> None:
    cells = accuracies(cell, a=[0.9, 0.8], b=[0.7, 0.6])
    given = [
        replace(each, pairs={Repeat(0): of_it[0], Repeat(1): of_it[1]})
        for each, of_it in zip(cells, pairs, strict=True)
    ]
    with pytest.raises(ConfigError) as refusal:
        build(given, pair="data.split_seed")
    assert str(refusal.value) == reason


FOLDS = {"a": [0.90, 0.93, 0.88, 0.95], "b": [0.89, 0.90, 0.87, 0.93]}


def dealt(cell: MakeCell, folds: int = 4, **cells: list[float]) -> list[Cell]:
    return [
        cell({"model": name}, folds=folds, **{"test/accuracy": values})
        for name, values in cells.items()
    ]


def test_folds_are_paired_and_reckoned_as_overlapping(cell: MakeCell) -> None:
    reference = {
        "row": "b",
        "column": "test/accuracy",
        "value": 0.91,
        "source": "P",
        "evidence": "P",
    }
    column = ACCURACY | {"interval": True}
    table = build(dealt(cell, **FOLDS), column, baseline="b", references=[reference])
    first, second = (row.entries[0] for row in table.rows)
    error = math.sqrt(np.var(FOLDS["a"], ddof=1) * (1 / 4 + 1 / 3))
    assert first.measurement is not None
    assert first.measurement.low == pytest.approx(0.915 - stats.t.ppf(0.975, 3) * error)
    apart = np.subtract(FOLDS["a"], FOLDS["b"])
    t = apart.mean() / math.sqrt(apart.var(ddof=1) * (1 / 4 + 1 / 3))
    assert first.comparison is not None
    assert first.comparison.p == pytest.approx(2 * stats.t.sf(t, 3))
    assert first.comparison.needed is None
    ((_, verdict),) = second.published
    assert (verdict.kind, verdict.needed, verdict.why) == (
        "consistent",
        None,
        "more folds are no more data",
    )
    assert "± is the sample standard deviation over n folds" in " ".join(table.notes)
    assert (
        "n counts folds, of 4. Their training parts overlap: intervals and tests are those of the "
        "corrected resampled t (Nadeau and Bengio 2003)"
    ) in table.notes
    assert not any("seeds in all" in note for note in table.notes)


def test_further_seeds_of_a_fold_are_no_further_samples(cell: MakeCell) -> None:
    once = build(dealt(cell, **FOLDS), baseline="b")
    twice = build(
        dealt(cell, **{name: [*each, *each] for name, each in FOLDS.items()}), baseline="b"
    )
    for own, other in zip(once.rows, twice.rows, strict=True):
        assert own.entries[0].measurement == other.entries[0].measurement
        assert own.entries[0].comparison == other.entries[0].comparison
        assert len(other.entries[0].readings) == 2 * len(own.entries[0].readings)
    assert any("of each, the mean over 2 seeds" in note for note in twice.notes)


def test_other_folds_are_not_compared(cell: MakeCell) -> None:
    a, b = dealt(cell, **FOLDS)
    independent = replace(b, pairs={}, folds=0)
    for other in (independent, replace(b, pairs={each: f"other {each}" for each in b.runs})):
        table = build([a, other], baseline="b")
        assert table.rows[0].entries[0].comparison is None
        assert not any(row.entries[0].best for row in table.rows)


def seeds_note(table: Table) -> str:
    (note,) = (note for note in table.notes if note.startswith("seeds in all"))
    return note


def test_seeds_are_asked_for_in_all_and_with_the_command(cell: MakeCell) -> None:
    a, b = [0.90, 0.91, 0.92], [0.89, 0.915, 0.91]
    ahead = compare(a, b)
    assert ahead is not None
    assert ahead.needed is not None
    assert ahead.needed > 20
    rule = "seeds in all that would show a difference of the size seen (power 0.8, p < 0.05, "
    rule += "uncorrected): "
    one = f"accuracy, a versus b (0.50 pp, p = {ahead.p:.3f})"
    assert seeds_note(build(accuracies(cell, a=a, b=b))) == f"{rule}n = {ahead.needed}: {one}"
    # of every column in one note, the fewest first, never below five, and the command beside them
    steps = {"metric": "steps", "label": "steps", "better": "lower"}
    cells = [
        cell({"model": name}, steps=of_steps, **{"test/accuracy": values})
        for name, of_steps, values in (("a", [5, 6, 8], a), ("b", [9, 11, 8], b))
    ]
    definition = {"rows": {"key": "model"}, "columns": [ACCURACY, steps]}
    table = build_table(
        TableDefinition.model_validate(definition), cells, "fovea train experiment=mine"
    )
    assert seeds_note(table) == (
        f"{rule}n = 6 (fovea train experiment=mine seed=0,1,2,3,4,5; list them in sweep.yaml too): "
        f"steps, a versus b (3.0000, p = 0.074). n = {ahead.needed}: {one}"
    )
    # the same pair is named once, another one beside it
    with_base = build(accuracies(cell, a=a, b=b, c=[0.88, 0.91, 0.90]), baseline="b")
    assert seeds_note(with_base).count("a versus b") == 1
    assert "accuracy, c versus b" in seeds_note(with_base)
    close = build(accuracies(cell, a=[0.9, 0.8, 0.7], b=[0.7, 0.8, 0.899]))
    assert ": n > 1,000: accuracy, a versus b" in seeds_note(close)


def test_seeds_to_add_are_the_next_ones(cell: MakeCell) -> None:
    cells = accuracies(cell, a=[0.90, 0.93, 0.96], b=[0.86, 0.90, 0.91])
    moved = [
        Cell(
            each.values,
            {Repeat(seed + 1): run for (seed, _), run in each.runs.items()},
            {Repeat(seed + 1): run for (seed, _), run in each.results.items()},
        )
        for each in cells
    ]
    note = seeds_note(build(moved))
    assert "(seed=1,2,3,0,4" in note


def test_published_values_stand_beside_the_measured(cell: MakeCell) -> None:
    own = {"row": "mlp", "column": "test/accuracy", "source": "Paper, Table 2", "evidence": "P"}
    references = [
        own | {"value": 0.95, "std": 0.001, "n": 5},
        own | {"value": 0.99, "bound": True, "source": "Guide", "evidence": "seed"},
        own | {"row": "vgg", "value": 0.90, "differs": "tested on train"},
    ]
    table = build(accuracies(cell, mlp=[0.901, 0.9], vgg=[0.9], cnn=[0.5]), references=references)
    layout = lay_out(table)
    assert [[text.text for text in row[2:]] for row in layout.rows] == [
        [
            "95.00 ± 0.10 % (n = 5); > 99.00 %",
            "short by 4.95 pp; missed by 8.95 pp",
        ],
        ["90.00 %", "not comparable (tested on train)"],
        ["", ""],
    ]
    assert layout.rows[0][2].marks == (1, 2)
    assert layout.footnotes == (
        "Paper, Table 2 [P: seen in the paper itself]",
        "Guide [seed: the introductory guide that makes the claim]",
        "Paper, Table 2 [P: seen in the paper itself]; deviation: tested on train",
    )
    assert table.notes[-1] == (
        "verdicts: d is measured less published, m the margin, 10 % of the published error rate "
        "(at least 0.1, at most 1 point) unless stated. Better, short, differs: one further run of "
        "the spread measured here would lie beyond ±m (95 % prediction interval). Of a bound: met "
        "or missed by its one-sided 95 % interval, else undecided"
    )


def test_footnotes_stand_where_they_belong(cell: MakeCell) -> None:
    notes = [
        {"text": "of a row", "row": "mlp"},
        {"text": "of a column", "column": "test/accuracy"},
        {"text": "of a place", "row": "vgg", "column": "test/accuracy"},
        "of all",
        {"text": "of a row", "row": "vgg"},
    ]
    layout = lay_out(build(accuracies(cell, mlp=[0.9], vgg=[0.8]), footnotes=notes))
    assert layout.footnotes == ("of a column", "of a row", "of a place")
    assert layout.notes[0] == "of all"
    assert layout.headings[1].marks == (1,)
    assert [[text.marks for text in row] for row in layout.rows] == [[(2,), ()], [(2,), (3,)]]


def test_notes_say_what_departs_and_what_is_missing(cell: MakeCell) -> None:
    on_test = ["validated on the test part"]
    cells = [
        cell({"model": "mlp"}, notes=on_test, **{"test/accuracy": [0.9]}),
        cell({"model": "vgg"}, **{"test/accuracy": [0.9, None, None]}),
        cell({"model": "cnn"}, notes=on_test, **{"test/accuracy": [0.9]}),
        cell({"model": "net"}, **{"test/accuracy": [None]}),
    ]
    assert build(cells).notes == (
        "mlp, cnn: validated on the test part",
        "seeds not run: vgg 2 of 3",
    )


def test_runs_that_saw_other_data_are_told(cell: MakeCell) -> None:
    one = cell({"model": "mlp"}, data="d", **{"test/accuracy": [0.9]})
    two = cell({"model": "mlp"}, data="e", **{"test/accuracy": [None, 0.8]})
    both = Cell(one.values, two.runs, {**one.results, **two.results})
    assert (
        "mlp: its runs did not all see the same data (fingerprints differ)" in build([both]).notes
    )


@pytest.mark.parametrize(
    ("key", "values", "note"),
    [
        ("precision", ("32", "bf16-mixed"), "in different precisions (32, bf16-mixed)"),
        (
            "hardware_class",
            ("cpu avx512", "cuda NVIDIA H100"),
            "on hardware of different classes (cpu avx512, cuda NVIDIA H100)",
        ),
    ],
)
def test_runs_of_different_precisions_or_hardware_are_named(
    cell: MakeCell, key: str, values: tuple[str, str], note: str
) -> None:
    (made,) = accuracies(cell, mlp=[0.9, 0.8, 0.7])
    resolved = dict(zip(made.results, (*values, ""), strict=True))
    results = {
        seed: replace(result, provenance=result.provenance | {key: resolved[seed]})
        for seed, result in made.results.items()
    }
    mixed = Cell(made.values, made.runs, results)
    assert f"mlp: its runs were trained {note}" in build([mixed]).notes
    same = {seed: each for seed, each in results.items() if resolved[seed] != values[0]}
    assert not any(
        "different" in note for note in build([Cell(made.values, made.runs, same)]).notes
    )


def test_only_the_seeds_asked_for(cell: MakeCell) -> None:
    table = build(accuracies(cell, mlp=[0.5, 0.6, 0.7]), seeds=[0, 2])
    assert texts(table) == [["mlp", "60.00 ± 14.14 % (n = 2)"]]
    assert "only seeds 0, 2" in table.notes


def test_a_default_column_that_nothing_recorded_is_left_out(cell: MakeCell) -> None:
    only_counts = [cell({"model": "mlp"}, parameters=[7], macs=[5])]
    table = build_table(TableDefinition(), only_counts)
    assert [head.column.metric for head in table.columns] == ["parameters", "macs"]
    reference = {"row": "mlp", "column": "test/accuracy", "value": 1, "source": "s"}
    referred = {"rows": {"key": "model"}, "references": [reference | {"evidence": "P"}]}
    table = build_table(TableDefinition.model_validate(referred), only_counts)
    assert texts(table)[0][1:4] == ["not measured", "100.00 %", "–"]
    none = build_table(TableDefinition(), [cell({"model": "mlp"}, macs=[None])])
    assert [head.column.metric for head in none.columns][:2] == ["test/loss", "parameters"]


REFERENCE = {"row": "mlp", "column": "test/accuracy", "value": 1, "source": "s", "evidence": "P"}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"baseline": "mpl"}, "baseline: no row 'mpl'; did you mean 'mlp'?"),
        (
            {"references": [REFERENCE | {"row": "x"}]},
            "references.0: no row 'x' (known: mlp, vgg)",
        ),
        ({"footnotes": [{"text": "t", "row": "vg"}]}, "footnotes.0: no row 'vg'; did you mean"),
        (
            {"pivot": {"key": "data"}, "references": [REFERENCE]},
            "references.0.pivot: no column 'None' (known: a, b)",
        ),
        (
            {"columns": [{"metric": "test/acuracy", "label": "accuracy"}]},
            "no run recorded 'test/acuracy'; did you mean 'test/accuracy'?",
        ),
    ],
)
def test_a_definition_that_does_not_fit_is_told(
    cell: MakeCell, more: dict[str, Any], reason: str
) -> None:
    cells = [
        cell({"model": "mlp", "data": "a"}, **{"test/accuracy": [0.9]}),
        cell({"model": "vgg", "data": "b"}, **{"test/accuracy": [0.8]}),
    ]
    with pytest.raises(ConfigError) as refusal:
        build(cells, **more)
    assert str(refusal.value).startswith(f"table.yaml: {reason}")


def test_a_metric_is_not_missed_before_all_runs_are_there(cell: MakeCell) -> None:
    table = build(
        accuracies(cell, mlp=[0.9], vgg=[None]), {"metric": "test/shifted", "label": "shifted"}
    )
    assert texts(table) == [["mlp", "not measured"], ["vgg", "not run"]]


def test_cells_that_a_row_does_not_tell_apart_are_refused(cell: MakeCell) -> None:
    cells = [cell({"model": "mlp", "lr": lr}, **{"test/accuracy": [0.9]}) for lr in ("0.1", "0.2")]
    with pytest.raises(ConfigError) as refusal:
        build(cells)
    assert str(refusal.value) == (
        "table.yaml: rows.key: 'mlp' is 2 cells, which model does not tell apart; "
        "add the key that does"
    )
