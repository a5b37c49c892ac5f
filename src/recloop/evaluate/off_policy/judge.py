"""Policies judged by one log: estimates, intervals, what they are worth, and what may be concluded."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from recloop.errors import DataError, SettingError
from recloop.evaluate.off_policy.calibration import Calibration, propensity_calibration
from recloop.evaluate.off_policy.choice import error_bounds
from recloop.evaluate.off_policy.confidence import anytime
from recloop.evaluate.off_policy.estimators import BIASED, Knowledge, check_estimator, estimates
from recloop.evaluate.off_policy.gate import Gate, Objection, expected_rewards, missing_support, objections
from recloop.evaluate.off_policy.judgement import Estimated, Judged, Judgement
from recloop.evaluate.off_policy.logged import Logged, Target
from recloop.evaluate.off_policy.reward_model import cross_fitted
from recloop.evaluate.off_policy.score_interval import score_interval, weights_to_come
from recloop.evaluate.off_policy.terms import Interval, Terms, count_users
from recloop.evaluate.off_policy.weights import WeightDiagnostics, diagnose, importance_weights
from recloop.progress import SILENT, Progress
from recloop.stats.effect import check_alpha
from recloop.stats.multiplicity import holm


def judge_policies(
    log: Logged,
    targets: Sequence[Target],
    *,
    rng: np.random.Generator,
    estimator: str = "sndr",
    item_vectors: NDArray[np.floating] | None = None,
    alpha: float = 0.05,
    gate: Gate | None = None,
    source: str = "",
    progress: Progress = SILENT,
) -> Judgement:
    """Judge policies by what a log holds, and say of which nothing can be concluded.

    Args:
        log: what was done.
        targets: the policies.
        rng: draws folds of the reward model, and the bootstrap.
        estimator: a name of ``TITLES``; ``auto`` takes the one with the smallest bound of its mean squared error
            (``error_bounds``). Where it cannot be had for a policy, ``snips`` is taken.
        item_vectors: (A, d) of the actions: a language model's, for ``mips`` and the reward model.
        alpha: error rate of every interval.
        gate: from where on an estimate may be read as a conclusion; ``Gate()`` where None.
        source: where the log came from, for the page.
        progress: told of each policy.

    Raises:
        SettingError: there is no policy, two have one name, or there is no such estimator.
        DataError: fewer than two users, or chances that are none.

    >>> rng = np.random.default_rng(1)
    >>> done = rng.integers(0, 2, 4000)
    >>> names = np.array(["a", "b"])[done]
    >>> log = Logged.of(names, (rng.random(4000) < 0.1 + 0.2 * done) * 1.0, np.full(4000, 0.5))
    >>> found = judge_policies(log, [Target.of("b", log, [0.1, 0.9]), Target.of("a", log, [0.9, 0.1])], rng=rng)
    >>> [(one.policy, round(one.value, 2), one.concludes) for one in found.policies]
    [('b', 0.28, True), ('a', 0.12, True)]
    """
    check_alpha(alpha)
    check_estimator(estimator)
    if not targets or len({target.name for target in targets}) < len(targets):
        raise SettingError(f"there are {len(targets)} policies", allowed="one or more, each with a name of its own")
    users = count_users(log.users, log.n)
    if users < 2:
        raise DataError(f"the log has {users} user", allowed="an interval needs two", advice="wait for data")
    calibration = propensity_calibration(log.actions, log.propensities, len(log.names), log.behaviour)
    model = None
    if any(target.distribution is not None for target in targets):
        model = cross_fitted(
            log.actions, log.rewards, len(log.names), rng, features=_features(log), item_vectors=item_vectors,
            users=log.users,
        )  # fmt: skip
    knowledge, found, chosen = Knowledge(model, item_vectors), [], {}
    with progress.task("Judge policies by the log", total=len(targets)) as advance:
        for target in targets:
            judged, terms = _judge(log, target, knowledge, calibration, estimator, alpha, gate or Gate(), rng)
            found.append(judged)
            if terms is not None:
                chosen[target.name] = terms
            advance(1)
    mean = Terms.of(log.rewards)
    low, high, _ = mean.interval(alpha, log.users)
    return Judgement(
        policies=_ranked(found, chosen, log),
        rounds=log.n,
        users=users,
        logged=(mean.value, low, high),
        rewarded=int(np.count_nonzero(log.rewards)),
        calibration=calibration,
        alpha=alpha,
        source=source,
    )


def _judge(
    log: Logged, target: Target, knowledge: Knowledge, calibration: Calibration, estimator: str, alpha: float,
    gate: Gate, rng: np.random.Generator,
) -> tuple[Judged, Terms | None]:  # fmt: skip
    weights = importance_weights(target.chances, log.propensities)
    diagnostics = diagnose(weights, log.users)
    if not weights.any():
        against = objections(log, target, weights, diagnostics, calibration, gate)
        return _silent(target, diagnostics, missing_support(log, target), against), None
    made = estimates(log, target, knowledge)
    name = estimator if estimator in made else "snips"
    if estimator == "auto":
        bounds = error_bounds(list(made.values()), made["dr" if "dr" in made else "ips"], log.users)
        name = list(made)[bounds.index(min(bounds))]
    terms, factor = made[name], weights_to_come(log, target, weights, knowledge.model)
    low, high, method = interval_of(terms, name, log, factor, alpha)
    ends = terms.bootstrap(rng, alpha, log.users)
    lift = terms.minus(Terms.of(log.rewards))
    lift_low, lift_high, p_value = _lift(lift, terms.value, log, factor if name not in BIASED else 1.0, alpha)
    judged = Judged(
        policy=target.name,
        estimator=name,
        value=terms.value,
        low=low,
        high=high,
        method=method,
        bootstrap=(ends.low, ends.high),
        anytime=_anytime(weights, log, target, alpha),
        lift=(lift.value, lift_low, lift_high),
        p_value=p_value,
        p_best=math.nan,
        weights=diagnostics,
        rewards=expected_rewards(weights, log.rewards, factor),
        missing=missing_support(log, target),
        all=tuple(
            Estimated(key, one.value, *own[:2], one.error(log.users), key in BIASED)
            for key, one in made.items()
            for own in (interval_of(one, key, log, factor, alpha),)
        ),
        objections=objections(
            log, target, weights, diagnostics, calibration, gate, name if name in BIASED else "", factor
        ),
    )
    return judged, terms


def interval_of(terms: Terms, name: str, log: Logged, factor: float, alpha: float = 0.05) -> Interval:
    """The interval of an estimate: by score where rewards cannot be negative and weights are not tuned, else by t.

    Args:
        terms: the estimate.
        name: of its estimator.
        log: its rounds.
        factor: from ``weights_to_come``.
        alpha: error rate.
    """
    if name in BIASED or log.rewards.min() < 0 or terms.value <= 0:
        return terms.interval(alpha, log.users)
    error = terms.error(log.users) * math.sqrt(factor)
    return score_interval(terms.value, error, count_users(log.users, log.n), alpha)


def _lift(lift: Terms, value: float, log: Logged, factor: float, alpha: float) -> tuple[float, float, float]:
    """Both ends of what a policy adds to the logged mean, and the p-value of its being nothing, by the same test."""
    mean, groups = log.value, count_users(log.users, log.n)
    if log.rewards.min() < 0 or value <= 0 or mean <= 0:
        low, high, _ = lift.interval(alpha, log.users)
        return low, high, _p_value(lift, log)
    error = lift.error(log.users) * math.sqrt(factor)
    low, high, _ = score_interval(value, error, groups, alpha)
    if error == 0:
        return low - mean, high - mean, float(lift.value == 0)
    return low - mean, high - mean, 2 * float(stdtr(groups - 1, -abs(lift.value) / error / math.sqrt(mean / value)))


def _silent(target: Target, diagnostics: WeightDiagnostics, missing: float, against: tuple[Objection, ...]) -> Judged:
    """Of a policy that never does what was logged: no number at all."""
    nothing = math.nan
    return Judged(
        policy=target.name,
        estimator="snips",
        value=nothing,
        low=nothing,
        high=nothing,
        method="",
        bootstrap=(nothing, nothing),
        anytime=None,
        lift=(nothing, nothing, nothing),
        p_value=nothing,
        p_best=nothing,
        weights=diagnostics,
        rewards=0.0,
        missing=missing,
        all=(),
        objections=against,
    )


def _ranked(found: list[Judged], chosen: dict[str, Terms], log: Logged) -> tuple[Judged, ...]:
    order = sorted(found, key=lambda one: (not one.concludes, -np.nan_to_num(one.value, nan=-np.inf)))
    rest = [one for one in order[1:] if one.concludes] if order[0].concludes else []
    p = np.zeros(0)
    if rest:
        leader = chosen[order[0].policy]
        p = holm([_p_value(leader.minus(chosen[one.policy]), log) for one in rest])
    apart = dict(zip([one.policy for one in rest], p.tolist(), strict=True))
    return tuple(replace(one, p_best=apart.get(one.policy, math.nan)) for one in order)


def _p_value(terms: Terms, log: Logged) -> float:
    error, groups = terms.error(log.users), count_users(log.users, log.n)
    if error == 0:
        return float(terms.value == 0)
    return 2 * float(stdtr(groups - 1, -abs(terms.value) / error))


def _anytime(weights: NDArray[np.float64], log: Logged, target: Target, alpha: float) -> tuple[float, float] | None:
    if log.users is not None and count_users(log.users, log.n) < log.n:
        return None
    if log.rewards.min() < 0 or log.rewards.max() > 1:
        return None
    largest = None
    if log.behaviour is not None and target.distribution is not None:
        reached = log.behaviour > 0
        largest = float((target.distribution[reached] / log.behaviour[reached]).max())
    band = anytime(weights, log.rewards, alpha, largest=largest)
    return float(band.low[-1]), float(band.high[-1])


def _features(log: Logged) -> NDArray[np.float64] | None:
    codes, places = log.where
    parts = [] if log.features is None else [log.features]
    if places > 1:
        parts.append(np.equal(codes[:, None], np.arange(places)).astype(np.float64))
    return np.hstack(parts) if parts else None
