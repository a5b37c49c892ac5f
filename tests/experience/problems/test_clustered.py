"""The unit is the user: standard errors against a bootstrap of users, and false alarms where a few users do most."""

import numpy as np
import polars as pl
import pytest

from recloop.experience.problems.clustered import weigh_slices as check_slices
from recloop.experience.problems.clustered import weigh_whole as check_whole
from recloop.experience.problems.coded import Coded, code, measured, with_columns
from recloop.experience.problems.contrast import Arms, Step
from recloop.experience.problems.cube import cuboids
from recloop.experience.problems.measures import MEASURES
from recloop.experience.problems.mix import mix
from recloop.experience.problems.rows import contrast_of
from recloop.experience.problems.scan import Sums, scan
from recloop.experience.problems.settings import Settings

from .worlds import DAY, START, day, slates

CTR = MEASURES["slate_ctr"]


def coded_of(frame: pl.DataFrame, *, arms: bool = False, **given: object) -> Coded:
    settings = Settings(metrics=("slate_ctr",), **({"treatment": "b", "control": "a"} if arms else {}), **given)
    table = with_columns(frame)
    return code(table, settings, measured(table, settings)[0], arms=arms)


def test_the_error_is_that_of_a_bootstrap_over_users() -> None:
    rng = np.random.default_rng(1)
    n, users = 6000, 400
    user = np.minimum(rng.geometric(0.01, n), users) - 1  # a few come very often
    taste = rng.beta(1, 4, users)
    frame = slates(n=n).with_columns(
        user=pl.Series([f"u{i}" for i in user]),
        clicked_slates=pl.Series((rng.random(n) < taste[user]).astype(np.int64)),
        device=pl.Series(rng.choice(["android", "ios"], n)),
        variant=pl.Series(rng.choice(["a", "b"], n)),
    )
    coded = coded_of(frame, arms=True)
    sums = Sums.of(coded, CTR)
    inside = coded.rows({"device": "android"})
    weights = np.array([-1.0, 1.0])
    value, error = contrast_of(coded, sums, inside, ~inside, weights)

    def by_hand(times: np.ndarray) -> float:
        parts = []
        for rows in (inside, ~inside):
            rate = [
                np.average(sums.y[rows & (coded.cell == c)], weights=times[coded.user[rows & (coded.cell == c)]])
                for c in (0, 1)
            ]
            parts.append((rate[1] - rate[0]) / np.average(sums.y[rows], weights=times[coded.user[rows]]))
        return parts[0] - parts[1]

    assert value == pytest.approx(by_hand(np.ones(coded.users)))
    draws = [
        by_hand(rng.multinomial(coded.users, np.full(coded.users, 1 / coded.users)).astype(float)) for _ in range(400)
    ]
    assert error == pytest.approx(np.std(draws), rel=0.15)


def test_the_search_tests_what_the_plain_contrast_computes() -> None:
    frame = slates().with_columns(
        clicked_slates=pl.when((day() >= 20) & (pl.col("device") == "ios")).then(0).otherwise(pl.col("clicked_slates"))
    )
    coded, contrast = coded_of(frame), Step(28, np.arange(28) % 7, 5, 2)
    sums = Sums.of(coded, CTR)
    whole, scanned = scan(coded, [sums], cuboids(coded, 2, 0.001, 40), contrast, events=20)[0]
    chosen = [(one, k) for one in scanned for k in range(len(one.cuboid.slices))]
    for one in check_slices(coded, sums, chosen, contrast, users=10):
        rows = coded.rows(one.where)
        assert (rows == one.rows).all()
        value, _ = contrast_of(coded, sums, rows, ~rows, one.weights)
        assert value == pytest.approx(one.value, abs=1e-9)
        own, error = contrast_of(coded, sums, rows, None, one.weights)
        assert own == pytest.approx(one.own, abs=1e-9)
        assert one.own_error >= error * 0.999
    found = {tuple(one.where.items()): one for one in check_slices(coded, sums, chosen, contrast, users=10)}
    hurt = found[("device", "ios"),]
    assert (hurt.at, round(hurt.own, 1)) == (20, -1.4)
    assert hurt.z > 10
    everywhere = check_whole(coded, sums, whole, contrast, users=10)
    assert everywhere.where == {}
    assert everywhere.at == 20


def test_a_few_heavy_users_raise_no_alarm() -> None:
    """Row-level errors would shout in most of these logs; the user as the unit stays at its level."""
    rng = np.random.default_rng(2)
    loud = {"rows": 0, "users": 0}
    runs = 60
    for _ in range(runs):
        users = 300
        size = np.where(np.arange(users) < 12, 300, 10)
        user = np.repeat(np.arange(users), size)
        rate = np.clip(rng.beta(1, 4, users), 0, 1)[user]
        n = user.size
        frame = pl.DataFrame(
            {
                "user": [f"u{i}" for i in user], "time": START + rng.uniform(0, DAY, n),
                "variant": np.where((user % 2) == rng.integers(2), "a", "b"), "slates": np.ones(n, np.int64),
                "clicked_slates": (rng.random(n) < rate).astype(np.int64), "device": np.where(user % 3, "x", "y"),
            }
        )  # fmt: skip
        coded = coded_of(frame, arms=True)
        sums = Sums.of(coded, CTR)
        whole, scanned = scan(coded, [sums], cuboids(coded, 1, 0.001, 40), Arms(), events=20)[0]
        chosen = [(one, k) for one in scanned for k in range(1)]
        tested = check_slices(coded, sums, chosen, Arms(), users=10)
        tested.append(check_whole(coded, sums, whole, Arms(), users=10))
        loud["rows"] += int(max(float(one.z.max()) for one in scanned) > 3)
        loud["users"] += int(max(one.z for one in tested) > 3)
    assert loud["rows"] > runs / 4
    assert loud["users"] <= 2


def test_mix_and_rate_by_hand() -> None:
    """Shares 50:50 become 20:80, rates 0.4 and 0.1 become 0.4 and 0.05; all of it by hand."""
    counts = {("x", 0): (500, 200), ("y", 0): (500, 50), ("x", 1): (200, 80), ("y", 1): (800, 40)}
    rows = [
        {"user": f"{v}{c}{i}", "time": START, "variant": "ab"[c], "device": v, "slates": 1, "clicked_slates": int(i < k)}
        for (v, c), (n, k) in counts.items() for i in range(n)
    ]  # fmt: skip
    coded = coded_of(pl.DataFrame(rows), arms=True)
    found = mix(coded, Sums.of(coded, CTR), np.ones(coded.user.size, bool), 1, {})
    # change: 0.12 - 0.25 = -0.13; mix: -0.3 * 0.4 + 0.3 * 0.075 = -0.0975
    assert found.dimension == "device"
    assert found.share == pytest.approx(0.0975 / 0.13)
    assert abs(found.after - found.before) == pytest.approx(0.3)


def test_a_new_value_is_rate_and_no_traffic() -> None:
    counts = {("5.1", 0): (1000, 200), ("5.1", 1): (500, 100), ("5.2", 1): (500, 20)}
    rows = [
        {"user": f"{v}{c}{i}", "time": START, "variant": "ab"[c], "app": v, "slates": 1, "clicked_slates": int(i < k)}
        for (v, c), (n, k) in counts.items() for i in range(n)
    ]  # fmt: skip
    coded = coded_of(pl.DataFrame(rows), arms=True)
    assert mix(coded, Sums.of(coded, CTR), np.ones(coded.user.size, bool), 1, {}).share == pytest.approx(0.0, abs=1e-9)
