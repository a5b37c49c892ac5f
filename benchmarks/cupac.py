"""Narrower intervals from history and text: CUPED and CUPAC on real logs, many A/A splits of the same users.

    python benchmarks/cupac.py               # four logs, some minutes
    python benchmarks/cupac.py --data games  # one of them

Each log is cut in two. Features come from what lies before the cut, outcomes from what lies behind it. Users are dealt
into two arms by the hash that experiments use, under one salt after another, and each split is read in these ways: plain
(Welch), CUPED with the same metric before the cut, and CUPAC by cross-fitted ridge regression: on what users did before
(behaviour), on the mean vector of the titles that they chose before (text; all-MiniLM-L6-v2, the first 32 principal
axes of the catalogue), and on both. Nothing differs between the arms, so that 5% of the splits should alarm. Then
+5% is planted: in the control arm each event (a purchase of the kind, a visit, a star of a rating) is struck out with
chance 1/21; the relative interval should hold 5% in 95% of the splits.

games    Amazon 2018 Video Games: the first 10 reviews of a user, then the rest, at least 5
films    MovieLens-1M: the first 50 ratings of a user, then the rest, at least 20
returns  MovieLens-100K by calendar: the first 90 days, then the next 30; users seen in the former
mail     Hillstrom: customers who got no e-mail; a year's history, then two weeks; there is no text

Who goes on to "at least 5" or "at least 20" is seen only afterwards. That is fair here, where the arms cannot differ in
it; a real experiment counts everybody who was exposed.
"""

import argparse
import html
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from recloop.experiments.assign import bucket
from recloop.stats import Comoments, cross_fitted, cuped, welch

Array = NDArray[np.float64]
ALPHA = 0.05
LIFT = 0.05
DIMENSIONS = 32
BESTSELLERS = 200
METHODS = ("plain", "CUPED", "CUPAC, behaviour", "CUPAC, text", "CUPAC, behaviour and text")
KINDS = {
    "Nintendo": r"nintendo|\bwii\b|\b3?ds\b|gamecube|game ?boy|\bgba\b|\bswitch\b",
    "PlayStation": r"playstation|\bps ?[1-4]\b|\bpsp\b|\bvita\b",
    "Xbox": r"\bxbox\b",
    "PC": r"\bpc\b|\bwindows\b|\bmac\b|\bsteam\b",
    "accessories": r"controller|charger|cable|\bcase\b|headset|adapter|battery|keyboard|\bmouse\b|\bstand\b|memory card",
}


