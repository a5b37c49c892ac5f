"""Whether the reasons given for items are true, short and steady: checked on a sample of requests by leaving out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.causes import Cause, Judge, causes, left_out
from recloop.compose.policy import Choices, Policy
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.errors import DataError
from recloop.experiments.json_values import to_json
from recloop.progress import SILENT, Progress
from recloop.stats import Moments, OneSample, one_sample


@dataclass(frozen=True, slots=True)
class Trust:
    """What was found, each with its interval over users.

    Attributes:
        requests: histories that were tried.
        coverage: share of items for which a cause in the history was found.
        fidelity: of these, the share that falls on the slate, or off it, or loses at least half of its lead over what
            is not on the slate, when the cited events are left out and the policy chooses again.
        chance: the same when as many uncited events are left out: what fidelity is to be held against.
        minimality: events cited per reason; 1 is the shortest.
        stability: likeness (Jaccard) of the cited events after one uncited event was left out; 1 is the same.
        sentence: in words.
    """

    requests: int
    coverage: OneSample
    fidelity: OneSample | None
    chance: OneSample | None
    minimality: OneSample | None
    stability: OneSample | None
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = to_json(self)
        return found


def trust(
    policy: Policy,
    histories: Histories,
    rng: np.random.Generator,
    *,
    k: int = 10,
    alpha: float = 0.05,
    progress: Progress = SILENT,
) -> Trust:
    """Check the reasons that a policy's slates would be given.

    Args:
        policy: without arms, or one arm.
        histories: one row per user; those without events are left out.
        rng: picks the uncited events.
        k: places of a slate.
        alpha: one minus the coverage of the intervals.
        progress: shows how far it is.

    Source: fidelity by erasure, J. Li, W. Monroe, D. Jurafsky, "Understanding neural networks through representation
    erasure" (2016); comprehensiveness against chance, J. DeYoung and others, "ERASER" (ACL 2020).

    Raises:
        DataError: fewer than two users have a history.

    >>> import polars as pl
    >>> from recloop.compose import build, policy_config
    >>> from recloop.data.dataset import Dataset
    >>> from recloop.strategies import make
    >>> data = Dataset.of(pl.DataFrame({"user": list("aabbcc"), "item": ["tea", "pot", "tea", "pot", "nut", "bolt"]}))
    >>> strategies = {"item-knn": make("item-knn").fit(data)}
    >>> policy = build(policy_config({"sources": ["item-knn"], "fallback": ""}), strategies)
    >>> pairs = [[data.item_ids.index(one) for one in row] for row in (["nut", "tea"], ["pot", "bolt"])]
    >>> found = trust(policy, Histories.of(pairs, n_items=4), np.random.default_rng(0), k=2)
    >>> found.coverage.estimate, found.fidelity.estimate, found.chance.estimate, found.minimality.estimate
    (1.0, 1.0, 0.0, 1.0)
    """
    rows = np.flatnonzero(np.diff(histories.indptr) > 0)
    if rows.size < 2:
        raise DataError(f"{rows.size} users have a history", allowed="at least 2, whose reasons can be checked")
    sums = []
    with progress.task("Check reasons", total=rows.size) as advance:
        for row in rows.tolist():  # each request is two batches of its own, see ``causes``
            sums.append(_one(policy, histories.take(np.array([row])), k, rng))
            advance(1)
    table = np.array(sums)
    items, cited, fell, fell_by_chance, tried, events, alike, compared = table.T
    coverage = one_sample(Moments.of(cited, items), alpha)
    fidelity, chance, minimality, stability = (
        one_sample(Moments.of(y, x), alpha) if x.sum() else None
        for y, x in ((fell, cited), (fell_by_chance, tried), (events, cited), (alike, compared))
    )
    return Trust(
        int(rows.size),
        coverage,
        fidelity,
        chance,
        minimality,
        stability,
        _sentence(coverage, fidelity, chance, minimality, stability),
    )


def _one(policy: Policy, history: Histories, k: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Sums of one request: items, cited, fell, fell by chance, tried by chance, events cited, likeness, compared."""
    slate, found = _causes(policy, history, k)
    named = [one for one in found if one.events]
    if not named:
        return len(found), 0, 0, 0, 0, 0, 0, 0
    own = np.unique(history.items).astype(np.int64)
    free = [np.setdiff1d(own, one.events) for one in named]
    tried = [at for at, others in enumerate(free) if others.size >= len(named[at].events)]
    sets = [np.array(one.events) for one in named]
    sets += [rng.choice(free[at], len(named[at].events), replace=False) for at in tried]
    moved = _moved(policy, history, slate, sets, [*named, *(named[at] for at in tried)])
    spare = np.setdiff1d(own, np.concatenate([one.events for one in named]))
    alike = list(_alike(policy, history, named, int(rng.choice(spare)), k)) if spare.size else []
    events = sum(len(one.events) for one in named)
    fell, chance = moved[: len(named)].sum(), moved[len(named) :].sum()
    return len(found), len(named), float(fell), float(chance), len(tried), events, sum(alike), len(alike)


