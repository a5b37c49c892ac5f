import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.budget import Budget, LateError
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, top_k
from recloop.strategies.base import Strategy

SPARE = 1000  # items beyond those wanted that a search may find, before scoring every item is the shorter way
UNLIMITED = Budget(None)

log = logging.getLogger("recloop.compose")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one source brought for each request.

    Attributes:
        rankings: (n, depth).
        stood_in: (n,) bool, the requests that the fallback answered.
        failure: why, "" where the source did its work.
    """

    rankings: Rankings
    stood_in: NDArray[np.bool_]
    failure: str = ""


def retrieve(
    strategy: Strategy,
    fallback: Strategy | None,
    histories: Histories,
    depth: int,
    rules: Rules,
    budget: Budget = UNLIMITED,
) -> Candidates:
    """The best ``depth`` items of a strategy that the rules allow; the fallback answers where the strategy fails.

    A strategy fails when it raises or is late (then for every request), or where a request's scores hold NaN or +inf. A
    request that the fallback cannot answer either gets no candidates. Never raises because of a strategy.
    """
    n = len(histories)
    try:
        given = budget.run(lambda: _searched(strategy, histories, depth, rules) or _scores(strategy, histories))
    except LateError as error:
        given = np.full((n, histories.n_items), np.nan, np.float32), str(error)
    if isinstance(given, Rankings):
        return Candidates(given, np.zeros(n, bool))
    scores, failure = given
    # The greatest score of a row is NaN or +inf exactly where the row holds one
    broken = ~(scores.max(axis=1, initial=-np.inf) < np.inf)
    if not broken.any():
        rules.apply(scores, histories)
        return Candidates(top_k(scores, depth), broken)
    failure = failure or "scores that are not numbers"
    # the type alone: a message may hold what a user sent; ``failure`` has it
    kind = failure.partition(":")[0]
    log.warning("strategy '%s' failed for %d of %d requests: %s", strategy.name, broken.sum(), n, kind)
    scores[broken] = -np.inf
    if fallback is not None and fallback is not strategy:
        rows = np.flatnonzero(broken)
        others, also = _scores(fallback, histories.take(rows))
        scores[rows] = np.where(np.isfinite(others), others, -np.inf)
        if also:
            failure = f"{failure}; the fallback '{fallback.name}' failed too: {also}"
    rules.apply(scores, histories)
    return Candidates(top_k(scores, depth), broken, failure)


def usable_scores(
    strategy: Strategy, histories: Histories, budget: Budget = UNLIMITED
) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
    """(n, n_items) a strategy's scores, (n,) the requests for which it failed (-inf throughout), and why."""
    try:
        scores, failure = budget.run(lambda: _scores(strategy, histories))
    except LateError as error:
        scores, failure = np.full((len(histories), histories.n_items), np.nan, np.float32), str(error)
    broken = ~(scores.max(axis=1, initial=-np.inf) < np.inf)
    scores[broken] = -np.inf
    if broken.any():
        failure = failure or "scores that are not numbers"
        log.warning("strategy '%s' failed for %d requests: %s", strategy.name, broken.sum(), failure.partition(":")[0])
    return scores, broken, failure


def _searched(strategy: Strategy, histories: Histories, depth: int, rules: Rules) -> Rankings | None:
    """What ``retrieve`` gives, without a score for every item; None where that is not to be had."""
    spare = rules.spare(histories)
    if spare is None or spare > SPARE:
        return None
    try:
        found = strategy.best(histories, depth + spare, allowed=rules.allowed)
    except Exception:  # noqa: BLE001  then scoring fails, too, and says why
        return None
    if found is None or np.isnan(found.scores).any():
        return None
    kept = rules.kept(found, histories, depth)
    # too few are left where a search passed allowed items by
    return None if depth + spare < histories.n_items and (kept.items < 0).any() else kept


def _scores(strategy: Strategy, histories: Histories) -> tuple[NDArray[np.float32], str]:
    """The strategy's scores, or NaN and the reason."""
    shape = (len(histories), histories.n_items)
    try:
        scores = strategy.score(histories)
    except Exception as error:  # noqa: BLE001  whatever a strategy raises, the request gets its slate
        return np.full(shape, np.nan, np.float32), f"{type(error).__name__}: {error}"
    if scores.shape != shape:
        return np.full(shape, np.nan, np.float32), f"scores of shape {scores.shape} instead of {shape}"
    # What a strategy keeps for itself must not be masked by our rules
    return (scores.copy() if not scores.flags.owndata or not scores.flags.writeable else scores), ""