class Rows(NamedTuple):
    """Interactions in time order, one user after another: user (0..n-1), item, stars, day."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    stars: Array
    day: Array

    def take(self, which: NDArray[np.bool_]) -> "Rows":
        return Rows(*(column[which] for column in self))


class Outcome(NamedTuple):
    """What the experiment measures: events of each user, what one event counts, and the same metric before."""

    events: NDArray[np.int64]
    unit: Array
    before: Array


@dataclass(frozen=True)
class Log:
    """The users of a log: outcomes from behind the cut, features from before it."""

    name: str
    users: list[str]
    outcomes: Mapping[str, Outcome]
    behaviour: Array
    text: NDArray[np.float32] | None


# ---- the cut


def by_order(rows: Rows, before: int, least: int) -> tuple[NDArray[np.int64], Rows, Rows]:
    """Users with enough rows, the first ``before`` of each, and the rest."""
    _, start, n = np.unique(rows.user, return_index=True, return_counts=True)
    kept = np.flatnonzero(n >= before + least)
    place = np.arange(len(rows.user)) - np.repeat(start, n)
    return cut(rows, kept, place < before, place >= before)


def by_day(rows: Rows, day: int, days: int) -> tuple[NDArray[np.int64], Rows, Rows]:
    """Users seen before a day, their rows before it, and those of the days after it."""
    early = rows.day < day
    return cut(rows, np.unique(rows.user[early]), early, ~early & (rows.day < day + days))


def cut(rows: Rows, kept: NDArray[np.int64], before: NDArray[np.bool_], after: NDArray[np.bool_]):
    known = np.isin(rows.user, kept)
    parts = (rows.take(known & part) for part in (before, after))
    return kept, *(part._replace(user=np.searchsorted(kept, part.user)) for part in parts)


# ---- what is known before it


def mean(values: Array, user: NDArray[np.int64], n: int) -> Array:
    """Per user; 0 where a user has no rows."""
    return np.bincount(user, values, n) / np.maximum(np.bincount(user, minlength=n), 1)


def popularity(before: Rows, items: int) -> NDArray[np.int64]:
    return np.bincount(before.item, minlength=items)


def taste(before: Rows, n: int, kinds: Mapping[str, Array], items: int) -> Array:
    """(n, d): shares of kinds, in all rows and in the last third; how popular and how good the items are."""
    _, start, counts = np.unique(before.user, return_index=True, return_counts=True)
    late = np.arange(len(before.user)) - np.repeat(start, counts) >= np.repeat(counts * 2 // 3, counts)
    count = popularity(before, items)
    middle = before.stars.mean()
    usual = (np.bincount(before.item, before.stars, items) + 10 * middle) / (count + 10)
    columns = [
        *(kind[before.item] for kind in kinds.values()),
        np.log1p(count)[before.item],
        usual[before.item],
        before.stars,
        before.stars >= 4,
        before.stars**2,
    ]
    late_user = before.user[late]
    return np.column_stack([
        *(mean(column, before.user, n) for column in columns),
        *(mean(column[late], late_user, n) for column in columns),
    ])  # fmt: skip


def rhythm(before: Rows, n: int, end: float) -> Array:
    """(n, 5): how much, on how many days, how lately."""
    last, first = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(last, before.user, before.day)
    np.minimum.at(first, before.user, before.day)
    visits = np.unique(np.column_stack([before.user, before.day.astype(int)]), axis=0)[:, 0]
    late = np.bincount(before.user[before.day >= end - 14], minlength=n)
    counts = np.log(np.bincount(before.user, minlength=n))
    return np.column_stack([
        counts, np.bincount(visits, minlength=n), np.log1p(end - last), np.log1p(end - first), np.log1p(late),
    ])  # fmt: skip


def axes(titles: list[str]) -> NDArray[np.float32]:
    """(items, 32): titles as vectors, along the principal axes of the catalogue. No user has a part in it."""
    from recloop.language import CachedEncoder, load_encoder

    vectors = CachedEncoder(load_encoder()).encode(titles)
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return centred @ directions[:, ::-1][:, :DIMENSIONS]


def read(before: Rows, n: int, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 32): the mean vector of what each user chose."""
    means = [mean(vectors[before.item, axis], before.user, n) for axis in range(vectors.shape[1])]
    return np.column_stack(means).astype(np.float32)


# ---- what the experiment measures


def share(kind: Array, before: Rows, after: Rows, n: int) -> Outcome:
    """Of the user's rows, those of a kind of item."""
    return part(kind[before.item], kind[after.item], before, after, n)


def part(early: Array, late: Array, before: Rows, after: Rows, n: int) -> Outcome:
    events = np.bincount(after.user, late, n).astype(np.int64)
    return Outcome(events, 1 / np.bincount(after.user, minlength=n), mean(early, before.user, n))


def choices(name: str, names: list[str], before: Rows, after: Rows, kinds, vectors, *, rated: bool) -> Log:
    """A log that was cut by order: shares of what users chose, and how they liked it."""
    n, items = len(names), len(next(iter(kinds.values())))
    top = np.zeros(items)
    top[np.argsort(-popularity(before, items), kind="stable")[:BESTSELLERS]] = 1
    kinds = {**kinds, "bestsellers": top}
    outcomes = {f"share of {kind}": share(of, before, after, n) for kind, of in kinds.items()}
    if rated:
        outcomes["mean rating"] = part(before.stars, after.stars, before, after, n)
        outcomes["share of 4 and 5 stars"] = part(before.stars >= 4, after.stars >= 4, before, after, n)
    text = None if vectors is None else read(before, n, vectors)
    return Log(name, names, outcomes, taste(before, n, kinds, items), text)


# ---- the logs


