"""What a log says of policies, as values."""

from dataclasses import dataclass

from recloop.evaluate.off_policy.calibration import Calibration
from recloop.evaluate.off_policy.gate import Objection
from recloop.evaluate.off_policy.weights import WeightDiagnostics


@dataclass(frozen=True, slots=True)
class Estimated:
    """One estimator's answer.

    Attributes:
        estimator: its name.
        value: of the policy.
        low, high: its interval, as that of ``Judged``.
        error: standard error.
        biased: whether it may be off by more than its interval tells: what clips, shrinks or models.
    """

    estimator: str
    value: float
    low: float
    high: float
    error: float
    biased: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What one log says of one policy.

    Attributes:
        policy: its name.
        estimator: the one that was taken.
        value: the mean reward of a round under the policy.
        low, high: its interval.
        method: how that was made: by score (``score_interval``) where rewards cannot be negative, else by Student's t.
        bootstrap: both ends by drawing users with replacement.
        anytime: both ends that hold at every look and for any number of rounds; None where rewards leave [0, 1], or
            users return.
        lift: value less the mean reward that was logged, with both ends.
        p_value: of a lift of zero.
        p_best: of being no different from the policy with the highest value among those that conclude, after Holm;
            NaN for that one.
        weights: what the weights are worth.
        rewards: rounds with a reward that the weighted ones are worth.
        missing: share of its actions that the log never tries; NaN where it is not known.
        all: every estimator that could be had.
        objections: what speaks against a conclusion.
    """

    policy: str
    estimator: str
    value: float
    low: float
    high: float
    method: str
    bootstrap: tuple[float, float]
    anytime: tuple[float, float] | None
    lift: tuple[float, float, float]
    p_value: float
    p_best: float
    weights: WeightDiagnostics
    rewards: float
    missing: float
    all: tuple[Estimated, ...]
    objections: tuple[Objection, ...]

    @property
    def concludes(self) -> bool:
        """Whether nothing forbids a conclusion."""
        return not any(objection.refuses for objection in self.objections)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Policies judged by one log, the highest value first, those of which nothing is concluded last.

    Attributes:
        policies: one entry each.
        rounds: of the log.
        users: behind them.
        logged: the mean reward that was logged, with both ends.
        rewarded: rounds with a reward.
        calibration: the test of the written propensities.
        alpha: error rate of the intervals.
        source: where the log came from.
        simulation: whether users were simulated.
        left_out: what of the log is no round, in words.
    """

    policies: tuple[Judged, ...]
    rounds: int
    users: int
    logged: tuple[float, float, float]
    rewarded: int
    calibration: Calibration
    alpha: float
    source: str = ""
    simulation: bool = False
    left_out: str = ""
