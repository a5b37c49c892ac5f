"""Do the intervals of interleaving keep their promise? Simulated users who prefer nothing, or something that is known.

    python benchmarks/validity_interleaving.py              # some minutes
    python benchmarks/validity_interleaving.py --worlds 200 # a first look

Two rankings that differ: the second has the first's best item at place four. Users come several times; a place is
examined with a probability that falls with it, and an examined item is clicked with that of its appeal times the user's
own rate. Each row holds an observed rate against the nominal one; "ok" where it lies within three Monte-Carlo standard
errors.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from validity import Row

from recloop.experiments.interleaving import METHODS
from recloop.experiments.interleaving.optimised import design
from recloop.experiments.interleaving.slate import ranks
from recloop.stats import Moments, always_valid_one_sample, one_sample, one_sample_size

Array = NDArray[np.float64]
ALPHA, LOOKS, PLACES, USERS = 0.05, 100, 4, 600
FIRST, SECOND = list(range(6)), [1, 2, 3, 0, 4, 5]
EXAMINED = 1 / np.arange(1, PLACES + 1) ** 0.8
EQUAL = np.full(6, 0.3)  # every item is as good as the other, so neither ranking is better
SPLIT = np.array([0.2, 0.35, 0.3, 0.3, 0.25, 0.2])  # the second ranking is better
DRAWS = 6000  # to meet every slate of a method; each then has its exact probability
UNCORRECTED = "balanced, as first published"  # credit for the ranking that has the item higher


@dataclass(frozen=True)
class Slates:
    """Slates of a method with their probabilities: items (s, k), credits (s, k, 2) or (s, k, k, 2)."""

    items: NDArray[np.int64]
    worth: Array
    shares: Array

    def preference(self, appeal: Array, *, own: float = 1.0) -> float:
        """The true credits per slate that the second earns more, where credits add up over clicks."""
        clicks = own * EXAMINED * appeal[self.items]
        return float(self.shares @ (clicks * (self.worth[..., 1] - self.worth[..., 0])).sum(axis=1))


class Falls:
    """A generator whose coins fall as they are told to."""

    def __init__(self, orders: tuple[tuple[int, ...], ...]) -> None:
        self.orders = iter(orders)

    def permutation(self, _n: int) -> NDArray[np.int64]:
        return np.array(next(self.orders))


@cache
def slates(method: str) -> Slates:
    both = [FIRST, SECOND]
    if method == "optimised":
        found, worth, shares = design(both, PLACES)
        return Slates(np.array(found), worth, shares)
    if method == "team-draft":  # two rounds, and four ways in which their coins can fall
        rounds = list(product([(0, 1), (1, 0)], repeat=PLACES // 2))
        made = [METHODS[method](both, PLACES, Falls(orders)) for orders in rounds]
        return Slates(np.array([one.items for one in made]), np.stack([one.credits for one in made]), np.full(4, 0.25))
    rng = np.random.default_rng(0)
    draw = METHODS["balanced" if method == UNCORRECTED else method]
    kinds = {one.items: one for one in (draw(both, PLACES, rng) for _ in range(DRAWS))}
    items = np.array(list(kinds))
    worth, shares = (np.stack([getattr(one, of) for one in kinds.values()]) for of in ("credits", "propensity"))
    if method == UNCORRECTED:
        speaks = np.stack([np.sign(np.diff(ranks(row, both), axis=1)).ravel() for row in items.tolist()])
        worth = np.stack([speaks, -speaks], axis=-1) / 2
    return Slates(items, worth, shares / shares.sum())


@dataclass(frozen=True)
class Seen:
    """What users earned for the second ranking, and how often they came; and each slate by itself."""

    earned: Array
    visits: Array
    each: Array


def users(method: str, appeals: Array, rng: np.random.Generator, n: int = USERS) -> Seen:
    """n users; ``appeals`` (n, 6) or (6,) is what each likes."""
    bank = slates(method)
    visits = 1 + rng.poisson(rng.gamma(1.0, 1.5, n))
    who = np.repeat(np.arange(n), visits)
    own = rng.beta(4, 4, n)[who] * 2
    drawn = rng.choice(len(bank.shares), who.size, p=bank.shares)
    items = bank.items[drawn]
    liked = np.broadcast_to(appeals, (n, appeals.shape[-1]))[who[:, None], items]
    clicks = rng.random(items.shape) < EXAMINED * np.minimum(liked * own[:, None], 1.0)
    worth = bank.worth[..., 1] - bank.worth[..., 0]
    if worth.ndim == 2:
        each = (clicks * worth[drawn]).sum(axis=1)
    else:
        last = np.where(clicks.any(axis=1), PLACES - 1 - np.argmax(clicks[:, ::-1], axis=1), -2)
        passed = ~clicks & (np.arange(PLACES) <= last[:, None] + 1)
        each = (clicks[:, :, None] * passed[:, None, :] * worth[drawn]).sum(axis=(1, 2))
    return Seen(np.bincount(who, each, n), visits.astype(float), each)


def one_look(method: str, worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """False alarms where nobody prefers anything; coverage of what is preferred where it is known."""
    name = f"interleaving, {method}"
    nulls = [users(method, EQUAL, rng) for _ in range(worlds)]
    alarms = [one_sample(Moments.of(seen.earned, seen.visits)).p_value < ALPHA for seen in nulls]
    yield Row(name, "false alarms, one look", float(np.mean(alarms)), ALPHA, worlds, "equal")
    if method == "pairwise":
        return  # preferences between places do not add up over clicks, and so have no simple truth
    truth, covered = slates(method).preference(SPLIT), 0
    for _ in range(worlds):
        seen = users(method, SPLIT, rng)
        told = one_sample(Moments.of(seen.earned, seen.visits))
        covered += told.low <= truth <= told.high
    yield Row(name, "coverage of a true preference, one look", covered / worlds, 1 - ALPHA, worlds, "equal")


def peeking(method: str, worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """A look after every percent of the users, from 50 users on."""
    name, ends = f"interleaving, {method}", np.arange(1, LOOKS + 1) * USERS // LOOKS
    ends = ends[ends >= 50]
    fixed = ever = lost = 0
    width = []
    truth = None if method == "pairwise" else slates(method).preference(SPLIT)
    for _ in range(worlds):
        seen = users(method, EQUAL, rng)
        parts = Moments.running(seen.earned, seen.visits, ends)
        once = [one_sample(part) for part in parts]
        looks = [always_valid_one_sample(part, planned=USERS) for part in parts]
        fixed += any(one.p_value < ALPHA for one in once)
        ever += any(one.p_value < ALPHA for one in looks)
        width.append((looks[-1].high - looks[-1].low) / (once[-1].high - once[-1].low))
        if truth is not None:
            seen = users(method, SPLIT, rng)
            parts = Moments.running(seen.earned, seen.visits, ends)
            looks = [always_valid_one_sample(part, planned=USERS) for part in parts]
            lost += any(not one.low <= truth <= one.high for one in looks)
    many = f"{len(ends)} looks"
    yield Row(name, f"false alarms, {many}, fixed interval", fixed / worlds, ALPHA, worlds, "shown")
    yield Row(name, f"false alarms, {many}, always valid", ever / worlds, ALPHA, worlds, "at most")
    if truth is not None:
        yield Row(name, f"coverage at every one of {many}", 1 - lost / worlds, 1 - ALPHA, worlds, "at least")
    if method == "team-draft":  # the same for all
        yield Row(name, "width at the end, always valid / fixed", float(np.mean(width)), 0, worlds, "shown")


def divided(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Half of the users like one ranking and half the other: nothing is preferred, and slates of one user are alike."""
    name, bank = "interleaving, users divided", slates("team-draft")
    lean = np.array([0.25, -0.1, -0.1, -0.05, 0.0, 0.0])
    assert abs(bank.preference(EQUAL + lean) + bank.preference(EQUAL - lean)) < 1e-3
    alarms = [0, 0]
    for _ in range(worlds):
        side = rng.choice([-1.0, 1.0], USERS)
        seen = users("team-draft", EQUAL + side[:, None] * lean, rng)
        alarms[0] += one_sample(Moments.of(seen.earned, seen.visits)).p_value < ALPHA
        alarms[1] += one_sample(Moments.of(seen.each)).p_value < ALPHA
    yield Row(name, "false alarms, users as units", alarms[0] / worlds, ALPHA, worlds, "equal")
    yield Row(name, "false alarms, slates taken as units", alarms[1] / worlds, ALPHA, worlds, "shown")


