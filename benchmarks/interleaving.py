"""Interleaving against an A/B test on the same simulated traffic: users needed for 80% power, and time per slate.

    python benchmarks/interleaving.py               # some minutes
    python benchmarks/interleaving.py --users 2000  # a first look

This is a simulation. People differ in how much they click, how far they read and what they like. Two rankers order the
same items by what each person likes plus noise, and the second has less of it. A place is examined with a probability
that falls with it, and an examined item is clicked with the probability that the person likes it. The A/B test compares
clicks per slate, with users as the unit. ± is one standard error of a size.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.interleaving import METHODS
from recloop.stats import Moments, one_sample_size, sample_size

Array = NDArray[np.float64]
ITEMS, PLACES = 40, 10


@dataclass(frozen=True)
class World:
    """What moves the clicks.

    Attributes:
        noises: what either ranker gets wrong by itself, in the unit of the logit of liking.
        shared: what both get wrong alike.
        persons: how much people differ in how often they click at all (standard deviation of the logit).
        decay: how fast examination falls with the place, on average.
        visits: mean number of slates of a person, each of them at least one.
    """

    noises: tuple[float, float] = (1.0, 0.7)
    shared: float = 0.0
    persons: float = 0.8
    decay: float = 0.8
    visits: float = 3.0

    def person(self, rng: np.random.Generator) -> "Person":
        taste = rng.normal(0, 1, ITEMS)
        liked = 1 / (1 + np.exp(1.5 - taste - rng.normal(0, self.persons)))
        alike = taste + rng.normal(0, 1, ITEMS) * self.shared
        rankings = [np.argsort(-(alike + rng.normal(0, 1, ITEMS) * noise)).tolist() for noise in self.noises]
        examined = 1 / np.arange(1, PLACES + 1) ** max(0.1, rng.normal(self.decay, 0.2))
        return Person(liked, rankings, examined, int(1 + rng.poisson(self.visits - 1)))


@dataclass(frozen=True)
class Person:
    """What one likes (a probability per item), how both rankers order it, how far one reads, how often one comes."""

    liked: Array
    rankings: list[list[int]]
    examined: Array
    slates: int

    def clicks(self, items: list[int], rng: np.random.Generator) -> NDArray[np.bool_]:
        return rng.random(len(items)) < self.examined[: len(items)] * self.liked[items]

    def alone(self, ranker: int, rng: np.random.Generator) -> float:
        """Clicks in all slates where one ranker makes them."""
        items = self.rankings[ranker][:PLACES]
        return float(sum(self.clicks(items, rng).sum() for _ in range(self.slates)))

    def mixed(self, method: str, rng: np.random.Generator) -> float:
        """What the second ranker earns more than the first where both are interleaved."""
        total = 0.0
        for _ in range(self.slates):
            made = METHODS[method](self.rankings, PLACES, rng)
            score = made.score(self.clicks(list(made.items), rng).nonzero()[0].tolist())
            total += float(score[1] - score[0])
        return total


WORLDS = {
    "two unrelated rankers": World(),
    "a new version of a ranker": World(shared=0.8, noises=(0.5, 0.2)),
}


def split_size(people: list[Person], rng: np.random.Generator) -> tuple[int, float]:
    """Users of both arms that an A/B test on clicks per slate needs, and how sure that is."""
    slates = [float(one.slates) for one in people]
    clicks = [[one.alone(ranker, rng) for one in people] for ranker in (0, 1)]
    first, second = (Moments.of(arm, slates) for arm in clicks)
    gap, spread = second.ratio - first.ratio, second.unit_variance
    size = sample_size(first.unit_variance, gap, treatment_variance=spread)
    return size, sureness(Moments.of(np.subtract(*clicks), slates))


def sureness(change: Moments) -> float:
    """The relative standard error of a size: twice that of the change that it is computed from."""
    return 2 * (change.unit_variance / change.n) ** 0.5 / abs(change.ratio)


def mixed_moments(people: list[Person], method: str, rng: np.random.Generator) -> Moments:
    """What the second ranker earns more, and the slates, of each person."""
    return Moments.of([one.mixed(method, rng) for one in people], [float(one.slates) for one in people])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20_000, help="simulated users that the sizes are computed from")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"simulation: {options.users:,} users, {PLACES} places, {ITEMS} items; users needed for 80% power\n")
    for name, world in WORLDS.items():
        people = [world.person(rng) for _ in range(options.users)]
        split, sure = split_size(people, rng)
        print(f"{name}: an A/B test needs {split:,} ± {sure:.0%}")
        for method in METHODS:
            some = people[: options.users // 10] if method == "optimised" else people[: options.users // 2]
            start, slates = time.process_time(), sum(one.slates for one in some)
            moments = mixed_moments(some, method, rng)
            each = (time.process_time() - start) / slates * 1000
            mixed, sure = one_sample_size(moments.unit_variance, moments.ratio), sureness(moments)
            print(f"  {method:<15}{mixed:>9,} ± {sure:>4.0%}{split / mixed:>9.1f}x{each:>9.2f} ms a slate", flush=True)


if __name__ == "__main__":
    main()
