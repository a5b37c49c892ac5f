"""What cannot be weighed is refused in words."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, MissingError, RecloopError, SettingError
from recloop.evaluate.off_policy import (
    Logged,
    Target,
    category_tables,
    importance_weights,
    ips,
    judge_policies,
    marginal_weights,
    slates,
)
from recloop.evaluate.off_policy.confidence import anytime
from recloop.evaluate.off_policy.reading import as_shown, log_of, read_log, targets_of

RNG = np.random.default_rng(1)
GOOD = {"action": ["a", "b", "a"], "reward": [1.0, 0.0, 1.0], "propensity": [0.5, 0.5, 0.5]}


def table(**changed: object) -> pl.DataFrame:
    return pl.DataFrame(GOOD | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"propensity": [0.5, 0.0, 0.5]}, "the propensity of row 2 is 0.0 (1 of 3 rows are wrong); what was done had a probab"),
        ({"propensity": [0.5, 1.2, 0.5]}, "the propensity of row 2 is 1.2"),
        ({"propensity": [0.5, None, 0.5]}, "the propensity of row 2 is 0.0"),
        ({"reward": [1.0, float("nan"), 1.0]}, "1 of 3 rewards are NaN or infinite, first in row 2"),
        ({"reward": [1.0, float("inf"), 1.0]}, "1 of 3 rewards are NaN or infinite"),
        ({"reward": ["yes", "no", "no"]}, "the column 'reward' holds String; numbers"),
        ({"feature_age": [1.0, None, 2.0]}, "1 of 3 features are NaN or infinite, first in row 2"),
        ({"propensities": ['{"a": 0.5, "b": 0.5}', '{"a": 0.6, "b": 0.6}', '{"a": 0.5, "b": 0.5}']},
         "the chances of what logged in row 2 sum to 1.2"),
        ({"propensities": ['{"a": 0.9, "b": 0.1}', '{"a": 0.5, "b": 0.5}', '{"a": 0.5, "b": 0.5}']},
         "row 1 says 0.5 of its action, and its chances of all actions say 0.9; both are the same probability"),
        ({"propensities": ["a", "b", "c"]}, "the column 'propensities' holds String; each row holds the chance of every"),
    ],
)  # fmt: skip
def test_a_log_that_is_wrong(changed: dict[str, object], said: str) -> None:
    with pytest.raises(DataError) as caught:
        log_of(table(**changed))
    assert str(caught.value).startswith(said)


def test_a_log_without_a_column_or_a_row() -> None:
    with pytest.raises(DataError, match=r"the log has no column 'propensity'. Did you mean 'propensty'"):
        log_of(table().rename({"propensity": "propensty"}))
    with pytest.raises(DataError, match=r"the log has no round"):
        log_of(table().clear())
    with pytest.raises(DataError, match=r"the log has the action 'b'"):
        Logged.of(["a", "b"], [1, 0], [0.5, 0.5], names=["a", "c"])


def test_a_strength_that_shrinks_nothing() -> None:
    with pytest.raises(SettingError, match=r"the strength is 0; it is above 0; use 1"):
        category_tables(np.zeros((2, 1), dtype=int), np.array([0, 1]), 2, 0)


def test_policies_that_are_wrong() -> None:
    log = log_of(table())
    with pytest.raises(SettingError, match=r"there is no policy 'unifrom'; a column target_NAME of the log, uniform"):
        targets_of(log, table(), ["unifrom"])
    with pytest.raises(SettingError, match=r"the log has no action 'c'. Valid: a, b"):
        targets_of(log, table(), ["always:c"])
    with pytest.raises(DataError, match=r"a policy does 'c', which the log does not know"):
        targets_of(log, table(target_new=['{"c": 1.0}'] * 3), ["new"])  # a log read without that column
    with pytest.raises(DataError, match=r"the chances of policy 'new' in row 1 sum to 0.7, the smallest is 0.2"):
        targets_of(log, table(target_new=['{"a": 0.2, "b": 0.5}'] * 3), ["new"])
    with pytest.raises(DataError, match=r"the chance of the logged action under the policy of row 2 is nan"):
        judge_policies(log, targets_of(log, table(target_new=[0.5, None, 0.5]), ["new"]), rng=RNG)
    with pytest.raises(DataError, match=r"policy 'x' has chances of the shape"):
        Target.of("x", log, [1.0])
    other = Logged.of(["z"], [0], [1.0])
    with pytest.raises(DataError, match=r"'old' does 'z', which the log does not know"):
        as_shown("old", log, other)
    with pytest.raises(SettingError, match=r"there are 2 policies; one or more, each with a name of its own"):
        judge_policies(log, targets_of(log, table(), ["uniform", "uniform"]), rng=RNG)
    with pytest.raises(SettingError, match=r"there is no estimator 'snip'. Did you mean 'snips'"):
        judge_policies(log, targets_of(log, table()), rng=RNG, estimator="snip")


def test_what_the_log_never_tried_is_refused_with_its_name() -> None:
    for unknown, why in (
        (0.0, None),
        (0.7, "70.0% of what the policy does was never tried in the log (most of all 'c')"),
    ):
        rows = table(target_new=[json.dumps({"a": 1 - unknown, "b": 0.0, "c": unknown})] * 3)
        log = log_of(rows)
        assert log.names == (("a", "b", "c") if unknown else ("a", "b"))
        (judged,) = judge_policies(log, targets_of(log, rows), rng=RNG).policies
        assert next((one.said for one in judged.objections if one.kind == "support"), None) == why
        assert not judged.concludes


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        MissingError, match=r"there is no log .*gone.csv; give a file, an Open Bandit folder or a store"
    ):
        read_log(tmp_path / "gone.csv")
    (tmp_path / "log.txt").write_text("a")
    with pytest.raises(SettingError, match=r"the log is log.txt; files end in .parquet, .csv"):
        read_log(tmp_path / "log.txt")
    (tmp_path / "log.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"log.parquet cannot be read"):
        read_log(tmp_path / "log.parquet")


def test_arrays_that_do_not_fit() -> None:
    wrong: list[tuple[str, type[RecloopError], object]] = [
        ("there are 2 weights, 3 rewards", DataError, lambda: ips(np.ones(2), np.ones(3))),
        ("there are 1 chances and 2 propensities", DataError, lambda: importance_weights([0.5], [0.5, 0.5])),
        ("rewards lie between 0 and 2", DataError, lambda: anytime(np.ones(2), np.array([0.0, 2.0]))),
        ("the largest weight is 3", DataError, lambda: anytime(np.full(2, 3.0), np.ones(2), largest=2.0)),
        ("weights have the shape", DataError, lambda: slates.independent(np.ones((1, 2)), np.ones((1, 3)))),
        ("the description of row 1 had no chance", DataError,
         lambda: marginal_weights(np.ones((1, 2)) / 2, np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))),
    ]  # fmt: skip
    for said, kind, work in wrong:
        with pytest.raises(kind, match=said):
            work()  # type: ignore[operator]
