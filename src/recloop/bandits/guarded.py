"""A bandit that is never expected to earn much less than the arm that everybody trusts."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from recloop.bandits.conservative import conservative
from recloop.bandits.counted import Counted
from recloop.bandits.intervals import linear_interval, rate_interval
from recloop.bandits.linear import Linear
from recloop.bandits.state import Array, State
from recloop.bandits.wrapping import Wrapping
from recloop.errors import SettingError


class Conservative(Wrapping, frozen=True, kw_only=True, tag="conservative"):
    """The chances of another bandit, mixed with the control as far as the allowed loss wants it (``conservative``).

    What each arm earns at least and at most is told by intervals that hold at all times together (``rate_interval``);
    of linear bandits by what they believe (``linear_interval``). As long as nothing is known of the control, it makes
    all choices; while nothing is known of another arm, that one gets at most about ``loss``. Rewards are in [0, 1].
    Source: Y. Wu, R. Shariff, T. Lattimore, C. Szepesvári, "Conservative bandits" (ICML 2016); A. Kazerouni et al.,
    "Conservative contextual linear bandits" (NeurIPS 2017).

    Attributes:
        control: the arm.
        loss: share of the control's reward that may be lost.
        risk: that an interval fails, of all arms and times together.

    >>> from recloop.bandits import BetaThompson, Outcomes
    >>> bandit = Conservative(control="old", loss=0.1)
    >>> bandit.propensities(bandit.initial(["old", "new"])).tolist()
    [[1.0, 0.0]]
    >>> known = bandit.update(bandit.initial(["old", "new"]), Outcomes(["old"] * 400, [1.0, 0.0] * 200))
    >>> bandit.propensities(known).round(3).tolist()
    [[0.936, 0.064]]
    """

    control: str
    loss: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05
    risk: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05

    def __post_init__(self) -> None:
        if self.bandit.discount < 1 or (isinstance(self.bandit, Counted) and self.bandit.window):
            raise SettingError(
                f"the bandit '{self.bandit.name}' inside 'conservative' forgets",
                allowed="one that remembers everything: bounds on what arms earn hold for rates that stay",
                advice="leave out discount and window",
            )

    def _fits(self, arms: Sequence[str]) -> None:
        if self.control not in arms:
            raise SettingError(
                f"the control '{self.control}' of the bandit 'conservative' is no arm",
                allowed=f"one of: {', '.join(arms)}",
            )

    def _share(self, state: State, features: Array | None) -> Array:
        column = [state.arms[place] for place in state.offered].index(self.control)
        inside = self._inside(state)
        wanted = self.bandit.propensities(inside, features)
        wanted = wanted if features is not None else wanted[:1]
        if isinstance(self.bandit, Linear):
            assert features is not None
            low, high = linear_interval(*self.bandit._beliefs(inside, features), self.risk)  # noqa: SLF001
        else:
            low, high = rate_interval(state.array("pulls"), state.array("total"), self.risk)
        return conservative(wanted, low, high, column, loss=self.loss)
