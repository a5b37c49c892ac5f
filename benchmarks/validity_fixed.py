"""Do the intervals of a single look keep their promise? Shares, relative lifts, quantiles, caps, strata, CUPED and CUPAC.

    python benchmarks/validity_fixed.py              # some minutes
    python benchmarks/validity_fixed.py --worlds 200 # a first look

Worlds with a known truth, as in validity.py. Both arms are seen once, with 1,000 and 2,000 users. "Width" is the length
of the interval over that of the plain difference from the same users: 0.71 is what twice the users would give.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from validity import ALPHA, HEAD, LIFT, Row

from recloop.stats import (
    Adjusted,
    Comoments,
    Effect,
    Moments,
    cross_fitted,
    cuped,
    impute,
    miettinen_nurminen,
    newcombe,
    quantile_difference,
    relative_lift,
    ridge,
    stratified,
    winsorised,
)

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float], Any]
Read = Callable[[np.random.Generator, Any, Any], Effect | Adjusted]
TREATMENT, CONTROL = 1000, 2000


# ---- populations: one arm of n users, with a relative lift of the outcome


def conversions(share: float, rng: np.random.Generator, n: int, lift: float) -> Moments:
    return Moments.of_share(int(rng.binomial(n, share * (1 + lift))), n)


def revenue(rng: np.random.Generator, n: int, lift: float) -> Array:
    """One user in ten buys; what is paid is log-normal."""
    return (rng.random(n) < 0.10) * rng.lognormal(3, 0.8, n) * (1 + lift)


def answers(rng: np.random.Generator, n: int, lift: float) -> tuple[Array, Array]:
    """(users, seconds): some users have many rows, which are alike; who has many waits longer."""
    rows = 1 + rng.poisson(rng.gamma(1, 4, n))
    slow = rng.normal(0, 0.6, n) + 0.02 * rows
    whose = np.repeat(np.arange(n), rows)
    return whose.astype(float), rng.lognormal(slow[whose], 0.4) * (1 + lift)


def shoppers(rng: np.random.Generator, n: int, lift: float) -> Array:
    """Revenue, revenue before, visits before, stratum. Tastes last; who is new (one in five) has no history."""
    stratum = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    taste = rng.lognormal(0, 0.8, n) * np.array([0.5, 1, 2, 4])[stratum]
    after, before = ((rng.random(n) < 0.4) * taste * rng.lognormal(2, 0.4, n) for _ in range(2))
    visits = rng.poisson(3 * taste).astype(float)
    new = rng.random(n) < 0.2
    before[new] = visits[new] = np.nan
    return np.column_stack([after * (1 + lift), before, visits, stratum])


def readers(rng: np.random.Generator, n: int, lift: float) -> Array:
    """Clicks, slates, clicks before, slates before, stratum: who comes often clicks more often."""
    pace, taste = rng.gamma(1.5, 3, n), rng.beta(2, 12, n)
    odds = np.minimum(taste * (1 + np.minimum(pace, 20) / 20), 0.8)
    columns = []
    for more in (lift, 0.0):
        slates = 1 + rng.poisson(pace)
        columns += [rng.binomial(slates, odds * (1 + more)), slates]
    return np.column_stack([*columns, pace > 4]).astype(float)


def vectors(rng: np.random.Generator, n: int, lift: float) -> Array:
    """Spending, then 16 features from before: what is liked shows in a few directions of them."""
    features = rng.standard_normal((n, 16))
    likes = np.maximum(4 + features[:, :4] @ [1.5, 1.0, 0.7, 0.5], 0)
    return np.column_stack([(likes + rng.gamma(1, 1.5, n)) * (1 + lift), features])


# ---- readers: two arms in, an effect out


def by_relative(method: Any, _rng: np.random.Generator, t: Array, c: Array) -> Effect:
    return relative_lift(Moments.of(t), Moments.of(c), ALPHA, method=method)


def by_strata(own: int, _rng: np.random.Generator, t: Array, c: Array) -> Adjusted:
    arms = (
        {
            k: Moments.of(part[:, 0], part[:, 1] if own == 2 else None)
            for k in np.unique(arm[:, -1])
            for part in [arm[arm[:, -1] == k]]
        }
        for arm in (t, c)
    )
    return stratified(*arms, ALPHA)


def by_cuped(own: int, lift: Any, _rng: np.random.Generator, t: Array, c: Array) -> Adjusted:
    both = np.vstack([t, c])
    rows = np.hstack([both[:, :own], impute(both[:, own:-1])])
    return cuped(Comoments.of(rows[: len(t)]), Comoments.of(rows[len(t) :]), ALPHA, ratio=own == 2, lift=lift)


def by_cupac(fit: Any, rng: np.random.Generator, t: Array, c: Array) -> Adjusted:
    both = np.vstack([t, c])
    rows = np.column_stack([both[:, 0], cross_fitted(both[:, 1:], both[:, 0], rng, fit=fit)])
    return cuped(Comoments.of(rows[: len(t)]), Comoments.of(rows[len(t) :]), ALPHA)


def useless(x: Array, y: Array) -> Callable[[Array], Array]:
    """Weights that have nothing to do with the outcomes."""
    weights = np.random.default_rng(int(abs(y).sum() * 1e6) % 2**32).normal(size=(x.shape[1], y.shape[1]))
    return lambda rows: rows @ weights


def overfitted(x: Array, y: Array) -> Callable[[Array], Array]:
    """Remembers everybody: the outcome of the nearest user along the first feature."""
    order = np.argsort(x[:, 0])
    return lambda rows: y[order[np.searchsorted(x[order[:-1], 0], rows[:, 0])]]


def plain_effect(found: Effect | Adjusted) -> tuple[Effect, Effect]:
    return (found.effect, found.plain) if isinstance(found, Adjusted) else (found, found)


def judged(
    name: str,
    method: str,
    draw: Draw,
    read: Read,
    worlds: int,
    rng: np.random.Generator,
    rules: tuple[Any, Any] = ("equal", "equal"),
) -> Iterator[Row]:
    """False alarms where nothing changed, coverage of the true relative lift where something did, and the width."""
    alarms = covered = 0
    widths, reductions = [], []
    for _ in range(worlds):
        found = read(rng, draw(rng, TREATMENT, 0.0), draw(rng, CONTROL, 0.0))
        effect, plain = plain_effect(found)
        alarms += effect.p_value < ALPHA
        widths.append((effect.high - effect.low) / (plain.high - plain.low))
        reductions.append(found.variance_reduction if isinstance(found, Adjusted) else 0.0)
        more, _ = plain_effect(read(rng, draw(rng, TREATMENT, LIFT), draw(rng, CONTROL, 0.0)))
        covered += more.relative_low <= LIFT <= more.relative_high
    yield Row(name, f"false alarms, {method}", alarms / worlds, ALPHA, worlds, rules[0])
    yield Row(name, f"coverage of a +20% lift, {method}", covered / worlds, 1 - ALPHA, worlds, rules[1])
    if any(reductions):
        yield Row(name, f"width, {method} / plain", float(np.mean(widths)), 0, worlds, "shown")


def quantiles(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Rows of users that come often, against rows taken as users."""
    for q in (0.5, 0.9):
        name = f"waiting times, {q:.0%} quantile"
        yield from judged(
            name, "clustered", answers, lambda _, t, c, q=q: quantile_difference(t, c, q, ALPHA), worlds, rng
        )
        naive = 0
        for _ in range(worlds):
            arms = [answers(rng, n, 0.0) for n in (TREATMENT, CONTROL)]
            rows = [(np.arange(len(seconds)), seconds) for _, seconds in arms]
            naive += quantile_difference(*rows, q, ALPHA).p_value < ALPHA
        yield Row(name, "false alarms, rows taken as users", naive / worlds, ALPHA, worlds, "shown")


