"""Diversity and fusion of one slate beside a bare NumPy loop over its places, and per request in batches.

    python benchmarks/slates.py            # 200 candidates of 64 dimensions, slates of 20
    python benchmarks/slates.py --repeat 20

The bare loops are written for one request and nothing else: no checks, no padding, no batch. Both get candidates that
are sorted already, and both include the kernel or the gathering of vectors. CPU time, the median of interleaved rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from recloop.compose.diversity import (
    calibrated,
    determinantal,
    explicit_aspects,
    maximal_marginal_relevance,
    proportional,
    unit,
)
from recloop.compose.fusion import comb_mnz, reciprocal_rank, weighted_score
from recloop.compose.fusion.learned import LearnedFusion, learn_fusion
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, top_k

CATALOGUE, CANDIDATES, DIMENSIONS, CATEGORIES, K = 10_000, 200, 64, 18, 20
STRENGTH = 0.5


def in_range(scores: np.ndarray) -> np.ndarray:
    low = scores.min()
    return (scores - low) / (scores.max() - low)


def bare_mmr(items: np.ndarray, scores: np.ndarray, vectors: np.ndarray) -> list[int]:
    relevant, mine = (1 - STRENGTH) * in_range(scores), vectors[items]
    gain, closest, taken = relevant.copy(), np.full(len(items), -2.0, np.float32), []
    for _ in range(K):
        best = int(gain.argmax())
        taken.append(best)
        relevant[best] = -np.inf
        closest = np.maximum(closest, mine @ mine[best])
        gain = relevant - STRENGTH * closest
    return taken


def bare_dpp(items: np.ndarray, scores: np.ndarray, vectors: np.ndarray) -> list[int]:
    mine, quality = vectors[items], np.exp(0.5 * in_range(scores) * (1 - STRENGTH) / STRENGTH)
    kernel = quality[:, None] * (mine @ mine.T) * quality[None, :]
    own, factor, taken = np.diag(kernel).copy(), np.zeros((K, len(items))), []
    for place in range(K):
        best = int(own.argmax())
        taken.append(best)
        row = (kernel[best] - factor[:place, best] @ factor[:place]) / np.sqrt(own[best])
        factor[place] = row
        own -= row**2
        own[best] = -np.inf
    return taken


def bare_xquad(items: np.ndarray, scores: np.ndarray, shares: np.ndarray, wanted: np.ndarray) -> list[int]:
    relevant, covers = (1 - STRENGTH) * in_range(scores), shares[items]
    left, taken = wanted * STRENGTH, []
    for _ in range(K):
        best = int((relevant + covers @ left).argmax())
        taken.append(best)
        relevant[best] = -np.inf
        left = left * (1 - covers[best])
    return taken


def bare_pm2(items: np.ndarray, scores: np.ndarray, shares: np.ndarray, wanted: np.ndarray) -> list[int]:
    relevant, covers = in_range(scores), shares[items]
    seats, taken, hidden = np.zeros_like(wanted), [], np.zeros(len(items))
    for _ in range(K):
        quotient = wanted / (2 * seats + 1)
        turn = int(quotient.argmax())
        weights = (1 - STRENGTH) * quotient
        weights[turn] = STRENGTH * quotient[turn]
        best = int((relevant * (covers @ weights) + hidden).argmax())
        taken.append(best)
        hidden[best] = -np.inf
        seats = seats + covers[best] / covers[best].sum()
    return taken


def bare_calibrated(items: np.ndarray, scores: np.ndarray, shares: np.ndarray, wanted: np.ndarray) -> list[int]:
    relevant, covers = (1 - STRENGTH) * in_range(scores), shares[items]
    shown, taken = np.zeros_like(wanted), []
    for place in range(K):
        mixed = 0.99 * (shown + covers) / (place + 1) + 0.01 * wanted
        best = int((relevant + STRENGTH * (np.log(mixed) @ wanted)).argmax())
        taken.append(best)
        relevant[best] = -np.inf
        shown = shown + covers[best]
    return taken


def cpu(work: Callable[[], Any], loops: int) -> float:
    """CPU milliseconds of one call."""
    start = time.process_time()
    for _ in range(loops):
        work()
    return (time.process_time() - start) / loops * 1e3


def measured(bare, ours, one, many, wanted, loops) -> tuple[float, float, float]:
    """CPU milliseconds of one request: by the bare loop, alone, and in a batch."""
    alone = cpu(bare, loops), cpu(lambda: ours(one, wanted[:1]), loops)
    return *alone, cpu(lambda: ours(many, wanted), 1) / len(many)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=15, help="rounds")
    parser.add_argument("--loops", type=int, default=50, help="single requests in a round")
    parser.add_argument("--batch", type=int, default=1000, help="requests in a batch")
    options = parser.parse_args()

    rng = np.random.default_rng(7)
    vectors = unit(rng.normal(size=(CATALOGUE, DIMENSIONS)).astype(np.float32))
    shares = (rng.random((CATALOGUE, CATEGORIES)) < 0.12).astype(np.float32)
    shares[np.arange(CATALOGUE), rng.integers(0, CATEGORIES, CATALOGUE)] = 1
    shares /= shares.sum(axis=1, keepdims=True)
    n = options.batch
    items = np.stack([rng.permutation(CATALOGUE)[:CANDIDATES] for _ in range(n)]).astype(np.int32)
    scores = -np.sort(-rng.gamma(2.0, size=(n, CANDIDATES)), axis=1).astype(np.float32)
    wanted = rng.dirichlet(np.full(CATEGORIES, 0.5), n).astype(np.float32)
    one, many = Rankings(items[:1], scores[:1]), Rankings(items, scores)

    def single(name: str) -> tuple[Callable[[], list[int]], Callable[[Rankings, np.ndarray], np.ndarray]]:
        strength = {"diversity": STRENGTH}
        return {
            "mmr": (
                lambda: bare_mmr(items[0], scores[0], vectors),
                lambda r, _w: maximal_marginal_relevance(r, vectors, K, **strength),
            ),
            "dpp": (
                lambda: bare_dpp(items[0], scores[0], vectors),
                lambda r, _w: determinantal(r, vectors, K, **strength),
            ),
            "xquad": (
                lambda: bare_xquad(items[0], scores[0], shares, wanted[0]),
                lambda r, w: explicit_aspects(r, shares, w, K, **strength),
            ),
            "pm2": (
                lambda: bare_pm2(items[0], scores[0], shares, wanted[0]),
                lambda r, w: proportional(r, shares, w, K, **strength),
            ),
            "calibrated": (
                lambda: bare_calibrated(items[0], scores[0], shares, wanted[0]),
                lambda r, w: calibrated(r, shares, w, K, **strength),
            ),
        }[name]

    print(f"{'':<12}{'bare ms':>9}{'one ms':>9}{'ratio':>7}{'of ' + format(n, ',') + ' ms':>13}{'ratio':>7}")
    for name in ("mmr", "dpp", "xquad", "pm2", "calibrated"):
        bare, ours = single(name)
        assert ours(one, wanted[:1])[0].tolist() == bare(), f"{name}: the bare loop chooses otherwise"
        rounds = [measured(bare, ours, one, many, wanted, options.loops) for _ in range(options.repeat)]
        floor, alone, together = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name:<12}{floor:>9.3f}{alone:>9.3f}{alone / floor:>7.2f}{together:>13.3f}{together / floor:>7.2f}")

    three = [Rankings(rng.permuted(items, axis=1), scores) for _ in range(3)]
    first = [Rankings(r.items[:1], r.scores[:1]) for r in three]
    print(f"\n{'three of 200':<14}{'one ms':>9}{'of ' + format(n, ',') + ' ms':>13}")
    for fuse in (reciprocal_rank, weighted_score, comb_mnz):
        alone = statistics.median(cpu(partial(fuse, first, CANDIDATES), options.loops) for _ in range(options.repeat))
        together = statistics.median(cpu(partial(fuse, three, CANDIDATES), 1) / n for _ in range(5))
        print(f"{fuse.__name__:<16}{alone:>7.3f}{together:>13.3f}")
    if find_spec("lightgbm"):
        learned()
    else:
        print("\nlearned fusion is not measured: the extra 'blend' is not installed")


def known_world(n: int, n_items: int, seed: int) -> tuple[list[Rankings], Histories, np.ndarray]:
    """Three sources of a synthetic world: one knows users with long histories, one those with short, one is noise."""
    rng = np.random.default_rng(seed)
    utility, long = rng.normal(size=(n, n_items)), rng.random(n) < 0.5
    noise = np.where(long, 0.4, 3.0)[:, None], np.where(long, 3.0, 0.4)[:, None], np.full((n, 1), 6.0)
    sources = [top_k((utility + rng.normal(size=utility.shape) * s).astype(np.float32), 100) for s in noise]
    histories = Histories.of([[0] * (30 if old else 2) for old in long], n_items=n_items)
    return sources, histories, utility >= np.sort(utility, axis=1)[:, -10:-9]


def learned() -> None:
    """NDCG@10 of each fusion in the synthetic world, on requests that were not learned from."""
    sources, histories, relevant = known_world(2000, 200, 1)
    fused = reciprocal_rank(sources, 200)
    taken = np.take_along_axis(relevant, np.maximum(fused.rankings.items, 0), axis=1)
    start = time.process_time()
    text = learn_fusion(sources, histories, taken & (fused.rankings.items >= 0), fused=fused)
    trained = time.process_time() - start
    sources, histories, relevant = known_world(2000, 200, 2)
    worth = 1 / np.log2(np.arange(10) + 2)
    ways = {
        "reciprocal-rank": lambda: reciprocal_rank(sources, 200),
        "weighted-score": lambda: weighted_score(sources, 200),
        "weighted-score, z": lambda: weighted_score(sources, 200, scale="z-score"),
        "comb-mnz": lambda: comb_mnz(sources, 200),
        "learned": lambda: LearnedFusion(text, 3).fuse(sources, 200, histories),
    }
    print(f"\nfusion in a synthetic world (a simulation), NDCG@10; trained in {trained:.1f} CPU s")
    for name, fuse in ways.items():
        items = fuse().rankings.items[:, :10]
        hits = np.take_along_axis(relevant, np.maximum(items, 0), axis=1) & (items >= 0)
        print(f"{name:<20}{(hits @ worth / worth.sum()).mean():.3f}")


if __name__ == "__main__":
    main()