def power(method: str, worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Tests of the size that the formula asks for 80% power."""
    pilot = users(method, SPLIT, rng, 100_000)
    size = one_sample_size(Moments.of(pilot.earned, pilot.visits).unit_variance, slates(method).preference(SPLIT))
    found = 0
    for _ in range(worlds):
        seen = users(method, SPLIT, rng, size)
        found += one_sample(Moments.of(seen.earned, seen.visits)).p_value < ALPHA
    yield Row(f"interleaving, {method}", f"power at {size:,} users", found / worlds, 0.8, worlds, "equal")


def uncorrected(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Balanced interleaving with the credits as they were published first: clicks that do not look favour one."""
    alarms = 0
    for _ in range(worlds):
        seen = users(UNCORRECTED, EQUAL, rng)
        alarms += one_sample(Moments.of(seen.earned, seen.visits)).p_value < ALPHA
    yield Row("interleaving, balanced", "false alarms, credit not corrected", alarms / worlds, ALPHA, worlds, "shown")


def rows(worlds: int, rng: np.random.Generator) -> Iterator[Row]:
    """Every row; those with many looks on fewer worlds."""
    for method in METHODS:
        yield from one_look(method, worlds, rng)
        yield from peeking(method, max(worlds // 8, 25), rng)
    for method in ("team-draft", "optimised"):
        yield from power(method, worlds, rng)
    yield from divided(worlds, rng)
    yield from uncorrected(max(worlds // 8, 25), rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000, help="simulated worlds per row of a single look")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start, broken = time.process_time(), 0
    for row in rows(options.worlds, np.random.default_rng(options.seed)):
        broken += not row.holds
        print(row, flush=True)
    print(f"\n{broken} broken, {time.process_time() - start:.0f} CPU s")
    raise SystemExit(min(broken, 1))


if __name__ == "__main__":
    main()
