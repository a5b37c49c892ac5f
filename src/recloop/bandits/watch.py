"""Watching whether the rates of arms change, and answering with a bandit that forgets only once they do."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.contract import Bandit
from recloop.bandits.indices import KLUCB, UCB1, EpsilonGreedy, bernoulli_divergence
from recloop.bandits.outcomes import Checked, numbered
from recloop.bandits.state import Array, State, Value
from recloop.bandits.thompson import BetaThompson, GaussianThompson

Plain = EpsilonGreedy | UCB1 | KLUCB | BetaThompson | GaussianThompson
BLOCKS = 64  # of decisions, that are kept for looking back


class Watched(Bandit, frozen=True, kw_only=True, tag="watched"):
    """A bandit that remembers everything, until a change is found; one that forgets from then on.

    The monitor cuts the decisions into blocks, late outcomes into that of their decision (``Outcomes.order``), and asks
    of every arm and every cut between two blocks whether the rates before and after it differ: the generalised
    likelihood ratio of two Bernoulli rates against one, ``n₁ kl(μ₁, μ) + n₂ kl(μ₂, μ)``, above ``ln(3 n sqrt(n) /
    risk)``. Source: L. Besson, E. Kaufmann, O. Maillard, J. Seznec, "Efficient change-point detection for tackling
    piecewise-stationary bandits", JMLR 23 (2022), equation 5. Forgetting costs regret while nothing changes, which is
    why it does not begin by itself.

    Attributes:
        steady: the bandit as long as no change was found; of those that see no features.
        drifting: the bandit afterwards. It is fed from the start, so it knows what is new.
        risk: chance of a false alarm per arm, over all time.
        block: decisions that make a block; it doubles when there are 64.
    """

    rates = True

    steady: Plain = BetaThompson()
    drifting: Plain = BetaThompson(discount=0.997, width=0.5)
    risk: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.01
    block: Annotated[int, Meta(ge=1)] = 10

    def alarmed(self, state: State) -> bool:
        """Whether a change was found."""
        return bool(state.common["alarm"][0])

    def _fresh(self, features: int) -> dict[str, Array]:
        inner = {
            f"{side}.{name}": value
            for side, bandit in zip(("steady", "drifting"), (self.steady, self.drifting), strict=True)
            for name, value in bandit._fresh(features).items()  # noqa: SLF001
        }
        # of each block: how many outcomes, their rewards
        return {**inner, "pulls": np.zeros(()), "count": np.zeros(BLOCKS), "sum": np.zeros(BLOCKS)}

    def _common(self, features: int) -> dict[str, Array]:
        inner = {
            f"{side}.{name}": value
            for side, bandit in zip(("steady", "drifting"), (self.steady, self.drifting), strict=True)
            for name, value in bandit._common(features).items()  # noqa: SLF001
        }
        return {**inner, "alarm": np.zeros(1), "size": np.array([float(self.block)])}

    def inner(self, state: State) -> tuple[tuple[Bandit, State], tuple[Bandit, State]]:
        """The two bandits, each with its part of the state."""
        return (
            (self.steady, _part(state, "steady", self.steady.name)),
            (self.drifting, _part(state, "drifting", self.drifting.name)),
        )

    def _share(self, state: State, features: Array | None) -> Array:
        bandit, own = self.inner(state)[self.alarmed(state)]
        return bandit.propensities(own)[:1] if features is None else bandit.propensities(own, features)

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:
        bandit, own = self.inner(state)[self.alarmed(state)]
        return None if bandit.floor or bandit.mixture else bandit._draws(own, features, n, rng)  # noqa: SLF001

    def _learn(self, state: State, came: Checked) -> State:
        per_arm, common = dict(state.per_arm), dict(state.common)
        for side, (bandit, own) in zip(("steady", "drifting"), self.inner(state), strict=True):
            after = bandit._learn(own, came)  # noqa: SLF001
            per_arm |= {f"{side}.{name}": value for name, value in after.per_arm.items()}
            common |= {f"{side}.{name}": value for name, value in after.common.items()}
        numbers, clock = numbered(state, came.order, len(came.places))
        newest = max(clock, float(numbers.max()))
        counts, sums, size = _reaching(newest, per_arm["count"], per_arm["sum"], float(common["size"][0]))
        at = (came.places, (numbers // size).astype(np.intp))
        np.add.at(counts, at, 1.0)
        np.add.at(sums, at, came.rewards)
        alarm = bool(common["alarm"][0])
        for arm in [] if alarm else np.unique(came.places).tolist():
            alarm = alarm or changed(counts[arm], sums[arm], self.risk)
        pulls = per_arm["pulls"] + np.bincount(came.places, minlength=len(state.arms))
        per_arm |= {"pulls": pulls, "count": counts, "sum": sums}
        common |= {"alarm": np.array([float(alarm)]), "size": np.array([size]), "clock": np.array([newest])}
        return State(state.bandit, state.arms, state.offered, per_arm, common)


def changed(counts: Array, sums: Array, risk: float) -> bool:
    """Whether the rate of an arm differs before and after some cut between blocks, at all times together with this
    risk.

    Args:
        counts: (blocks,) outcomes of each.
        sums: (blocks,) their rewards, each in [0, 1].
        risk: of a false alarm.

    >>> [changed(np.array([50.0, 50.0]), np.array([5.0, later]), 0.01) for later in (45.0, 7.0)]
    [True, False]
    """
    before, won = np.cumsum(counts), np.cumsum(sums)
    n, total = before[-1], won[-1]
    cut = (before > 0) & (before < n)
    if not cut.any():
        return False
    first, left, rest = before[cut], won[cut] / before[cut], (total - won[cut]) / (n - before[cut])
    whole = np.full(len(first), total / n)
    ratio = first * bernoulli_divergence(left, whole) + (n - first) * bernoulli_divergence(rest, whole)
    return bool(ratio.max() > np.log(3 * n * np.sqrt(n) / risk))


def _reaching(newest: float, counts: Value, sums: Value, size: float) -> tuple[Array, Array, float]:
    """Copies of (k, blocks) in which that decision has its block: two neighbours become one until it has."""
    both = np.array([counts, sums])
    while newest >= size * BLOCKS:
        both = np.concatenate(
            [both.reshape(2, -1, BLOCKS // 2, 2).sum(axis=3), np.zeros_like(both[:, :, : BLOCKS // 2])], 2
        )
        size *= 2
    return both[0], both[1], size


def _part(state: State, side: str, name: str) -> State:
    prefix = f"{side}."
    per_arm = {key.removeprefix(prefix): value for key, value in state.per_arm.items() if key.startswith(prefix)}
    common = {key.removeprefix(prefix): value for key, value in state.common.items() if key.startswith(prefix)}
    return State(name, state.arms, state.offered, per_arm, common)