def caps(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """The mean of capped values is what is estimated: its difference, with the cap of a large experiment."""
    name, q = "skewed revenue", 0.95
    large = revenue(rng, 2_000_000, 0.0)
    counted = np.concatenate([large[: len(large) // 2] * (1 + LIFT), large])
    cap = float(np.quantile(counted[counted > 0], q))
    true = np.minimum(large * (1 + LIFT), cap).mean() - np.minimum(large, cap).mean()
    alarms = covered = 0
    widths = []
    for _ in range(worlds):
        t, c = revenue(rng, TREATMENT, 0.0), revenue(rng, CONTROL, 0.0)
        same = winsorised(t, c, ALPHA, q=q)
        alarms += same.effect.p_value < ALPHA
        widths.append((same.effect.high - same.effect.low) / (same.uncapped.high - same.uncapped.low))
        more = winsorised(t * (1 + LIFT), c, ALPHA, q=q).effect
        covered += more.low <= true <= more.high
    yield Row(name, "false alarms, capped", alarms / worlds, ALPHA, worlds, "equal")
    yield Row(name, "coverage of the capped difference", covered / worlds, 1 - ALPHA, worlds, "equal")
    yield Row(name, "width, capped / plain", float(np.mean(widths)), 0, worlds, "shown")


def rows(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Every row; those that train models on fewer worlds."""
    rules = ("at most", "at least")  # counts are discrete: no interval covers exactly 95% of them
    for share in (0.005, 0.05):
        for method in (newcombe, miettinen_nurminen):
            read = partial(lambda method, _, t, c: method(t, c, ALPHA), method)
            yield from judged(
                f"{share:.1%} buyers", method.__name__, partial(conversions, share), read, worlds, rng, rules
            )
    for method in ("fieller", "delta", "log"):
        kept = (
            ("shown", "shown") if method == "delta" else ("equal", "equal")
        )  # too few buyers for a symmetric interval
        yield from judged("skewed revenue", method, revenue, partial(by_relative, method), worlds, rng, kept)
    yield from caps(worlds, rng)
    yield from quantiles(worlds // 2, rng)
    yield from judged("shoppers", "strata", shoppers, partial(by_strata, 1), worlds, rng)
    yield from judged("clicks per slate (ratio)", "strata", readers, partial(by_strata, 2), worlds, rng)
    for lift in ("fieller", "delta"):
        kept = ("shown", "shown") if lift == "delta" else ("equal", "equal")
        read = partial(by_cuped, 1, lift)
        yield from judged("shoppers, some without history", f"CUPED, {lift}", shoppers, read, worlds, rng, kept)
        yield from judged(
            "clicks per slate (ratio)", f"CUPED, {lift}", readers, partial(by_cuped, 2, lift), worlds, rng
        )
    for name, fit in (("ridge", ridge), ("useless model", useless), ("overfitted model", overfitted)):
        yield from judged("features from before", f"CUPAC, {name}", vectors, partial(by_cupac, fit), worlds // 2, rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=8000, help="simulated worlds per row; half of them for models")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.process_time()
    print(HEAD)
    found = []
    for row in rows(options.worlds, np.random.default_rng(options.seed)):
        found.append(row)
        print(row, flush=True)
    broken = sum(not row.holds for row in found)
    print(f"\n{len(found)} rows, {broken} broken, {time.process_time() - start:.0f} CPU s")
    raise SystemExit(min(broken, 1))


if __name__ == "__main__":
    main()
