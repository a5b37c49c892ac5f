"""Short-term effects against long-term ones: the truth of the correlation, not of its noise."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experience import proxies, resque


def past(rho: float, noise: float, n: int = 400, seed: int = 0, shared: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    short = rng.normal(0, 1, n)
    long = rho * short + np.sqrt(1 - rho**2) * rng.normal(0, 1, n)
    errors = rng.multivariate_normal([0, 0], [[noise**2, shared], [shared, noise**2]], n)
    return pl.DataFrame({"experiment": np.arange(n), "metric": f"rho{rho}", "short": short + errors[:, 0],
                         "short_error": noise, "long": long + errors[:, 1], "long_error": noise})  # fmt: skip


def test_noise_is_taken_out_of_the_correlation() -> None:
    found = proxies(past(0.8, 1.0))[0]
    assert found.seen == pytest.approx(0.4, abs=0.08)  # the noise doubles both variances
    assert found.correlation == pytest.approx(0.8, abs=0.12)
    assert found.low < 0.8 < found.high
    assert found.slope == pytest.approx(0.8, abs=0.15)
    assert found.agreement_low < found.agreement < found.agreement_high < 1


def test_noise_that_both_effects_share_is_taken_out_too() -> None:
    log = past(0.0, 1.0, 2000, shared=0.8)
    assert proxies(log)[0].correlation > 0.6  # as if it foretold, since the same users were measured twice
    assert proxies(log.with_columns(shared=0.8))[0].correlation == pytest.approx(0.0, abs=0.12)


def test_intervals_hold_the_truth_as_often_as_said() -> None:
    hit = sum(one.low <= 0.5 <= one.high for seed in range(100) for one in proxies(past(0.5, 0.5, 60, seed)))
    assert hit >= 88


def test_the_best_comes_first_and_few_experiments_say_nothing() -> None:
    table = pl.concat([past(0.2, 0.3), past(0.9, 0.3, seed=1), past(0.5, 0.3, n=4)])
    assert [one.metric for one in proxies(table)] == ["rho0.9", "rho0.2", "rho0.5"]
    assert proxies(table)[-1].sentence == "rho0.5: 4 experiments are too few; 5 are needed"
    pure = past(0.0, 1.0, 30).with_columns(short_error=5.0)
    assert "do not differ beyond their noise" in proxies(pure)[0].sentence
    assert proxies(pure)[0].to_dict()["correlation"] is None
    with pytest.raises(DataError, match="no column long_error"):
        proxies(table.drop("long_error"))


def test_the_questionnaire_has_fifteen_constructs_and_its_source() -> None:
    form = resque()
    assert len({one.construct for one in form.items}) == len({one.id for one in form.items}) == 15
    assert "RecSys 2011" in form.source and set(form.scale) == set("12345")
