"""Do intervals keep their promise where the allocation follows the rewards, and where predictions stand in for answers?

    python benchmarks/validity_adaptive.py              # some minutes
    python benchmarks/validity_adaptive.py --worlds 200 # a first look

Many worlds are simulated at once: every array has the world as its first axis.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from validity import ALPHA, HEAD, Row

from recloop.stats import (
    Moments,
    prediction_powered,
    prediction_powered_difference,
    survey_sums,
    weighted_prediction_powered,
)
from recloop.stats.adaptive import (
    AdaptiveLog,
    Weighted,
    aipw,
    arm_values,
    average_effect,
    betting,
    bounded_contrast,
    bounded_value,
    contrast,
    empirical_bernstein,
    evaluation_weights,
    lyapunov,
    mixture,
    policy_value,
    steady_contrast,
    steady_value,
    with_floor,
)
from recloop.stats.adaptive.anytime import FIRST

Array = NDArray[np.float64]
Bandit = Literal["Thompson", "greedy"]
CHUNK = 200  # worlds that are simulated at once


# ---- bandits over many worlds at once


def thompson(means: Array, deviations: Array) -> Array:
    """(worlds, K): how probable it is that each arm is the best, with normal beliefs, by Gauss-Hermite quadrature."""
    z, weight = np.polynomial.hermite_e.hermegauss(40)
    at = means[..., None] + deviations[..., None] * z  # (worlds, K, nodes)
    below = ndtr((at[:, :, None, :] - means[:, None, :, None]) / deviations[:, None, :, None])
    k = means.shape[1]
    below[:, np.arange(k), np.arange(k)] = 1.0
    best = below.prod(axis=2) @ weight
    return best / best.sum(axis=1, keepdims=True)


def greedy(means: Array, _: Array) -> Array:
    return np.equal(np.arange(means.shape[1]), means.argmax(axis=1)[:, None]).astype(float)


def simulate(
    rng: np.random.Generator,
    worlds: int,
    truth: Array,
    bandit: Bandit,
    rounds: int = 1000,
    every: int = 10,
    mad: float | None = None,
    decay: float = 0.5,
    likes: NDArray[np.int64] | None = None,
) -> AdaptiveLog:
    """Yes-or-no rewards; the allocation is renewed every so many rounds, by the mixture design or over a floor.

    The floor is 10% even for the greedy bandit, and falls like t^-decay for Thompson sampling. ``likes`` is the user of
    each round: half of the users like 0.2 more than the arm's rate, half 0.2 less.
    """
    k = len(truth)
    choose = {"Thompson": thompson, "greedy": greedy}[bandit]
    pulls, gains = np.ones((worlds, k)), np.full((worlds, k), 0.5)
    arms, chances = np.empty((worlds, rounds), np.int64), np.empty((worlds, rounds, k))
    rewards = np.empty((worlds, rounds))
    taste = np.zeros((worlds, 1)) if likes is None else rng.choice([-0.2, 0.2], (worlds, int(likes.max()) + 1))
    of = np.zeros(rounds, np.int64) if likes is None else likes
    for start in range(0, rounds, every):
        part, t = slice(start, start + every), np.arange(start + 1, start + every + 1)
        means = gains / pulls
        wanted = choose(means, np.sqrt((means * (1 - means) + 0.05) / pulls))
        if mad is not None:
            e = mixture(np.repeat(wanted[:, None], every, axis=1), np.broadcast_to(t, (worlds, every)), mad)
        else:
            floor = 0.1 / k if bandit == "greedy" else float((start + 1) ** -decay) / k
            e = np.repeat(with_floor(wanted, floor)[:, None], every, axis=1)
        arm = (rng.random((worlds, every, 1)) > np.cumsum(e, axis=2)).sum(axis=2).clip(max=k - 1)
        y = (rng.random((worlds, every)) < truth[arm] + taste[:, of[part]]).astype(float)
        arms[:, part], chances[:, part], rewards[:, part] = arm, e, y
        picked = np.equal(arm[..., None], np.arange(k))
        pulls += picked.sum(axis=1)
        gains += (picked * y[..., None]).sum(axis=1)
    return AdaptiveLog.of(arms, rewards, chances)


def naive(log: AdaptiveLog) -> Weighted:
    """The plain mean of each arm with its textbook variance: what a dashboard shows."""
    pulled = log.pulled
    n = np.maximum(pulled.sum(axis=1), 1)
    mean = (pulled * log.rewards[..., None]).sum(axis=1) / n
    return Weighted(mean, np.maximum(mean * (1 - mean), 1e-9) / n)


def hits(found: Weighted, truth: float | Array) -> Array:
    low, high = found.interval(ALPHA)
    return (low <= truth) & (truth <= high)


def chunks(worlds: int) -> Iterator[int]:
    for start in range(0, worlds, CHUNK):
        yield min(CHUNK, worlds - start)


# ---- one look at the end


def one_look(
    rng: np.random.Generator,
    worlds: int,
    truth: Array,
    bandit: Bandit,
    mad: float | None = 0.2,
    decay: float = 0.5,
    rounds: int = 5000,
) -> Iterator[Row]:
    """Coverage of the value of each arm, and of the last arm against the first, at an end fixed in advance.

    Judged under the mixture design. Under a floor that falls faster, an arm that lost early has few pulls, and the
    normal limit is far: these rows are shown.
    """
    name = f"{bandit}, {'/'.join(f'{p:g}' for p in truth)}{'' if mad else f', t^-{decay}'}"
    rule: Literal["shown", "at least"] = "at least" if mad else "shown"
    found: dict[str, list[Array]] = {}
    for size in chunks(worlds):
        log = simulate(rng, size, truth, bandit, rounds, every=25, mad=mad, decay=decay)
        means = naive(log)
        seen = {"bias": means.value - truth, "naive": hits(means, truth)}
        gap = Weighted(means.value[:, -1] - means.value[:, 0], means.variance[:, -1] + means.variance[:, 0])
        seen["naive gap"] = hits(gap, truth[-1] - truth[0])
        scores = aipw(log)
        for weighting in ("constant", "two-point"):
            h = evaluation_weights(log.propensities, weighting, decay=mad or decay)
            values, apart = arm_values(scores, h), contrast(scores, h, len(truth) - 1, 0)
            seen[weighting] = hits(values, truth)
            seen[f"{weighting} bias"] = values.value - truth
            seen[f"{weighting} gap"] = hits(apart, truth[-1] - truth[0])
            seen[f"{weighting} width"] = np.sqrt(apart.variance / gap.variance)
        for what, column in seen.items():
            found.setdefault(what, []).append(column)
    mean = {what: float(np.mean(np.concatenate(columns))) for what, columns in found.items()}
    yield Row(name, "bias of the plain means", mean["bias"], 0, worlds, "shown")
    yield Row(name, "coverage of arms, plain means", mean["naive"], 1 - ALPHA, worlds, "shown")
    yield Row(name, "coverage of last - first, plain means", mean["naive gap"], 1 - ALPHA, worlds, "shown")
    for weighting in ("constant", "two-point"):
        yield Row(name, f"bias, {weighting} weights", mean[f"{weighting} bias"], 0, worlds, "shown")
        yield Row(name, f"coverage of arms, {weighting}", mean[weighting], 1 - ALPHA, worlds, rule)
        yield Row(name, f"coverage of last - first, {weighting}", mean[f"{weighting} gap"], 1 - ALPHA, worlds, rule)
        yield Row(name, f"width / plain, {weighting}", mean[f"{weighting} width"], 0, worlds, "shown")


def policies(rng: np.random.Generator, worlds: int, rounds: int = 1000, versions: int = 5) -> Iterator[Row]:
    """A contextual bandit with five updates; the value of the policy that goes by the context, which is 0.5."""
    covered = dict.fromkeys(("stable-variance", "minimum-variance"), 0)
    version = np.arange(rounds) * versions // rounds
    for _ in range(worlds):
        x, best = rng.integers(0, 2, rounds), np.full(2, 0.5)
        arms, y, e = np.zeros(rounds, np.int64), np.zeros(rounds), np.empty((versions, rounds, 2))
        for v in range(versions):
            first = 0.1 + 0.8 * best[x]
            e[v] = np.stack([first, 1 - first], axis=1)
            rows, seen = version == v, version <= v
            arms[rows] = rng.random(rows.sum()) > first[rows]
            y[rows] = rng.random(rows.sum()) < 0.3 + 0.2 * (arms[rows] == x[rows])
            for c in (0, 1):
                means = [y[seen & (arms == k) & (x == c)].mean() for k in (0, 1)]
                best[c] = means[0] > means[1]
        log = AdaptiveLog.of(arms, y, e[version, np.arange(rounds)])
        policy = np.equal(x[:, None], np.arange(2)).astype(float)
        for weighting in covered:
            covered[weighting] += int(hits(policy_value(log, policy, e, version, weighting=weighting), 0.5))
    for weighting, count in covered.items():
        yield Row(
            "contextual bandit", f"coverage of a policy, {weighting}", count / worlds, 1 - ALPHA, worlds, "at least"
        )


# ---- a look after every round


def every_round(rng: np.random.Generator, worlds: int, bandit: Bandit, rounds: int = 2000) -> Iterator[Row]:
    """Two equal arms, with the mixture design: a false alarm at any round counts."""
    name, truth = f"{bandit}, mixture design", np.array([0.3, 0.3])
    lost: dict[str, list[Array]] = {}
    widths: dict[str, list[Array]] = {}
    for size in chunks(worlds):
        log = simulate(rng, size, truth, bandit, rounds, mad=0.2)
        bands = {
            "augmented": average_effect(log, 1, 0, ALPHA, planned=rounds, variance=2.0),
            "design-based": average_effect(log, 1, 0, ALPHA, planned=rounds, variance=2.0, design_based=True),
            "bounded rewards": empirical_bernstein(bounded_contrast(log, 1, 0), ALPHA),
            "betting": betting(bounded_contrast(log, 1, 0), ALPHA, grid=100),
        }
        n = np.maximum(np.cumsum(log.pulled, axis=1), 1)
        mean = np.cumsum(log.pulled * log.rewards[..., None], axis=1) / n
        gap = Weighted(mean[..., 1] - mean[..., 0], (np.maximum(mean * (1 - mean), 0.05) / n).sum(axis=2))
        lost.setdefault("plain means", []).append(~hits(gap, 0.0)[:, 100::20].all(axis=1))
        once = 2 * 1.96 * np.sqrt(gap.variance[:, -1])
        for what, band in bands.items():
            lost.setdefault(what, []).append(~band.covers(0.0))
            widths.setdefault(what, []).append((band.high - band.low)[:, -1] / once)
    for what, columns in lost.items():
        found, plain = float(np.mean(np.concatenate(columns))), what == "plain means"
        yield Row(name, f"false alarms, any round, {what}", found, ALPHA, worlds, "shown" if plain else "at most")
    for what, columns in widths.items():
        yield Row(name, f"width / one look, {what}", float(np.mean(columns[0])), 0, worlds, "shown")


def live(rng: np.random.Generator, worlds: int, bandit: Bandit, users: int = 1000, visits: int = 2) -> Iterator[Row]:
    """The readout of a running bandit: 50 looks at all slates so far, of users who come twice and differ in taste."""
    name, truth, looks = f"{bandit}, live readout, users return", np.array([0.3, 0.3]), 50
    rounds = users * visits
    lost: dict[str, list[Array]] = {"value, valid at every look": [], "value, made for one look": []}
    apart: dict[str, list[Array]] = {"difference, valid at every look": [], "difference, made for one look": []}
    widths = []
    who = np.tile(np.arange(users), visits)
    for size in chunks(worlds):
        log = simulate(rng, size, truth, bandit, rounds, mad=0.2, likes=who)
        scores, e = aipw(log), log.propensities
        gaps = scores[..., 1] - scores[..., 0]
        missed = {what: np.zeros(size, bool) for what in (*lost, *apart)}
        for end in np.linspace(FIRST, rounds, looks).astype(int):
            seen = who[:end]
            value = steady_value(scores[:, :end, 0], e[:, :end, 0], ALPHA, planned=users, users=seen)
            gap = steady_contrast(gaps[:, :end], e[:, :end, 1], e[:, :end, 0], ALPHA, planned=users, users=seen)
            h = evaluation_weights(e[:, :end], "two-point", decay=0.2)
            once, once_gap = arm_values(scores[:, :end], h, seen), contrast(scores[:, :end], h, 1, 0, seen)
            missed["value, valid at every look"] |= (value.low > 0.3) | (value.high < 0.3)
            missed["value, made for one look"] |= ~hits(once, truth)[:, 0]
            missed["difference, valid at every look"] |= (gap.low > 0) | (gap.high < 0)
            missed["difference, made for one look"] |= ~hits(once_gap, 0.0)
        for what, column in missed.items():
            (lost if what in lost else apart)[what].append(column)
        widths.append((gap.high - gap.low) / (2 * 1.96 * np.sqrt(once_gap.variance)))
    for what, columns in (lost | apart).items():
        rule: Literal["shown", "at most"] = "at most" if "every" in what else "shown"
        yield Row(name, f"missed at any look, {what}", float(np.mean(np.concatenate(columns))), ALPHA, worlds, rule)
    yield Row(name, "width / one look, difference", float(np.mean(np.concatenate(widths))), 0, worlds, "shown")


def floors(rng: np.random.Generator, worlds: int, bandit: Bandit, rounds: int = 1000) -> Iterator[Row]:
    """The value of the first of two equal arms under a floor that falls (Thompson) or stays at 5% (greedy)."""
    name, truth = f"{bandit}, floor only", np.array([0.3, 0.3])
    lost: dict[str, list[Array]] = {}
    for size in chunks(worlds):
        log = simulate(rng, size, truth, bandit, rounds)
        scores = bounded_value(log, 0)
        bands = {
            "Lyapunov": lyapunov(aipw(log)[..., 0], ALPHA, planned=rounds, variance=2.0),
            "bounded rewards": empirical_bernstein(scores, ALPHA),
            "betting": betting(scores, ALPHA, grid=100),
        }
        for what, band in bands.items():
            lost.setdefault(what, []).append(~band.covers(0.3))
    for what, columns in lost.items():
        rule: Literal["shown", "at most"] = "shown" if what == "Lyapunov" else "at most"
        yield Row(
            name, f"value left out, any round, {what}", float(np.mean(np.concatenate(columns))), ALPHA, worlds, rule
        )


# ---- few answers, many predictions


def surveys(rng: np.random.Generator, worlds: int, answers: int = 60, users: int = 600) -> Iterator[Row]:
    """Answers from a tenth of the users; predictions that explain much, some or nothing of them.

    With unequal chances the content answer twice as often, and 2,000 users are asked.
    """
    for name, noise in (("good predictions", 0.2), ("fair predictions", 1.0), ("useless predictions", 1e3)):
        covered, apart, widths, weighted, ratio = 0, 0, [], 0, []
        for _ in range(worlds):
            arms = []
            for _ in range(2):
                taste = rng.normal(size=users)
                y, f = 3 + taste + rng.normal(0, 0.5, users), 2.5 + 0.8 * taste + rng.normal(0, noise, users)
                arms.append(prediction_powered(Moments.of(y[:answers], x=f[:answers]), Moments.of(f[answers:])))
            low, high = arms[0].interval(ALPHA)
            covered += low <= 3 <= high
            widths.append(arms[0].width)
            effect = prediction_powered_difference(*arms, ALPHA)
            apart += effect.low <= 0 <= effect.high
            taste = rng.normal(size=2000)
            y, f = 3 + taste + rng.normal(0, 0.5, 2000), 2.5 + 0.8 * taste + rng.normal(0, noise, 2000)
            chance = np.where(y > 3, 0.15, 0.07)
            found = weighted_prediction_powered(survey_sums(np.where(rng.random(2000) < chance, y, np.nan), f, chance))
            low, high = found.interval(ALPHA)
            weighted += low <= 3 <= high
            ratio.append(found.width)
        yield Row(name, "coverage of a mean answer", covered / worlds, 1 - ALPHA, worlds, "equal")
        yield Row(name, "coverage of two arms' difference", apart / worlds, 1 - ALPHA, worlds, "equal")
        yield Row(name, "coverage, unequal chances to answer", weighted / worlds, 1 - ALPHA, worlds, "at least")
        yield Row(name, "width / answers alone", float(np.mean(widths)), 0, worlds, "shown")
        yield Row(name, "width / answers alone, unequal chances", float(np.mean(ratio)), 0, worlds, "shown")


def rows(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Every row; the slow ones on fewer worlds."""
    bandits: tuple[Bandit, ...] = ("Thompson", "greedy")
    for bandit in bandits:
        yield from one_look(rng, worlds, np.array([0.3, 0.3]), bandit)
        yield from one_look(rng, worlds, np.array([0.3, 0.3, 0.3]), bandit)
        yield from one_look(rng, worlds, np.array([0.2, 0.3, 0.4]), bandit)
    for decay, rounds in ((0.5, 5000), (0.7, 1000)):
        for truth in ([0.3, 0.3, 0.3], [0.2, 0.3, 0.4]):
            yield from one_look(rng, worlds // 2, np.array(truth), "Thompson", None, decay, rounds)
    yield from policies(rng, worlds // 4)
    for bandit in bandits:
        yield from every_round(rng, worlds // 2, bandit)
        yield from floors(rng, worlds // 2, bandit)
        yield from live(rng, worlds, bandit)
    yield from surveys(rng, worlds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1000, help="simulated worlds per row of a single look")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start, broken = time.process_time(), 0
    print(HEAD)
    for row in rows(options.worlds, np.random.default_rng(options.seed)):
        broken += not row.holds
        print(row, flush=True)
    print(f"\n{broken} broken, {time.process_time() - start:.0f} CPU s")
    raise SystemExit(min(broken, 1))


if __name__ == "__main__":
    main()
