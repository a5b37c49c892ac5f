from dataclasses import dataclass

from recloop.stats import OneSample


@dataclass(frozen=True, slots=True)
class Preference:
    """One policy against another: credits per slate that it earned more, with users as the unit.

    ``fixed`` is right for one look at a size that was planned, ``sequential`` at every look; ``effect`` is the one of
    both that the rule allows now. ``p_adjusted`` is its p-value after Holm over all pairs. ``won``, ``lost`` and
    ``even`` count slates.
    """

    policy: str
    other: str
    fixed: OneSample
    sequential: OneSample
    effect: OneSample
    p_adjusted: float
    won: int
    lost: int
    even: int

    def preferred(self, alpha: float) -> str:
        """The one that users prefer beyond doubt; empty where it is open."""
        if not self.p_adjusted < alpha:
            return ""
        return self.policy if self.effect.estimate > 0 else self.other