def games(folder: Path, *, text: bool = True) -> Log:
    lines = (folder / "games-2018" / "titles.item").read_text().splitlines()[1:]
    titles = [html.unescape(line.split("\t")[1]) for line in lines]
    table = pl.read_csv(folder / "games-2018" / "sequences" / "Games-6k.test.inter", separator="\t", quote_char=None)
    users, earlier, last = table.get_columns()
    chosen = [[*map(int, some.split()), one] for some, one in zip(earlier, last, strict=True)]
    sizes = [len(one) for one in chosen]
    item = np.concatenate(chosen)
    rows = Rows(np.repeat(np.arange(len(chosen)), sizes), item, np.zeros(len(item)), np.zeros(len(item)))
    kept, before, after = by_order(rows, 10, 5)
    kinds = {name: np.array([bool(re.search(p, t.lower())) for t in titles], float) for name, p in KINDS.items()}
    names = [str(users[int(k)]) for k in kept]
    return choices("Games", names, before, after, kinds, axes(titles) if text else None, rated=False)


def films(folder: Path, *, text: bool = True) -> Log:
    catalogue = pl.read_parquet(folder / "ml-1m" / "movies_text.parquet").with_row_index("place")
    ratings = pl.read_parquet(folder / "ml-1m" / "ratings.parquet").drop_nulls("order")
    ratings = ratings.join(catalogue.select("item", "place"), on="item").sort("user", "order")
    names, user = np.unique(ratings["user"].to_numpy(), return_inverse=True)
    item, stars = ratings["place"].to_numpy().astype(np.int64), ratings["rating"].to_numpy().astype(float)
    kept, before, after = by_order(Rows(user, item, stars, np.zeros(len(user))), 50, 20)
    genres = catalogue["genres"].fill_null("")
    kinds = {f"{g} films": genres.str.contains(g).to_numpy().astype(float) for g in ("Drama", "Action", "Comedy")}
    vectors = axes(catalogue["title"].fill_null("").to_list()) if text else None
    return choices("ML-1M", [str(name) for name in names[kept]], before, after, kinds, vectors, rated=True)


def returns(folder: Path, *, text: bool = True) -> Log:
    catalogue = [line.split("|") for line in (folder / "ml-100k/raw/u.item").read_text("latin1").splitlines()]
    user, item, stars, seconds = np.loadtxt(folder / "ml-100k/raw/u.data", dtype=np.int64).T
    order = np.lexsort((seconds, user))
    day = (seconds - seconds.min()) / 86400
    end, days = 90, 30
    rows = Rows(user, item - 1, stars.astype(float), day).take(order)
    kept, before, after = by_day(rows, end, days)
    n, genres = len(kept), {str(g): np.array([line[5 + g] == "1" for line in catalogue], float) for g in range(19)}
    ratings, early = (np.bincount(half.user, minlength=n) for half in (after, before))
    lately = np.bincount(before.user[before.day >= end - days], minlength=n)
    outcomes = {
        "came back": Outcome((ratings > 0).astype(np.int64), np.ones(n), (lately > 0).astype(float)),
        "ratings": Outcome(ratings, np.ones(n), early.astype(float)),
    }
    behaviour = np.hstack([rhythm(before, n, end), taste(before, n, genres, len(catalogue))])
    vectors = read(before, n, axes([line[1] for line in catalogue])) if text else None
    return Log("ML-100K", [str(k) for k in kept], outcomes, behaviour, vectors)


def mail(folder: Path, *, text: bool = True) -> Log:  # noqa: ARG001
    table = pl.read_csv(folder / "abtests" / "hillstrom" / "hillstrom.csv", infer_schema_length=None)
    table = table.with_row_index("user").filter(pl.col("segment") == "No E-Mail")
    visit, bought = (table[name].to_numpy().astype(np.int64) for name in ("visit", "conversion"))
    spend, history = table["spend"].to_numpy(), table["history"].to_numpy()
    one = np.ones(len(table))
    outcomes = {
        "visit": Outcome(visit, one, history),
        "conversion": Outcome(bought, one, history),
        "spend": Outcome(bought, spend, history),
    }
    known = table.select("recency", "mens", "womens", "newbie", "channel", "zip_code")
    behaviour = np.column_stack([np.log(history), known.to_dummies(["channel", "zip_code"]).to_numpy()])
    return Log("Hillstrom", [str(user) for user in table["user"]], outcomes, behaviour.astype(float), None)


LOGS: dict[str, Callable[..., Log]] = {"games": games, "films": films, "returns": returns, "mail": mail}


# ---- the splits


