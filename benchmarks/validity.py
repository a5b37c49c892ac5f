"""Do the intervals keep their promise? Simulated worlds with a known truth, judged by the functions that read experiments.

    python benchmarks/validity.py              # every promise, those of validity_*.py too: about half an hour of one core
    python benchmarks/validity.py --worlds 200 # a first look
    python benchmarks/validity.py core fixed   # only these

Each row holds an observed rate with its Monte-Carlo standard error and the nominal one; "ok" where it lies within three
such errors of it.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.experiments import Experiment, Variant, decide, read_out
from recloop.stats import Effect, Moments, always_valid, ratio, sample_size, sample_size_of_shares, welch

Array = NDArray[np.float64]
Users = tuple[Array, Array | None]
Population = Callable[[np.random.Generator, int, float], Users]
ALPHA = 0.05
LIFT = 0.2
LOOKS = 100


@dataclass(frozen=True)
class Row:
    name: str
    what: str
    observed: float
    nominal: float
    worlds: int
    rule: Literal["equal", "at most", "at least", "shown"]

    @property
    def holds(self) -> bool:
        slack = 3 * (self.nominal * (1 - self.nominal) / self.worlds) ** 0.5
        return {
            "equal": abs(self.observed - self.nominal) <= slack,
            "at most": self.observed <= self.nominal + slack,
            "at least": self.observed >= self.nominal - slack,
            "shown": True,
        }[self.rule]

    @property
    def error(self) -> float:
        """Standard error of the observed rate over so many worlds."""
        return (max(self.observed * (1 - self.observed), 0.0) / self.worlds) ** 0.5

    def __str__(self) -> str:
        mark = "" if self.rule == "shown" else "ok" if self.holds else "BROKEN"
        rule = "" if self.rule == "shown" else f"{self.rule} {self.nominal:.3f}"
        error = "" if self.rule == "shown" else f"{self.error:.4f}"
        return f"{self.name:<34} {self.what:<48} {self.observed:7.4f} {error:>7}  {rule:<15} {self.worlds:>6}  {mark}"


HEAD = f"{'population':<34} {'what':<48} {'found':>7} {'error':>7}  {'nominal':<15} {'worlds':>6}"


# ---- populations: n users with a relative lift of the metric


def normal(rng: np.random.Generator, n: int, lift: float) -> Users:
    return (1 + lift) * 5 + rng.normal(0, 2, n), None


def buyers(rng: np.random.Generator, n: int, lift: float) -> Users:
    return (rng.random(n) < 0.05 * (1 + lift)).astype(float), None


def revenue(rng: np.random.Generator, n: int, lift: float) -> Users:
    """One user in ten buys; what is paid is log-normal."""
    return (rng.random(n) < 0.10) * rng.lognormal(3, 0.8, n) * (1 + lift), None


def clicks(rng: np.random.Generator, n: int, lift: float) -> Users:
    """Clicks over slates: who comes often clicks more often, and users differ."""
    slates = 1 + rng.poisson(rng.gamma(1.5, 3, n))
    taste = rng.beta(2, 12, n) * (1 + np.minimum(slates, 20) / 20)
    return rng.binomial(slates, np.minimum(taste * (1 + lift), 1)).astype(float), slates.astype(float)


POPULATIONS: dict[str, Population] = {
    "normal": normal,
    "5% buyers": buyers,
    "skewed revenue": revenue,
    "clicks per slate (ratio)": clicks,
}


def once(t: Moments, c: Moments) -> Effect:
    return welch(t, c, ALPHA) if t.x_mean is None else ratio(t, c, ALPHA)


def arms(population: Population, rng: np.random.Generator, n: int, lift: float) -> tuple[Users, Users]:
    return population(rng, n, lift), population(rng, n, 0.0)


# ---- experiments on the intervals


def one_look(name: str, seed: np.random.SeedSequence, worlds: int, users: int = 2000) -> Iterator[Row]:
    """A single look: false alarms where nothing changed, coverage of the true relative lift where something did."""
    rng, alarms, covered = np.random.default_rng(seed), 0, 0
    for _ in range(worlds):
        same = once(*(Moments.of(*arm) for arm in arms(POPULATIONS[name], rng, users, 0.0)))
        alarms += same.p_value < ALPHA
        more = once(*(Moments.of(*arm) for arm in arms(POPULATIONS[name], rng, users, LIFT)))
        covered += more.relative_low <= LIFT <= more.relative_high
    yield Row(name, "false alarms, one look", alarms / worlds, ALPHA, worlds, "equal")
    yield Row(name, "coverage of a +20% lift, one look", covered / worlds, 1 - ALPHA, worlds, "equal")


def rows_as_units(seed: np.random.SeedSequence, worlds: int, users: int = 2000) -> Iterator[Row]:
    """What happens where slates are taken for independent."""
    rng, alarms = np.random.default_rng(seed), 0
    for _ in range(worlds):
        parts = []
        for clicked, slates in arms(clicks, rng, users, 0.0):
            assert slates is not None
            n, p = int(slates.sum()), clicked.sum() / slates.sum()
            parts.append(Moments(n, p, n * p * (1 - p)))
        alarms += welch(*parts, ALPHA).p_value < ALPHA
    yield Row(
        "clicks per slate (ratio)", "false alarms, slates taken as units", alarms / worlds, ALPHA, worlds, "shown"
    )


def peeking(name: str, seed: np.random.SeedSequence, worlds: int, users: int = 2000) -> Iterator[Row]:
    """A look after every percent of the users, from 100 users of both arms on."""
    rng = np.random.default_rng(seed)
    ends = np.arange(1, LOOKS + 1) * users // LOOKS
    ends = ends[ends >= 50]
    fixed = ever = lost = 0
    width = []
    for _ in range(worlds):
        t, c = (Moments.running(*arm, ends) for arm in arms(POPULATIONS[name], rng, users, 0.0))
        known = [(a, b) for a, b in zip(t, c, strict=True) if a.unit_variance + b.unit_variance > 0]
        fixed += any(once(a, b).p_value < ALPHA for a, b in known)
        looks = [always_valid(a, b, ALPHA, planned=2 * users) for a, b in known]
        ever += any(look.p_value < ALPHA for look in looks)
        last = once(t[-1], c[-1])
        width.append((looks[-1].high - looks[-1].low) / (last.high - last.low))
        t, c = (Moments.running(*arm, ends) for arm in arms(POPULATIONS[name], rng, users, LIFT))
        known = [(a, b) for a, b in zip(t, c, strict=True) if a.unit_variance + b.unit_variance > 0]
        looks = [always_valid(a, b, ALPHA, planned=2 * users) for a, b in known]
        lost += any(not look.relative_low <= LIFT <= look.relative_high for look in looks)
    yield Row(name, "false alarms, 100 looks, fixed interval", fixed / worlds, ALPHA, worlds, "shown")
    yield Row(name, "false alarms, 100 looks, always valid", ever / worlds, ALPHA, worlds, "at most")
    yield Row(name, "coverage of +20% at every look, always valid", 1 - lost / worlds, 1 - ALPHA, worlds, "at least")
    yield Row(name, "width at the end, always valid / fixed", float(np.mean(width)), 0, worlds, "shown")


def returning(seed: np.random.SeedSequence, worlds: int, users: int = 500) -> Iterator[Row]:
    """The live table: users join over time, come back, and their sums grow between looks."""
    rng, fixed, ever = np.random.default_rng(seed), 0, 0
    for _ in range(worlds):
        joined = np.sort(rng.integers(0, LOOKS, users * 2))
        side = rng.permutation(np.arange(users * 2) % 2).astype(bool)
        rate, taste = rng.gamma(1, 0.1, users * 2), rng.beta(2, 12, users * 2)
        here = np.arange(LOOKS)[:, None] >= joined
        slates = (here * rng.poisson(rate, (LOOKS, users * 2)) + (np.arange(LOOKS)[:, None] == joined)).cumsum(0)
        fresh = np.diff(slates, axis=0, prepend=0)
        clicked = rng.binomial(fresh, taste).cumsum(0)
        alarms = [False, False]
        for look in range(5, LOOKS):
            parts = [
                Moments.of(
                    clicked[look, here[look] & part].astype(float), slates[look, here[look] & part].astype(float)
                )
                for part in (side, ~side)
            ]
            if min(part.n for part in parts) < 30 or not sum(part.unit_variance for part in parts) > 0:
                continue
            alarms[0] |= once(*parts).p_value < ALPHA
            alarms[1] |= always_valid(*parts, ALPHA, planned=2 * users).p_value < ALPHA
        fixed, ever = fixed + alarms[0], ever + alarms[1]
    yield Row(
        "returning users (ratio)", "false alarms, 95 looks, fixed interval", fixed / worlds, ALPHA, worlds, "shown"
    )
    yield Row(
        "returning users (ratio)", "false alarms, 95 looks, always valid", ever / worlds, ALPHA, worlds, "at most"
    )


def power(seed: np.random.SeedSequence, worlds: int) -> Iterator[Row]:
    """Experiments of the size that the formulas ask for 80% power."""
    rng = np.random.default_rng(seed)
    pilot, lifted = (Moments.of(*clicks(rng, 400_000, lift)) for lift in (0.0, 0.1))
    more = lifted.unit_variance  # what lifts a ratio lifts its spread too
    sizes = {
        "normal": sample_size(4.0, 5 * 0.05),
        "5% buyers": sample_size_of_shares(0.05, 0.05 * 1.3),
        "clicks per slate (ratio)": sample_size(pilot.unit_variance, pilot.ratio * 0.1, treatment_variance=more),
    }
    for (name, size), lift in zip(sizes.items(), (0.05, 0.3, 0.1), strict=True):
        found = sum(
            once(*(Moments.of(*arm) for arm in arms(POPULATIONS[name], rng, size // 2, lift))).p_value < ALPHA
            for _ in range(worlds)
        )
        yield Row(name, f"power at {size:,} users, +{lift:.0%}", found / worlds, 0.8, worlds, "equal")


def decisions(seed: np.random.SeedSequence, worlds: int, users: int = 1500, looks: int = 10) -> Iterator[Row]:
    """The whole rule, looked at ten times: a treatment that equals both controls must not ship, nor be rolled back."""
    rng, ended = np.random.default_rng(seed), {"ship": 0, "roll_back": 0}
    variants = {name: Variant(policy=name, control=name != "blend") for name in ("random", "popular", "blend")}
    test = Experiment(name="equal", variants=variants, planned_users=users, minimum_users=50)
    for _ in range(worlds):
        clicked, slates = clicks(rng, users, 0.0)
        table = pl.DataFrame(
            {
                "variant": rng.choice(list(variants), users),
                "user": [str(i) for i in range(users)],
                "slates": slates,
                "clicked_slates": clicked,
            }
        )
        for look in range(1, looks + 1):
            verdict = decide(test, read_out(test, table.head(users * look // looks), now=0.0)).verdict
            if verdict in ended:
                ended[verdict] += 1
                break
    for verdict, count in ended.items():
        yield Row("three equal variants", f"verdict {verdict}, 10 looks", count / worlds, ALPHA, worlds, "at most")


def table(worlds: int, seed: int) -> Iterator[Row]:
    """Every row; the slow ones on fewer worlds."""
    seeds = iter(np.random.SeedSequence(seed).spawn(len(POPULATIONS) * 2 + 4))
    for name in POPULATIONS:
        yield from one_look(name, next(seeds), worlds)
        yield from peeking(name, next(seeds), worlds // 4)
    yield from rows_as_units(next(seeds), worlds)
    yield from returning(next(seeds), worlds // 8)
    yield from power(next(seeds), worlds)
    yield from decisions(next(seeds), worlds // 20)


PARTS = {"fixed": 8000, "sequential": 8000, "adaptive": 1000, "interleaving": 2000}
"""The other scripts of this kind, with the worlds of their own full runs."""


def every(names: Sequence[str], worlds: int, seed: int) -> Iterator[Row]:
    """The rows of the named parts; scripts are imported when it is their turn."""
    for name in names:
        if name == "core":
            yield from table(worlds, seed)
            continue
        part = importlib.import_module(f"validity_{name}")
        yield from part.rows(max(50, worlds * PARTS[name] // 8000), np.random.default_rng(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"core, {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--worlds", type=int, default=8000, help="simulated worlds per row of a single look")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if unknown := set(options.parts) - {"core", *PARTS}:
        parser.error(f"there is no part {min(unknown)!r}: choose from core, {', '.join(PARTS)}")
    start = time.process_time()
    print(HEAD)
    rows = []
    for row in every(options.parts or ("core", *PARTS), options.worlds, options.seed):
        rows.append(row)
        print(row, flush=True)
    promised, broken = sum(row.rule != "shown" for row in rows), [row for row in rows if not row.holds]
    print(f"\n{promised} promises, {len(broken)} broken, {time.process_time() - start:.0f} CPU s")
    for row in broken:
        print(row)
    raise SystemExit(min(len(broken), 1))


if __name__ == "__main__":
    main()
