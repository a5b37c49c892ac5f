"""Planted attacks are found, and what shops are glad of is not taken for one."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.bursts import find_bursts
from recloop.data.check import check
from recloop.data.dataset import Dataset
from recloop.data.source import Source, read

DAY, HOUR = 86_400.0, 3_600.0
START = 19_676 * DAY  # a midnight in 2023
N_USERS, N_ITEMS, DAYS = 1500, 300, 40


def shop(seed: int = 0, *, per_user: int = 16) -> pl.DataFrame:
    """Forty days of a quiet shop: users arrive all the time, items are popular by Zipf's law, nights are quiet."""
    rng = np.random.default_rng(seed)
    arrive = rng.random(N_USERS) * (DAYS - 1)
    counts = rng.geometric(1 / per_user, N_USERS)
    user = np.repeat(np.arange(N_USERS), counts)
    day = arrive[user] + rng.random(len(user)) ** 2 * (DAYS - arrive[user])
    hour = np.clip(rng.normal(15, 4, len(user)), 0, 23.99)
    return table(user, popular(rng, len(user)), START + np.floor(day) * DAY + hour * HOUR)


def popular(rng: np.random.Generator, n: int) -> np.ndarray:
    weights = 1 / np.arange(1, N_ITEMS + 1)
    return rng.choice(N_ITEMS, n, p=weights / weights.sum())


def table(user: np.ndarray, item: np.ndarray, time: np.ndarray, prefix: str = "u") -> pl.DataFrame:
    return pl.DataFrame(
        {"user": [f"{prefix}{n}" for n in user], "item": [f"i{n}" for n in item], "time": np.asarray(time, float)}
    )


