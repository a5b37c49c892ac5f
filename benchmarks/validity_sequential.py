"""What each sequential rule costs: its error rate with a look after every percent, its width at the end, its power.

    python benchmarks/validity_sequential.py              # about two minutes
    python benchmarks/validity_sequential.py --worlds 400 # a first look

Worlds have two arms of 5,000 users. A rule ends an experiment at the first look at which its boundary is crossed. Width
is over that of an interval made for one look; power is where a single look has 0.80.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from validity import ALPHA, POPULATIONS, Row

from recloop.stats import (
    SPRT,
    Beta,
    GroupSequential,
    beliefs,
    hwang_shih_decani_spending,
    mixture,
    obrien_fleming_spending,
    pocock_spending,
    power_spending,
    quantile_difference_sequence,
    quantile_sequence,
    sequences,
    sequential_srm,
    srm,
)
from recloop.stats.skewness import PER_SQUARE, effective_users

Array = NDArray[np.float64]
USERS = 5000  # of each arm
LOOKS = 100
SHARES = np.arange(1, LOOKS + 1) / LOOKS
CHUNK = 200


@dataclass(frozen=True)
class Rule:
    """Critical values of z at the looks; infinite where a look does not count."""

    name: str
    critical: Array
    sides: int = 2
    rule: str = "at most"

    @property
    def width(self) -> float:
        return float(self.critical[-1] / -ndtri(ALPHA / self.sides))


def at(boundary: Callable[[float], float]) -> Array:
    return np.array([boundary(share) for share in SHARES.tolist()])


def planned(design: GroupSequential) -> Array:
    """A design's boundaries, at those of the hundred looks that are its own."""
    critical = np.full(LOOKS, math.inf)
    critical[np.round(np.array(design.information) * LOOKS).astype(int) - 1] = design.boundary
    return critical


def rules() -> list[Rule]:
    n = 2 * USERS
    two, one = mixture.rho_square(n), mixture.rho_square(n, 2 * ALPHA)
    typical = (2.8 / n**0.5) ** 2  # variance of effects as large as the one that the experiment is sized for
    fifths = [0.2, 0.4, 0.6, 0.8, 1.0]
    spend = GroupSequential.spend
    return [
        Rule("fixed, ended when significant", at(lambda _: -float(ndtri(ALPHA / 2))), rule="shown"),
        Rule("chance to win > 95%, flat prior", at(lambda _: -float(ndtri(0.05))), 1, rule="shown"),
        Rule("always valid", at(lambda share: sequences.boundary(share, ALPHA))),
        Rule("always valid, one-sided", at(lambda share: sequences.boundary(share, ALPHA, one_sided=True)), 1),
        Rule("normal mixture", at(lambda share: mixture.boundary(share * n * two, ALPHA))),
        Rule("normal mixture, one-sided", at(lambda share: mixture.one_sided_boundary(share * n * one, ALPHA)), 1),
        Rule("mSPRT, typical effects", at(lambda share: mixture.boundary(share * n * typical, ALPHA))),
        Rule("mSPRT, effects 3x as large", at(lambda share: mixture.boundary(share * n * 9 * typical, ALPHA))),
        Rule("Pocock, 5 looks", planned(GroupSequential.pocock(fifths))),
        Rule("O'Brien-Fleming, 5 looks", planned(GroupSequential.obrien_fleming(fifths))),
        Rule("OBF spending, 5 looks", planned(spend(fifths, obrien_fleming_spending))),
        Rule("OBF spending, 100 looks", planned(spend(SHARES.tolist(), obrien_fleming_spending))),
        Rule("Pocock spending, 100 looks", planned(spend(SHARES.tolist(), pocock_spending))),
        Rule("power spending 3, 100 looks", planned(spend(SHARES.tolist(), power_spending(3)))),
        Rule("Hwang-Shih-DeCani -4, 100 looks", planned(spend(SHARES.tolist(), hwang_shih_decani_spending(-4)))),
        Rule(
            "O'Brien-Fleming, 20, one-sided",
            planned(GroupSequential.obrien_fleming(SHARES[4::5].tolist(), alternative="greater")),
            1,
        ),
    ]