def splits(log: Log, salts: int, seed: int) -> Array:
    """(salts, A/A or planted, outcomes, methods, 3): width, variance removed, whether the truth is in the interval."""
    features = [log.behaviour]
    if log.text is not None:
        features += [log.text, np.hstack([log.behaviour, log.text])]
    methods = 2 + len(features)
    found = np.empty((salts, 2, len(log.outcomes), methods, 3))
    events, unit, before = (np.column_stack(column) for column in zip(*log.outcomes.values(), strict=True))
    m = events.shape[1]
    for salt, rng in enumerate(np.random.default_rng(seed).spawn(salts)):
        treated = np.array([bucket(f"{log.name}.{salt}", user) < 0.5 for user in log.users])
        struck = np.where(treated[:, None], events, rng.binomial(events, 1 / (1 + LIFT)))
        outcomes = np.hstack([events * unit, struck * unit])
        foretold = [cross_fitted(table, outcomes, rng) for table in features]
        columns = np.hstack([outcomes, before, before, *foretold])
        arms = [Comoments.of(columns[treated]), Comoments.of(columns[~treated])]
        for at in range(2 * m):
            truth = LIFT if at >= m else 0.0
            place = salt, at // m, at % m
            t, c = (arm.moments(at) for arm in arms)
            plain = welch(t, c, ALPHA)
            found[*place, 0] = plain.high - plain.low, 0.0, holds(plain, truth)
            for method in range(1, methods):
                read_out = cuped(*(arm.take([at, 2 * m * method + at]) for arm in arms), ALPHA)
                effect = read_out.effect
                found[*place, method] = effect.high - effect.low, read_out.variance_reduction, holds(effect, truth)
    return found


def holds(effect, truth: float) -> bool:
    """Whether the interval has the truth in it: the difference where it is zero, else the relative change."""
    return effect.p_value >= ALPHA if not truth else effect.relative_low <= truth <= effect.relative_high


@dataclass(frozen=True)
class Row:
    """What a method makes of an outcome, over all salts."""

    outcome: str
    method: str
    narrower: float
    removed: float
    alarms: float
    covered: float
    salts: int

    @property
    def holds(self) -> bool:
        """Both rates are what the promise gives: beyond its 0.27% tails (three standard errors) lies neither."""
        low, high = binom.ppf((0.00135, 1 - 0.00135), self.salts, ALPHA)
        return all(low <= round(rate * self.salts) <= high for rate in (self.alarms, 1 - self.covered))

    def __str__(self) -> str:
        return (
            f"{self.outcome:<24} {self.method:<26} {self.narrower:8.1%} {self.removed:8.1%} {self.alarms:8.3f} "
            f"{self.covered:8.3f}  {'ok' if self.holds else 'BROKEN'}"
        )


def rows(log: Log, salts: int, seed: int) -> Iterator[Row]:
    found = splits(log, salts, seed)
    narrower = 1 - np.median(found[..., 0] / found[..., :1, 0], axis=0)[0]
    removed = np.median(found[..., 1], axis=0)[0]
    alarms, covered = 1 - found[:, 0, ..., 2].mean(axis=0), found[:, 1, ..., 2].mean(axis=0)
    for at, outcome in enumerate(log.outcomes):
        for method in range(found.shape[3]):
            figures = (float(table[at, method]) for table in (narrower, removed, alarms, covered))
            yield Row(outcome, METHODS[method], *figures, salts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=LOGS, help="one log; all where none is named")
    parser.add_argument("--salts", type=int, default=1000, help="A/A splits of each log")
    parser.add_argument("--seed", type=int, default=1, help="of folds and of what is struck out")
    options = parser.parse_args()
    folder = Path(os.environ.get("RECLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        print(f"not measured: no real data at {folder}; set RECLOOP_TEST_DATA")
        sys.exit(0)
    start, broken, count = time.process_time(), 0, 0
    for name in [options.data] if options.data else LOGS:
        log = LOGS[name](folder)
        print(f"\n{log.name}, {len(log.users):,} users, {options.salts} salts")
        print(f"{'outcome':<24} {'method':<26} {'narrower':>8} {'variance':>8} {'alarms':>8} {'covered':>8}")
        for row in rows(log, options.salts, options.seed):
            broken, count = broken + (not row.holds), count + 1
            print(row, flush=True)
    print(f"\n{count} rows, {broken} broken, {time.process_time() - start:.0f} CPU s")
    raise SystemExit(min(broken, 1))


if __name__ == "__main__":
    main()
