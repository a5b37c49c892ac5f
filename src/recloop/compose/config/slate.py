"""One slate, as typed settings."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recloop.compose.business.settings import AnyRule, Cap
from recloop.compose.diversity.settings import Diversifier
from recloop.compose.fusion.norms import Calibration
from recloop.compose.objectives.config import ObjectivesConfig
from recloop.errors import SettingError


class SoftmaxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Slates drawn by the Plackett-Luce model instead of sorted: every decision holds the chance of each place.

    Attributes:
        temperature: near 0 the order of the scores, great: any order alike; in spreads of a request's scores.
        depth: only so many best candidates can be drawn; 0 for all.
    """

    temperature: Annotated[float, Meta(gt=0.0)] = 0.2
    depth: Annotated[int, Meta(ge=0)] = 50


class SlateConfig(msgspec.Struct, frozen=True, kw_only=True, tag="slate", tag_field="kind"):
    """One slate from one or several strategies.

    Attributes:
        sources: strategy → weight, or a list of strategies that weigh alike. One source is a control policy.
        fusion: ``reciprocal-rank``, ``weighted-score`` (CombSUM), ``comb-mnz``, ``cascade`` (the ranker orders what the
            sources retrieve), ``quotas`` (so many places for each source) or ``learned`` (trees, extra ``blend``).
        constant: of reciprocal rank fusion.
        scale: of weighted-score and comb-mnz: ``min-max``, ``z-score``, ``rank`` or ``calibrated``.
        calibration: source → what its scores mean; a run learns it where the scale is ``calibrated``.
        ranker: the strategy that ranks in a cascade.
        quotas: source → places of every Σ.
        model: the name of a trained fusion; a run trains it where the fusion is ``learned``.
        candidates: how many items are taken from each source.
        diversity: 0 (order of relevance) to 1 (as unlike each other as can be), by maximal marginal relevance.
        diversifier: another way to be diverse; None for none.
        rules: business rules, see ``recloop.compose.business``.
        conflicts: what happens where rules contradict: ``refuse`` them, or let ``precedence`` decide.
        measured: share of the requests for which each rule's effect is measured, by the slates without it.
        fallback: the strategy that stands in for one that fails and fills slates that are too short; "" for none.
        budget: seconds that a source may take before the fallback stands in for it; None for any time. It holds where a
            service answers, not in evaluations.
        objectives: what else a slate is to be good for, weighed after fusion and before diversity; None for relevance.
        softmax: draw the slate at random with exact chances instead of sorting it; None for none.

    >>> SlateConfig(sources=["ease", "popular"]).weights
    {'ease': 1.0, 'popular': 1.0}
    """

    sources: dict[str, float] | list[str] = msgspec.field(default_factory=dict)
    fusion: Literal["reciprocal-rank", "weighted-score", "comb-mnz", "cascade", "quotas", "learned"] = "reciprocal-rank"
    constant: Annotated[float, Meta(ge=0.0)] = 60.0
    scale: Literal["min-max", "z-score", "rank", "calibrated"] = "min-max"
    calibration: dict[str, Calibration] = {}
    ranker: str = ""
    quotas: dict[str, Annotated[int, Meta(ge=0)]] = {}
    model: str = ""
    candidates: Annotated[int, Meta(ge=1)] = 200
    diversity: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    diversifier: Diversifier | None = None
    rules: list[AnyRule] = []
    conflicts: Literal["refuse", "precedence"] = "refuse"
    measured: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    fallback: str = "popular"
    budget: Annotated[float, Meta(gt=0.0)] | None = None
    objectives: ObjectivesConfig | None = None
    softmax: SoftmaxConfig | None = None

    def __post_init__(self) -> None:
        if self.softmax is not None:
            self._check_softmax()
        if self.diversity > 0 and self.diversifier is not None:
            raise SettingError(
                f"diversity is {self.diversity} beside a diversifier",
                allowed="one of them: diversity is short for the diversifier mmr",
            )
        if self.fusion == "quotas" and self.diversified is not None:
            raise SettingError(
                "places are shared by quotas, and the slate is to be diversified",
                allowed="one of them: a slate in another order keeps no quotas",
            )
        if (self.fusion == "cascade") != bool(self.ranker):
            raise SettingError(
                f"fusion is '{self.fusion}' and the ranker is '{self.ranker}'",
                allowed="a cascade needs a ranker, and nothing else has one",
            )
        if (self.fusion == "quotas") != bool(self.quotas):
            raise SettingError(
                f"fusion is '{self.fusion}' and the quotas are {self.quotas}",
                allowed="quotas belong to the fusion 'quotas': quotas = {ease = 6, popular = 4}",
            )
        if self.quotas and (not sum(self.quotas.values()) or set(self.quotas) != set(self.sources)):
            raise SettingError(
                f"the quotas {self.quotas} do not fit the sources {', '.join(self.sources)}",
                allowed="one whole number for each source, of which at least one is above 0",
            )

    def _check_softmax(self) -> None:
        """A slate that is drawn is not put into another order afterwards: its chances would not be exact."""
        other = (
            f"diversity is {self.diversity}"
            if self.diversity > 0
            else "a diversifier stands"
            if self.diversifier is not None
            else "the fusion 'quotas' stands"
            if self.fusion == "quotas"
            else "a rule that caps stands"
            if any(isinstance(rule, Cap) for rule in self.rules)
            else ""
        )
        if other:
            raise SettingError(
                f"{other} beside softmax",
                allowed="a slate that is drawn is not reordered: its chances would no longer be exact",
                advice="weigh the objective 'diversity' instead, or leave one out",
            )

    @property
    def diversified(self) -> Diversifier | None:
        """How slates are diversified, whichever way it was written; None where they are not."""
        if self.diversifier is not None:
            return self.diversifier if self.diversifier.strength > 0 or self.diversifier.kind == "pm2" else None
        return Diversifier(kind="mmr", strength=self.diversity) if self.diversity > 0 else None

    @property
    def calibrated(self) -> bool:
        """Whether scores are fused as chances."""
        return self.scale == "calibrated" and self.fusion in ("weighted-score", "comb-mnz")

    @property
    def asked(self) -> list[str]:
        """Every strategy that it asks, by name: sources, ranker and fallback."""
        return list(dict.fromkeys([*self.sources, *filter(None, (self.ranker, self.fallback))]))

    @property
    def weights(self) -> dict[str, float]:
        """Strategy → weight, whichever way ``sources`` was written.

        Raises:
            SettingError: no source, a source named twice, a negative weight, or weights that sum to zero.
        """
        if not self.sources:
            raise SettingError("the policy has no source", advice='name strategies: sources = ["ease", "transitions"]')
        if isinstance(self.sources, dict):
            weights = {name: float(weight) for name, weight in self.sources.items()}
        else:
            weights = dict.fromkeys(self.sources, 1.0)
            if len(weights) < len(self.sources):
                twice = next(name for name in self.sources if self.sources.count(name) > 1)
                raise SettingError(
                    f"the policy names the source '{twice}' twice", advice=f"weigh it: sources = {{{twice} = 2.0}}"
                )
        if not all(0.0 <= weight < float("inf") for weight in weights.values()) or sum(weights.values()) <= 0.0:
            raise SettingError(
                f"the weights of the policy's sources are {weights}",
                allowed="weights are numbers of at least 0, of which at least one is above 0",
            )
        return weights
