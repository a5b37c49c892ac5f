"""Data of an experiment, in both shapes."""

import numpy as np
import polars as pl
import pytest

DAY = 86400.0
START = 1_767_225_600.0  # 2026-01-01


@pytest.fixture(scope="session")
def users() -> pl.DataFrame:
    """One row per user; the new variant earns more."""
    rng = np.random.default_rng(5)
    n = 6000
    new = rng.random(n) < 0.5
    before = rng.gamma(2.0, 1.0, n)
    return pl.DataFrame(
        {
            "user": np.arange(n),
            "variant": np.where(new, "new", "old"),
            "country": np.array(["at", "be", "cz"])[rng.integers(0, 3, n)],
            "revenue": np.round(before + rng.gamma(1.0, 1.0, n) * (1 + 0.3 * new), 6),
            "visits": 1 + rng.poisson(2.0, n),
            "bought": rng.random(n) < 0.2,
            "before": np.round(before, 6),
            "time": START + rng.integers(0, 9 * 86400, n).astype(np.float64),
        }
    ).with_columns(pl.from_epoch(pl.col("time").cast(pl.Int64), time_unit="s").dt.cast_time_unit("us"))


@pytest.fixture(scope="session")
def plan() -> dict[str, object]:
    """How ``users`` is read."""
    return {
        "name": "prices",
        "variants": {"old": {"control": True}, "new": {}},
        "metrics": {
            "revenue": {"covariates": ["before"], "winsorise": 0.99, "title": "revenue per user"},
            "spend": {"numerator": "revenue", "denominator": "visits", "covariates": ["before"]},
            "bought": {"form": "percent"},
        },
        "primary": "revenue",
        "guardrails": [{"metric": "bought", "margin": 0.2}],
        "segments": ["country"],
        "rule": "fixed",
    }


@pytest.fixture(scope="session")
def exposures() -> pl.DataFrame:
    """Who saw what, when; users come several times."""
    rng = np.random.default_rng(6)
    n = 400
    user = np.concatenate([np.arange(n), rng.integers(0, n, 300)])
    variant = np.where(np.arange(n) % 2 == 0, "old", "new")
    return pl.DataFrame(
        {
            "user": [f"u{i}" for i in user],
            "variant": variant[user],
            "time": START + rng.integers(0, int(4 * DAY), user.size).astype(np.float64),
            "country": np.array(["at", "be"])[rng.integers(0, 2, user.size)],
        }
    )


@pytest.fixture(scope="session")
def events() -> pl.DataFrame:
    """What they did, before and after, and what strangers did."""
    rng = np.random.default_rng(7)
    n = 6000
    kind = np.array(["visit", "purchase", "refund"])[rng.choice(3, n, p=[0.7, 0.25, 0.05])]
    value = np.where(kind == "visit", np.nan, np.round(rng.gamma(2.0, 5.0, n), 2))
    return pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(0, 420, n)],
            "kind": kind,
            "value": value,
            "time": START + rng.integers(int(-6 * DAY), int(10 * DAY), n).astype(np.float64),
        }
    ).with_columns(pl.col("value").fill_nan(None))


@pytest.fixture(scope="session")
def events_plan() -> dict[str, object]:
    """How ``exposures`` and ``events`` are read."""
    return {
        "variants": {"old": {"control": True}, "new": {}},
        "metrics": {
            "spend": {"numerator": {"kind": "purchase", "of": "sum"}, "before_days": 3},
            "rate": {
                "numerator": {"kind": "purchase"},
                "denominator": {"kind": "visit"},
                "before_days": 3,
            },
            "buyers": {"numerator": {"kind": "purchase", "of": "any"}, "form": "percent"},
        },
        "primary": "spend",
        "window_days": 2,
        "segments": ["country"],
        "rule": "fixed",
        "minimum_cell": 20,
    }
