"""What a slate is to be good for, as typed settings: the table ``[policy.objectives]``."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recloop.compose.objectives.catalogue import NEW, OBJECTIVES, PROVIDER, RELEVANCE
from recloop.errors import SettingError, nearest


class ConstraintConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What all slates together must keep: "revenue at least 98% of today's", "new items at least 5% of exposure".

    Attributes:
        of: an objective; ``new`` for the share of exposure that new items get, or ``provider:NAME`` for that of one.
        at_least: the bound, in the unit of ``of``; a share of today's where ``relative``.
        relative: whether the bound is a share of what slates by relevance alone give.
    """

    of: str
    at_least: float
    relative: bool = False

    def __post_init__(self) -> None:
        if self.of not in {*OBJECTIVES, NEW} and not self.of.startswith(PROVIDER):
            raise SettingError(
                f"a constraint is of '{self.of}'", advice=nearest(self.of, [*OBJECTIVES, NEW, f"{PROVIDER}NAME"])
            )
        if self.of == RELEVANCE:
            raise SettingError("a constraint is of 'relevance'", allowed="relevance has no unit to be bounded in")

    @property
    def words(self) -> str:
        """The constraint as a person says it.

        >>> ConstraintConfig(of="revenue", at_least=0.98, relative=True).words
        "revenue at least 98% of today's"
        """
        bound = f"{self.at_least:.3g}"
        return f"{self.of} at least " + (f"{100 * self.at_least:.3g}% of today's" if self.relative else bound)


class ObjectivesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of objectives and constraints on all slates together.

    Attributes:
        weights: objective → weight. 1 is one usual spread of that objective among the candidates of a request, on every
            data set; ``relevance`` weighs 1 where it is not named.
        scale: ``robust`` divides by the usual spread; ``quantile`` replaces a value by its place among all values.
        model: what foretells click, conversion and satisfaction: ``trees`` (extra ``blend``) or ``experts`` (``lm``).
        half_life: days after which an item is half as fresh.
        new_share: the share of the items that are new: the youngest by first event or release.
        provider: the column of the catalogue that says whose an item is.
        users: at most so many requests are learned from.
        constraints: what all slates together must keep.
        prices: constraint (its ``of``) → multiplier, learned by a run. Where a constraint has none, it is not applied.

    >>> ObjectivesConfig(weights={"novelty": 0.3}).weighed
    {'relevance': 1.0, 'novelty': 0.3}
    """

    weights: dict[str, float] = msgspec.field(default_factory=dict)
    scale: Literal["robust", "quantile"] = "robust"
    model: Literal["trees", "experts"] = "trees"
    half_life: Annotated[float, Meta(gt=0.0)] = 30.0
    new_share: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.1
    provider: str = "brand"
    users: Annotated[int, Meta(ge=20)] = 2000
    constraints: list[ConstraintConfig] = []
    prices: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if name not in OBJECTIVES:
                raise SettingError(f"there is no objective '{name}'", advice=nearest(name, OBJECTIVES))
            if not 0.0 <= weight < float("inf"):
                raise SettingError(
                    f"objective '{name}' weighs {weight}",
                    allowed="a weight is a number of at least 0: each objective knows its own direction",
                )
        if sum(self.weighed.values()) <= 0.0 and not self.constraints:
            raise SettingError(
                f"the weights of the objectives are {self.weights}", allowed="at least one must be above 0"
            )
        seen = [constraint.of for constraint in self.constraints]
        if len(set(seen)) < len(seen):
            twice = next(of for of in seen if seen.count(of) > 1)
            raise SettingError(f"there are two constraints on '{twice}'", advice="keep the stricter one")

    @property
    def weighed(self) -> dict[str, float]:
        """Objective → weight, relevance among them."""
        return {RELEVANCE: 1.0} | {name: float(weight) for name, weight in self.weights.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Every objective that is weighed or bounded, once."""
        weighed = [name for name, weight in self.weighed.items() if weight > 0 or name == RELEVANCE]
        return tuple(dict.fromkeys([*weighed, *(c.of for c in self.constraints)]))