def running_z(rng: np.random.Generator, name: str, worlds: int, thin: int = 1) -> Array:
    """z of each world (rows) at each look where nothing changed; the treatment has one user for ``thin`` of control."""
    step = USERS // LOOKS
    parts = []
    for per_look in (step // thin, step):
        values = POPULATIONS[name](rng, worlds * LOOKS * per_look, 0.0)[0].reshape(worlds, LOOKS, per_look)
        n = per_look * np.arange(1, LOOKS + 1)
        mean, squares = values.sum(2).cumsum(1) / n, np.square(values).sum(2).cumsum(1)
        parts.append((mean, np.maximum(squares - n * mean * mean, 0) / (n - 1) / n))
    (t, t_var), (c, c_var) = parts
    var = t_var + c_var
    return np.divide(t - c, np.sqrt(var), out=np.zeros_like(var), where=var > 0)


def crossed(rule: Rule, z: Array) -> NDArray[np.bool_]:
    return (np.abs(z) if rule.sides == 2 else z) > rule.critical


def boundaries(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Every rule that is a boundary for z, on the same worlds."""
    every = rules()
    alarms = {name: dict.fromkeys(range(len(every)), 0) for name in ("normal", "5% buyers", "skewed revenue")}
    found, users = np.zeros(len(every)), np.zeros(len(every))
    total = 0
    for _ in range(max(1, worlds // CHUNK)):
        total += CHUNK
        for name, seen in alarms.items():
            z = running_z(rng, name, CHUNK)
            for i, rule in enumerate(every):
                seen[i] += int(crossed(rule, z)[:, 1:].any(axis=1).sum())
            if name == "normal":
                for i, rule in enumerate(every):
                    drift = float(ndtri(1 - ALPHA / rule.sides) + ndtri(0.8))
                    over = crossed(rule, z + drift * np.sqrt(SHARES))
                    found[i] += over.any(axis=1).sum()
                    users[i] += np.where(over.any(axis=1), SHARES[over.argmax(axis=1)], 1.0).sum()
    for i, rule in enumerate(every):
        for name, seen in alarms.items():
            yield Row(rule.name, f"false alarms, 100 looks, {name}", seen[i] / total, ALPHA, total, rule.rule)
        yield Row(rule.name, "width at the end / one look's", rule.width, 0, total, "shown")
        yield Row(rule.name, "power where one look has 0.80", found[i] / total, 0, total, "shown")
        yield Row(rule.name, "users until the end / planned, same effect", users[i] / total, 0, total, "shown")


def unequal(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """A small arm of skewed values, where the normal distribution comes late: what asymptotic rules then do."""
    always = sequences.boundary
    for name in ("5% buyers", "skewed revenue"):
        for start in (10, 20, 50):
            total = max(1, worlds // CHUNK) * CHUNK
            every = np.concatenate(
                [running_z(rng, name, CHUNK, thin=10)[:, start - 1 :] for _ in range(total // CHUNK)]
            )
            critical = at(lambda share: always(share, ALPHA))[start - 1 :]
            for rule, value in (("always valid", critical), ("fixed, at the end only", None)):
                out = (np.abs(every) > value).any(axis=1) if value is not None else np.abs(every[:, -1]) > 1.96
                what = f"{name} 1 : 10, alarms from {start * USERS // LOOKS // 10} users"
                yield Row(rule, what, float(out.mean()), ALPHA, total, "shown")


SKEWED: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "5% buyers": lambda rng, n: (rng.random(n) < 0.05) * 1.0,
    "1% buyers": lambda rng, n: (rng.random(n) < 0.01) * 1.0,
    "log-normal revenue of 10%": lambda rng, n: (rng.random(n) < 0.1) * rng.lognormal(0, 1, n),
    "log-normal revenue of 2%": lambda rng, n: (rng.random(n) < 0.02) * rng.lognormal(0, 1, n),
    "log-normal, sigma 1.5": lambda rng, n: rng.lognormal(0, 1.5, n),
    "gamma, shape 0.1": lambda rng, n: rng.gamma(0.1, 1.0, n),
}


def enough(worlds: int, rng: np.random.Generator, small: int, times: int = 10) -> Iterator[Row]:
    """The same with the rule of ``users_needed``: a look counts once the small arm has the users that its skew asks for."""
    critical = np.array([sequences.boundary(share, ALPHA) for share in SHARES])
    for name, draw in SKEWED.items():
        alarms, without, waits, total = 0, 0, 0, 0
        for _ in range(max(1, worlds // 50)):
            total += 50
            sums = []
            for per_look in (small // LOOKS, small * times // LOOKS):
                values = draw(rng, 50 * LOOKS * per_look).reshape(50, LOOKS, per_look)
                sums.append((per_look * np.arange(1, LOOKS + 1), *((values**k).sum(2).cumsum(1) for k in (1, 2, 3))))
            (n, t1, t2, t3), (m, c1, c2, c3) = sums
            spread = [
                np.maximum(b - k * (a / k) ** 2, 0) / np.maximum(k - 1, 1) / k for k, a, b in ((n, t1, t2), (m, c1, c2))
            ]
            error = np.sqrt(sum(spread))
            z = np.divide(t1 / n - c1 / m, error, out=np.zeros_like(error), where=error > 1e-9)
            mean, square, cube = (t1 + c1) / (n + m), (t2 + c2) / (n + m), (t3 + c3) / (n + m)
            variance = np.maximum(square - mean**2, 1e-12)
            skew = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
            share = np.array([1 / effective_users(int(a), int(b)) for a, b in zip(n, m, strict=True)])
            counts = (n >= 100) & (variance > 1e-9)
            trusted = counts & (PER_SQUARE * skew**2 * share <= 1)
            alarms += int((trusted & (np.abs(z) > critical)).any(axis=1).sum())
            without += int((counts & (np.abs(z) > critical)).any(axis=1).sum())
            waits += int((~trusted[:, -1]).sum())
        what = f"1 : {times}, {small:,} users"
        yield Row(name, f"alarms {what}, looks from 100", without / total, ALPHA, total, "shown")
        yield Row(name, f"alarms {what}, once enough", alarms / total, ALPHA, total, "at most")
        yield Row(name, f"never enough, {what}", waits / total, 0, total, "shown")


def beyond(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Gaussian walks with 2,000 looks up to fifty times the planned size: the promise has no end."""
    looks = np.unique(np.geomspace(4, 50 * 1000, 2000).astype(int))
    sums, met = np.zeros(worlds), np.zeros((3, worlds), dtype=bool)
    rho = mixture.rho_square(1000)
    for n, step in zip(looks.tolist(), np.diff(looks, prepend=0).tolist(), strict=True):
        sums += rng.normal(0, math.sqrt(step), worlds)
        z = sums / math.sqrt(n)
        met[0] |= np.abs(z) > sequences.boundary(n / 1000, ALPHA)
        met[1] |= z > sequences.boundary(n / 1000, ALPHA, one_sided=True)
        met[2] |= np.abs(z) > mixture.boundary(n * rho, ALPHA)
    for name, one in zip(("always valid", "always valid, one-sided", "normal mixture"), met, strict=True):
        yield Row(name, "false alarms, 2,000 looks, to 50 x planned", float(one.mean()), ALPHA, worlds, "at most")


def quantiles(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """The median and the 90th percentile of a heavy tail, whose mean does not exist."""
    for q in (0.5, 0.9):
        true, lost, alarms, ratio = math.tan(math.pi * (q - 0.5)), 0, 0, []
        for _ in range(worlds):
            t, c = rng.standard_cauchy((2, 1000))
            ends = range(20, 1001, 20)
            one = [quantile_sequence(t[:n], q, ALPHA, planned=1000) for n in ends]
            lost += any(not look.low <= true <= look.high for look in one)
            alarms += any(
                quantile_difference_sequence(t[:n], c[:n], q, ALPHA, planned=2000).p_value < ALPHA for n in ends
            )
            near = np.quantile(t, q + np.array([-1.96, 1.96]) * (q * (1 - q) / 1000) ** 0.5)
            ratio.append((one[-1].high - one[-1].low) / (near[1] - near[0]))
        name = f"quantile {q}, Cauchy"
        yield Row(name, "coverage at every one of 50 looks", 1 - lost / worlds, 1 - ALPHA, worlds, "at least")
        yield Row(name, "false alarms, two arms, 50 looks", alarms / worlds, ALPHA, worlds, "at most")
        yield Row(name, "width at the end / one look's", float(np.median(ratio)), 0, worlds, "shown")


def split(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """The split of traffic, checked after every percent of 20,000 users."""
    weights, ends = {"a": 1, "b": 1}, np.arange(200, 20_001, 200)
    for share, what in ((0.5, "false alarms, 100 looks"), (0.48, "faults found, 48 : 52, 100 looks")):
        draws = rng.binomial(200, share, (worlds, LOOKS)).cumsum(axis=1)
        reds = np.zeros(2)
        for row in draws.tolist():
            looks = [{"a": k, "b": n - k} for n, k in zip(ends.tolist(), row, strict=True)]
            reds += [any(check(look, weights, ALPHA).red for look in looks) for check in (srm, sequential_srm)]
        for name, red in zip(("traffic, chi-square", "traffic, sequential"), reds.tolist(), strict=True):
            promised = name == "traffic, sequential" and share == 0.5
            yield Row(name, what, red / worlds, ALPHA, worlds, "at most" if promised else "shown")


def shares(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Wald's test by its exact recursion and by draws; a belief that is looked at until it is sure."""
    test = SPRT.exact(0.10, 0.13, alpha=ALPHA, beta=0.2)
    win, loss = math.log(test.p1 / test.p0), math.log((1 - test.p1) / (1 - test.p0))
    for p, what in ((test.p0, "false alarms, every draw"), (test.p1, "power, every draw")):
        found = test.characteristic(p)
        up = 0
        for _ in range(worlds):
            ratio = np.where(rng.random(12_000) < p, win, loss).cumsum()
            first = np.argmax((ratio >= test.upper) | (ratio <= test.lower))
            up += bool(ratio[first] >= test.upper)
        yield Row("SPRT, 10% against 13%", what, up / worlds, found.alternative, worlds, "equal")
    fixed = ((1.6449 * (0.1 * 0.9) ** 0.5 + 0.8416 * (0.13 * 0.87) ** 0.5) / 0.03) ** 2
    for p in (test.p0, test.p1):
        expected = test.characteristic(p).expected / fixed
        yield Row("SPRT, 10% against 13%", f"users / one look's, at {p:.0%}", expected, 0, 1, "shown")
    shipped, few = 0, max(1, worlds // 8)
    for _ in range(few):
        a, b = rng.binomial(50, 0.1, (2, LOOKS)).cumsum(axis=1).tolist()
        for n, x, y in zip(range(50, 5001, 50), a, b, strict=True):
            arms = {"a": Beta.of(x, n, prior=(1, 1)), "b": Beta.of(y, n, prior=(1, 1))}
            if n >= 100 and beliefs(arms)["b"].loss < 0.0005:
                shipped += 1
                break
    yield Row("expected loss < 0.5% of 10%", "equal arms shipped, 100 looks", shipped / few, 0, few, "shown")


def rows(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Every row; the slow ones on fewer worlds."""
    parts = rng.spawn(6)
    yield from boundaries(worlds, parts[0])
    yield from beyond(worlds, parts[1])
    yield from unequal(worlds // 4, parts[2])
    for small in (500, 2000):
        yield from enough(max(50, worlds // 8), parts[2], small)
    yield from quantiles(max(1, worlds // 20), parts[3])
    yield from split(max(1, worlds // 4), parts[4])
    yield from shares(max(1, worlds // 4), parts[5])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=8000, help="simulated worlds of the boundaries")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start, found = time.process_time(), []
    for row in rows(options.worlds, np.random.default_rng(options.seed)):
        found.append(row)
        print(row, flush=True)
    broken = sum(not row.holds for row in found)
    print(f"\n{len(found)} rows, {broken} broken, {time.process_time() - start:.0f} CPU s")
    raise SystemExit(min(broken, 1))


if __name__ == "__main__":
    main()