def attack(seed: int, accounts: int, seconds: float, target: int = 250, fillers: int = 3) -> pl.DataFrame:
    """New accounts that push one item of the long tail within a time, each with some items beside it."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(accounts), fillers + 1)
    item = popular(rng, len(user))
    item[:: fillers + 1] = target
    time = START + 25 * DAY + 15 * HOUR + rng.random(accounts)[user] * seconds + rng.random(len(user)) * 60
    return table(user, item, time, "bad")


@pytest.mark.parametrize("seed", range(6))
def test_a_quiet_shop_raises_no_alarm(seed: int) -> None:
    found = find_bursts(shop(seed))
    assert found.bursts == ()
    assert found.flagged.len() == shop(seed).height


@pytest.mark.parametrize(("accounts", "seconds"), [(40, HOUR / 2), (60, 2 * HOUR), (80, 8 * HOUR)])
def test_a_push_is_found_whole(accounts: int, seconds: float) -> None:
    for seed in range(3):
        log = pl.concat([shop(seed), attack(seed, accounts, seconds)])
        found = find_bursts(log)
        assert {one.who for one in found.bursts} == {"i250"}
        assert all(one.kind == "item" for one in found.bursts)
        bad = log["user"].str.starts_with("bad")
        assert (found.flagged & bad).sum() >= 0.95 * bad.sum()
        assert (found.flagged & ~bad).sum() <= 0.05 * bad.sum()
        assert find_bursts(found.trusted(log)).bursts == ()


@pytest.mark.parametrize("minute", [0, 15, 22, 30, 45, 59])
def test_no_hour_cuts_an_attack_in_two(minute: int) -> None:
    quiet = shop(3)
    late = attack(3, 40, 1800.0).with_columns(time=pl.col("time") + 60.0 * minute)
    found = find_bursts(pl.concat([quiet, late]))
    assert [one.who for one in found.bursts] == ["i250"]
    assert found.events >= 0.95 * late.height
    greedy = table(np.zeros(80), np.arange(80), START + 20 * DAY + 60.0 * minute + 30.0 * np.arange(80), prefix="fast")
    assert [one.who for one in find_bursts(pl.concat([quiet, greedy])).bursts] == ["fast0.0"]


def test_what_a_shop_is_glad_of_is_no_attack() -> None:
    rng = np.random.default_rng(5)
    quiet = shop(5)
    promoted = START + 25 * DAY
    newcomers = np.arange(400)
    old = quiet.filter(pl.col("time") < promoted)["user"].unique(maintain_order=True).to_list()
    # an item of the long tail on the front page: one in four who come, old and new, look at it
    visitors = [*rng.choice(old, 300, replace=False).tolist(), *(f"new{n}" for n in newcomers)]
    times = promoted + 9 * HOUR + rng.random(len(visitors)) * 10 * HOUR
    come = pl.DataFrame({"user": visitors, "item": [f"i{n}" for n in popular(rng, len(visitors))], "time": times})
    spike = come.sample(fraction=0.25, seed=1).with_columns(item=pl.lit("i250"), time=pl.col("time") + 30)
    assert find_bursts(pl.concat([quiet, come, spike])).bursts == ()
    # a sale: everybody comes, five times as many
    sale = quiet.filter((pl.col("time") >= promoted) & (pl.col("time") < promoted + DAY))
    crowd = [sale.with_columns(user=pl.col("user") + f"x{n}", time=pl.col("time") + n) for n in range(5)]
    assert find_bursts(pl.concat([quiet, *crowd])).bursts == ()
    # a new item that everybody likes
    launch = quiet.with_columns(
        item=pl.when((pl.col("time") > promoted) & (pl.int_range(pl.len()) % 6 == 0))
        .then(pl.lit("fresh"))
        .otherwise("item")
    )
    assert find_bursts(launch).bursts == ()


def test_the_first_day_of_a_log_is_no_attack() -> None:
    """All users are new then, and a shop may have one hit."""
    rng = np.random.default_rng(1)
    n = 2000
    log = table(np.arange(n) % 500, np.where(rng.random(n) < 0.5, 0, popular(rng, n)), START + rng.random(n) * 5 * HOUR)
    assert find_bursts(log).bursts == ()


def test_people_who_rate_all_at_once_are_no_attack() -> None:
    """As in logs of films: each user rates dozens within an hour of coming, and never comes back."""
    rng = np.random.default_rng(2)
    user = np.repeat(np.arange(400), rng.integers(20, 200, 400))
    time = START + (rng.random(400) * 30 * DAY)[user] + rng.random(len(user)) * 1800
    assert find_bursts(table(user, popular(rng, len(user)), time)).bursts == ()


def test_a_user_beyond_all_others() -> None:
    quiet = shop(3)
    rng = np.random.default_rng(3)
    machine = table(
        np.zeros(500, int), np.full(500, 250), START + 30 * DAY + 12 * HOUR + np.sort(rng.random(500)) * 3000
    )
    machine = machine.with_columns(user=pl.lit("u7"))
    found = find_bursts(pl.concat([quiet, machine]))
    (one,) = found.bursts
    assert (one.kind, one.who, one.users) == ("user", "u7", 1)
    assert one.events == found.events >= 500
    assert one.start <= START + 30 * DAY + 12 * HOUR < one.end


def test_what_cannot_be_judged_is_left_alone() -> None:
    for log in (
        table(np.arange(0), np.arange(0), np.arange(0)),
        table(np.arange(30), np.zeros(30, int), np.zeros(30)).with_columns(time=pl.lit(None, pl.Float64)),
        table(np.zeros(500, int), np.zeros(500, int), START + np.arange(500)),
    ):
        assert find_bursts(log).bursts == ()
        assert find_bursts(log).flagged.to_list() == [False] * log.height


# ---- in the check, and out of training


@pytest.fixture
def attacked(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    pl.concat([shop(0), attack(0, 60, 2 * HOUR)]).write_csv(path)
    return path


def test_the_check_tells(attacked: Path) -> None:
    result = check(read(Source(events=str(attacked))))
    (sentence,) = [finding.sentence for finding in result.findings if finding.topic == "bursts"]
    assert " look made, in 1 burst; the largest: 60 new users on one item, " in sentence
    assert sentence.endswith("Set [data] quarantine = true to train without them.")
    assert result.numbers["bursts"]["bursts"][0]["who"] == "i250"
    assert result.to_dict()["bursts"]["events"] >= 230


def test_quarantine_is_what_training_sees(attacked: Path) -> None:
    reading = read(Source(events=str(attacked), quarantine=True))
    clean = Dataset.of(shop(0))
    users = reading.dataset.user_ids.array[reading.dataset.events["user"].to_numpy()]
    assert not any(user.startswith("bad") for user in users)
    assert reading.dataset.n_events == pytest.approx(clean.n_events, abs=12)
    assert reading.notes[-1].endswith("they are left out (quarantine).")
    assert reading.dataset.fingerprint != read(Source(events=str(attacked))).dataset.fingerprint
    quiet = attacked.with_name("quiet.csv")
    shop(0).write_csv(quiet)
    a, b = (read(Source(events=str(quiet), quarantine=on)) for on in (True, False))
    assert a.dataset.fingerprint == b.dataset.fingerprint
