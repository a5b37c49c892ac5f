"""What several judges said of the same two policies, and how far those that need no users foretold the users."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recloop.errors import SettingError
from recloop.stats.agreement import ORDER, SIZE, Line, Ordering, calibrate, rank_correlation

LIVE = "live"
JUDGES = ("held-out", "off-policy", "simulated", LIVE)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge says of a policy beside another.

    Attributes:
        policy: that is judged.
        control: beside which.
        judge: held-out, off-policy, simulated or live.
        lift: of the policy over the control, as a fraction of the control.
        error: its standard error; NaN where the judge tells none.
        metric: what was measured.
        source: a run, a log, a simulation or an experiment.
        time: seconds since 1970 when it was said; of live ones the end of the experiment.

    >>> Opinion("new", "old", "live", 0.1, 0.02, "slate_ctr").pair
    ('new', 'old')
    """

    policy: str
    control: str
    judge: str
    lift: float
    error: float = math.nan
    metric: str = ""
    source: str = ""
    time: float = 0.0

    def __post_init__(self) -> None:
        if self.judge not in JUDGES:
            raise SettingError(f"the judge is '{self.judge}'", allowed=f"one of {', '.join(JUDGES)}")

    @property
    def pair(self) -> tuple[str, str]:
        """Policy and control."""
        return self.policy, self.control

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Both ends; NaN where there is no error."""
        return self.lift - z * self.error, self.lift + z * self.error


@dataclass(frozen=True, slots=True)
class Grown:
    """What was known of a judge after so many live answers: NaN where there were too few."""

    pairs: int
    correlation: float
    slope: float
    slope_low: float
    slope_high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one judge agrees with live users.

    Attributes:
        judge: its name.
        pairs: what it said beside what users showed, in the order of time.
        same_sign: of those where users showed a clear direction, the share that it foretold; NaN where none is clear.
        ordering: rank correlation; None below three pairs, for that of two is 1 or -1 whatever they are.
        line: live lift by its lift; None below three pairs, or where one of them has no error.
        grown: both, after each live answer.
    """

    judge: str
    pairs: tuple[tuple[Opinion, Opinion], ...]
    same_sign: float
    ordering: Ordering | None
    line: Line | None
    grown: tuple[Grown, ...]


def agreements(opinions: Sequence[Opinion], alpha: float = 0.05) -> tuple[Agreement, ...]:
    """How each judge agrees with live users, over all pairs of policies that both judged.

    Of several opinions of one judge on one pair, the newest that is no newer than the live answer counts; where all are
    newer, the oldest.

    >>> live = [Opinion(f"p{n}", "old", "live", 0.1 * n, 0.02, time=n) for n in range(5)]
    >>> held = [Opinion(f"p{n}", "old", "held-out", 0.2 * n, 0.01) for n in range(5)]
    >>> (found,) = agreements([*live, *held])
    >>> found.judge, found.ordering.correlation, round(found.line.slope, 2), found.same_sign
    ('held-out', 1.0, 0.5, 1.0)
    """
    users = sorted((one for one in opinions if one.judge == LIVE), key=lambda one: one.time)
    found = []
    for judge in JUDGES[:-1]:
        pairs = tuple((said, live) for live in users if (said := _before(opinions, judge, live)) is not None)
        if not pairs:
            continue
        clear = [(a.lift > 0) == (b.lift > 0) for a, b in pairs if abs(b.lift) > 1.96 * b.error]
        grown = tuple(_grown(pairs[:n], alpha) for n in range(2, len(pairs) + 1))
        found.append(
            Agreement(
                judge,
                pairs,
                sum(clear) / len(clear) if clear else math.nan,
                _ordering(pairs, alpha),
                _line(pairs, alpha),
                grown,
            )
        )
    return tuple(found)


def _before(opinions: Sequence[Opinion], judge: str, live: Opinion) -> Opinion | None:
    same = [one for one in opinions if one.judge == judge and one.pair == live.pair and math.isfinite(one.lift)]
    earlier = [one for one in same if one.time <= live.time]
    if earlier:
        return max(earlier, key=lambda one: one.time)
    return min(same, key=lambda one: one.time, default=None)


def _ordering(pairs: Sequence[tuple[Opinion, Opinion]], alpha: float) -> Ordering | None:
    if len(pairs) < SIZE:
        return None
    return rank_correlation([a.lift for a, _ in pairs], [b.lift for _, b in pairs], alpha)


def _line(pairs: Sequence[tuple[Opinion, Opinion]], alpha: float) -> Line | None:
    told = [(a, b) for a, b in pairs if b.error > 0]
    if len(told) < SIZE or len({a.lift for a, _ in told}) < 2:
        return None
    first = [0.0 if math.isnan(a.error) else a.error for a, _ in told]
    return calibrate([a.lift for a, _ in told], first, [b.lift for _, b in told], [b.error for _, b in told], alpha)


def _grown(pairs: Sequence[tuple[Opinion, Opinion]], alpha: float) -> Grown:
    ordering, line = _ordering(pairs, alpha), _line(pairs, alpha)
    slope = (line.slope, line.slope_low, line.slope_high) if line else (math.nan,) * 3
    return Grown(len(pairs), ordering.correlation if ordering else math.nan, *slope)


def caution(found: Agreement) -> str:
    """What can not yet be said of a judge; "" where there are pairs enough.

    >>> caution(agreements([Opinion("a", "b", "live", 0.1, 0.1), Opinion("a", "b", "held-out", 0.1)])[0])
    '1 pair of policies was judged both ways: an order and a line need 3, an interval of the order 4.'
    """
    n = len(found.pairs)
    if n >= ORDER:
        return ""
    noun = "pair of policies was" if n == 1 else "pairs of policies were"
    return f"{n} {noun} judged both ways: an order and a line need {SIZE}, an interval of the order {ORDER}."
