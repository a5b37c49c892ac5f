"""What a log cannot tell: the gate between an estimate and a conclusion."""

import math
from dataclasses import dataclass

import numpy as np

from recloop.evaluate.off_policy.calibration import Calibration
from recloop.evaluate.off_policy.logged import Logged, Target
from recloop.evaluate.off_policy.terms import Array
from recloop.evaluate.off_policy.weights import WeightDiagnostics, effective_sample_size

REWARDED = "rounds with a reward"


@dataclass(frozen=True, slots=True)
class Gate:
    """From where on an estimate may be read as a conclusion.

    Attributes:
        rewards: rounds with a reward, after weighing, that are needed, by what can be expected: ``expected_rewards``.
        seen: the same by those that the log happens to hold: ``effective_rewards``. It is low, as it hangs on luck: of
            logs alike, those have most that lack a heavy rewarded round, and with it estimate too little.
        effective: rounds, after weighing, that are needed.
        missing: largest share of the policy's actions that the log never tries.
        one: largest share of all weight that a single round may have.
        tail: largest shape of the weights' tail.
        chance: p-value below which propensities are held to be wrong.
    """

    rewards: float = 20.0
    seen: float = 10.0
    effective: float = 100.0
    missing: float = 0.05
    one: float = 0.1
    tail: float = 0.7
    chance: float = 0.001


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an estimate is no conclusion, or should be read with care.

    Attributes:
        kind: rewards, effective, support, one, tail, mean, propensities or bias.
        said: what is wrong, with its number.
        help: what would mend it.
        refuses: whether nothing is concluded; else it is a warning.
    """

    kind: str
    said: str
    help: str
    refuses: bool


def missing_support(log: Logged, target: Target) -> float:
    """The share of the policy's actions that had no chance, or were never done, at their position; NaN if unknown.

    >>> log = Logged.of(["a", "b"], [1, 0], [0.5, 0.5], names=["a", "b", "c"])
    >>> missing_support(log, Target.of("t", log, [0.2, 0.2, 0.6]))
    0.6
    """
    if target.distribution is None:
        return math.nan
    reached = log.behaviour > 0 if log.behaviour is not None else log.shares > 0
    return float(np.where(reached, 0.0, target.distribution).sum(axis=1).mean())


def never_done(log: Logged, target: Target, most: int = 3) -> list[str]:
    """Names of the actions without support that the policy takes most."""
    if target.distribution is None:
        return []
    reached = log.behaviour > 0 if log.behaviour is not None else log.shares > 0
    lost = np.where(reached, 0.0, target.distribution).mean(axis=0)
    return [log.names[code] for code in np.argsort(-lost)[:most] if lost[code] > 0]


def effective_rewards(weights: Array, rewards: Array) -> float:
    """Rounds with a reward that all the weighted ones are worth: (sum w|r|)^2 / sum (w r)^2.

    >>> effective_rewards(np.array([1.0, 1.0, 5.0]), np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return effective_sample_size(weights * np.abs(rewards))


def expected_rewards(weights: Array, rewards: Array, factor: float = 1.0) -> float:
    """Rounds with a reward that all the weighted ones are worth, were rewards spread over weights as they come.

    The effective rounds, times the share of them that is rewarded: ``(sum w)^2 / sum w^2 * E[r]^2 / E[r^2]``, with
    means weighted by w.

    Args:
        weights: (n,).
        rewards: (n,).
        factor: from ``weights_to_come``: heavy rounds that the log lacks count, too.

    >>> round(expected_rewards(np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 0.0, 1.0, 0.0])), 9)  # half of 3.6
    1.8
    """
    total = float(weights.sum())
    squares = float(weights @ np.square(rewards))
    if not total or not squares:
        return 0.0
    return effective_sample_size(weights) / factor * float(weights @ np.abs(rewards)) ** 2 / total / squares


def objections(
    log: Logged,
    target: Target,
    weights: Array,
    diagnostics: WeightDiagnostics,
    calibration: Calibration,
    gate: Gate = Gate(),
    biased: str = "",
    factor: float = 1.0,
) -> tuple[Objection, ...]:
    """Everything that speaks against a conclusion, the gravest first; ``biased`` names the estimator where it is that.

    ``factor`` is that of ``weights_to_come``.

    >>> from recloop.evaluate.off_policy.weights import diagnose
    >>> log = Logged.of(["a", "b"] * 50, [1, 0] * 50, [0.5] * 100, names=["a", "b", "c"])
    >>> target = Target.of("t", log, [0.2, 0.2, 0.6])
    >>> w = target.chances / log.propensities
    >>> found = objections(log, target, w, diagnose(w), Calibration(1.0, -1, 1.0, 0))
    >>> [objection.kind for objection in found if objection.refuses]
    ['support', 'mean']
    """
    found = [
        _support(log, target, gate),
        _propensities(log, calibration, gate),
        _mean(diagnostics, gate),
        _few(diagnostics.effective, gate.effective, log.n, "effective", "rounds"),
        _few(expected_rewards(weights, log.rewards, factor), gate.rewards, log.n, "rewards", REWARDED)
        or _few(effective_rewards(weights, log.rewards), gate.seen, log.n, "rewards", REWARDED),
        _one(diagnostics, gate),
        _tail(diagnostics, gate),
        _bias(biased),
    ]
    return tuple(sorted((entry for entry in found if entry), key=lambda entry: not entry.refuses))


def _support(log: Logged, target: Target, gate: Gate) -> Objection | None:
    lost = missing_support(log, target)
    if math.isnan(lost) or lost <= 0:
        return None
    names = ", ".join(f"'{name}'" for name in never_done(log, target))
    return Objection(
        "support",
        f"{lost:.1%} of what the policy does was never tried in the log (most of all {names})",
        "log with some exploration of these actions, or judge a policy that leaves them out",
        lost > gate.missing,
    )


def _propensities(log: Logged, calibration: Calibration, gate: Gate) -> Objection | None:
    if calibration.p_value >= gate.chance:
        return None
    return Objection(
        "propensities",
        f"action '{log.names[calibration.action]}' was drawn {calibration.ratio:.2f} times as often as the written "
        f"propensities say (p = {calibration.p_value:.1g})",
        "write down the probability with which each action was drawn, at the moment it is drawn",
        refuses=True,
    )


def _mean(diagnostics: WeightDiagnostics, gate: Gate) -> Objection | None:
    if diagnostics.mean_p >= gate.chance:
        return None
    why = "much of what the policy does was never logged" if diagnostics.mean < 1 else "propensities are too small"
    return Objection(
        "mean",
        f"the weights have a mean of {diagnostics.mean:.3g} and not of 1 (p = {diagnostics.mean_p:.1g}): {why}, or the "
        "chances of the policy belong to another log",
        "check that both probabilities are of the same action in the same round",
        refuses=True,
    )


def _few(have: float, need: float, rounds: int, kind: str, what: str) -> Objection | None:
    if have >= need * (1 - 1e-9):
        return None
    more = f"a log of about {need / have * rounds:,.0f} rounds of this kind" if have else "a log where it earns any"
    nearer = "one logged by a policy more like it"
    return Objection(
        kind,
        f"{rounds:,} rounds are worth {have:,.0f} {what if round(have) != 1 else what.replace('rounds', 'round')}, and "
        f"{need:,.0f} are needed",
        f"{more}, or {nearer}",
        True,
    )


def _one(diagnostics: WeightDiagnostics, gate: Gate) -> Objection | None:
    if diagnostics.largest_share <= gate.one / 2:
        return None
    return Objection(
        "one",
        f"a single round has {diagnostics.largest_share:.0%} of all weight ({diagnostics.largest:,.1f})",
        "a log with larger propensities (a floor), or an estimator that clips or models",
        diagnostics.largest_share > gate.one,
    )


def _tail(diagnostics: WeightDiagnostics, gate: Gate) -> Objection | None:
    if not diagnostics.tail > gate.tail:
        return None
    return Objection(
        "tail",
        f"the weights have a tail of shape {diagnostics.tail:.2f}, above {gate.tail}: rare rounds not yet seen may "
        "change the estimate, and the interval does not know of them",
        "a log with larger propensities (a floor)",
        diagnostics.tail > 1,
    )


def _bias(estimator: str) -> Objection | None:
    if not estimator:
        return None
    return Objection(
        "bias",
        f"the interval tells the noise of '{estimator}' and not its bias",
        "compare it with snips or sndr, whose intervals hold",
        refuses=False,
    )