def _causes(
    policy: Policy, history: Histories, k: int, exclude: NDArray[np.int64] | None = None
) -> tuple[Choices, list[Cause]]:
    hidden = None if exclude is None else [exclude]
    slate = policy.choose(policy.initial_state(), history, k, np.random.default_rng(0), exclude=hidden)
    return slate, causes(policy, history, slate, rules=Rules(exclude=hidden))


def _moved(
    policy: Policy, history: Histories, slate: Choices, sets: list[NDArray[np.int64]], of: list[Cause]
) -> NDArray[np.bool_]:
    """Whether each item falls, or loses half of its lead, without its set of events."""
    most = max(len(one) for one in sets)
    padded = np.array([np.pad(one, (0, most - len(one)), constant_values=-1) for one in sets])
    less = left_out(history, padded)
    k = slate.rankings.items.shape[1]
    # what is left out was seen all the same
    hidden = [history.items.astype(np.int64)] * len(sets)
    again = policy.choose(policy.initial_state(), less, k, np.random.default_rng(0), exclude=hidden).rankings.items
    items = np.array([one.item for one in of])
    ranks = np.array([one.rank for one in of])
    same = again == items[:, None]
    places = np.where(same.any(axis=1), same.argmax(axis=1) + 1, k + 1)
    there = slate.rankings.items[0][slate.rankings.items[0] >= 0]
    judge = Judge(policy, history, there, slate.sources[0].tolist(), Rules())
    leads = judge.leads(np.concatenate([np.full((1, most), -1), padded]))
    before, after = leads[0, ranks - 1], leads[1:][np.arange(len(of)), ranks - 1]
    return np.asarray((places > ranks) | ((before > 0) & (after <= before / 2)))


def _alike(policy: Policy, history: Histories, named: list[Cause], spare: int, k: int) -> Iterator[float]:
    """Likeness of what is cited for each item that is still on the slate without one uncited event."""
    less = left_out(history, np.array([[spare]]))
    again = {one.item: set(one.events) for one in _causes(policy, less, k, history.items.astype(np.int64))[1]}
    for one in named:
        if one.item in again:
            both = again[one.item] | set(one.events)
            yield len(again[one.item] & set(one.events)) / len(both)


def _sentence(coverage: OneSample, *found: OneSample | None) -> str:
    fidelity, chance, minimality, stability = found
    said = f"{coverage.estimate:.0%} of items have a cause in the history"
    if fidelity and minimality:
        said += f", {minimality.estimate:.1f} events each; without these {fidelity.estimate:.0%} of the items fall"
        said += f" (without as many others {chance.estimate:.0%})" if chance else ""
    if stability:
        said += f"; {stability.estimate:.0%} of what is cited stays when another event goes"
    return f"{said}."
