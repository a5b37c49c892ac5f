"""Whether kinds of items (providers, categories) get the exposure that they earn."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, MissingError
from recloop.experience.fair.divergence import ndkl
from recloop.experience.fair.rows import Provider, ProviderFairness
from recloop.metrics.outcomes import OutcomeKinds
from recloop.stats import Moments, OneSample, one_sample

OTHER = "(other)"
MOST = 20
"""Kinds of items that are told apart; the rarer ones are put together."""
HEAD = 0.8
"""Share of all merit that the head of the catalogue has; what comes after it is the long tail."""
STARVED = 0.1
"""An item starves where its share of exposure is below this much of its share of merit."""
BLOCK = 20_000
USUAL = OutcomeKinds()


def provider_fairness(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    items: pl.DataFrame,
    variant: str = "",
    *,
    column: str = "category",
    alpha: float = 0.05,
    kinds: OutcomeKinds = USUAL,
) -> ProviderFairness:
    """Exposure against merit of kinds of items.

    Merit of an item is the number of users who bought, saved or clicked it, wherever they found it. What was never
    shown anywhere can hardly earn any, so a ratio near 1 is necessary, and not sufficient.

    Args:
        decisions: id, user, variant, time, items.
        events: user, item, kind, time.
        items: item and ``column``, one row per item.
        variant: whose slates; "" for all.
        column: what makes the kinds: provider, category, brand.
        alpha: one minus the coverage of the intervals, which take the user as the unit.
        kinds: which kinds of events count as what.

    Sources: exposure in proportion to merit: A. Singh, T. Joachims, "Fairness of exposure in rankings" (KDD 2018);
    NDKL: S. Geyik, S. Ambler, K. Kenthapadi, "Fairness-aware ranking in search and recommendation systems" (KDD 2019),
    definition 2; equal opportunity: M. Hardt, E. Price, N. Srebro (NIPS 2016), of items shown among those wanted.

    Raises:
        DataError: a column is missing, or the items repeat one.
        MissingError: there are fewer than two users with slates, or no item has merit.

    >>> decisions = pl.DataFrame({"id": ["1", "2"], "user": ["a", "b"], "variant": "", "time": [0.0, 0.0],
    ...     "items": [["x", "y"], ["x", "z"]]})
    >>> events = pl.DataFrame({"user": ["a", "b", "b"], "item": ["x", "y", "z"], "kind": "click",
    ...     "time": [1.0, 2.0, 3.0]})
    >>> items = pl.DataFrame({"item": ["x", "y", "z"], "category": ["big", "small", "small"]})
    >>> found = provider_fairness(decisions, events, items)
    >>> [(one.name, round(one.exposure.estimate, 2), round(one.merit, 2)) for one in found.providers]
    [('small', 0.39, 0.67), ('big', 0.61, 0.33)]
    """
    for frame, name, needed in (
        (decisions, "decisions", ("id", "user", "variant", "time", "items")),
        (events, "events", ("user", "item", "kind", "time")),
        (items, "items", ("item", column)),
    ):
        if lacking := [one for one in needed if one not in frame.columns]:
            raise DataError(f"the {name} have no column {', '.join(lacking)}", allowed=f"needed: {', '.join(needed)}")
    if items["item"].n_unique() < items.height:
        raise DataError("the items repeat an item", allowed="one row per item")
    known = items.select("item", kind_of=pl.col(column).cast(pl.String).fill_null("(unknown)"))
    slates = decisions.filter(pl.col("variant") == variant) if variant else decisions
    good = kinds.purchase + kinds.save + kinds.click
    wanted = events.filter(pl.col("kind").is_in(good)).group_by("user", "item").agg(pl.col("time").max())
    wanted = wanted.join(known, on="item")
    merit = wanted.group_by("item").agg(merit=pl.len().cast(pl.Float64))
    if not merit.height:
        raise MissingError("no item was clicked, saved or bought", advice="send such events, and name their kinds")
    known = _with_merit(_few(known, merit), merit)
    places = slates.select("user", decision="id", item="items", place=pl.int_ranges(1, pl.col("items").list.len() + 1))
    places = places.explode("item", "place").drop_nulls("item").join(known, on="item")
    if places["user"].n_unique() < 2:
        raise MissingError(f"{places['user'].n_unique()} users have slates", advice="name a variant that was served")
    places = places.with_columns(weight=1 / (1 + pl.col("place")).log(2))
    shown = slates.select("user", "time", item="items").explode("item").drop_nulls("item")
    offered = shown.group_by("user", "item").agg(first=pl.col("time").min())
    served = wanted.drop("kind_of").join(known, on="item").join(slates.select("user").unique(), on="user", how="semi")
    served = served.join(offered, on=["user", "item"], how="left").with_columns(
        hit=(pl.col("first") <= pl.col("time")).fill_null(value=False)
    )
    return _fairness(known, places, served, column, variant, alpha)


def _few(known: pl.DataFrame, merit: pl.DataFrame) -> pl.DataFrame:
    """The catalogue with at most ``MOST`` kinds: those of the greatest merit, and ``(other)``."""
    if known["kind_of"].n_unique() <= MOST:
        return known
    by = known.join(merit, on="item", how="left").group_by("kind_of").agg(pl.col("merit").sum(), pl.len())
    kept = by.sort("merit", "len", "kind_of", descending=[True, True, False]).head(MOST - 1)["kind_of"]
    return known.with_columns(
        kind_of=pl.when(pl.col("kind_of").is_in(kept.implode())).then("kind_of").otherwise(pl.lit(OTHER))
    )


def _with_merit(known: pl.DataFrame, merit: pl.DataFrame) -> pl.DataFrame:
    """The catalogue with each item's merit, and whether it belongs to the head."""
    table = known.join(merit, on="item", how="left").with_columns(pl.col("merit").fill_null(0.0))
    table = table.sort("merit", "item", descending=[True, False])
    before = pl.col("merit").cum_sum() - pl.col("merit")
    return table.with_columns(head=(before < HEAD * pl.col("merit").sum()) & (pl.col("merit") > 0))


def _fairness(
    known: pl.DataFrame, places: pl.DataFrame, served: pl.DataFrame, column: str, variant: str, alpha: float
) -> ProviderFairness:
    total = float(known["merit"].sum())
    by_kind = known.group_by("kind_of").agg(pl.col("merit").sum(), pl.len())
    by_kind = by_kind.sort("merit", "kind_of", descending=[True, False])
    names = by_kind["kind_of"].to_list()
    starving = _starving(known, places)
    exposures = _shares(places, "weight", names, alpha)
    reach = _reach(served, names, alpha)
    found = []
    for name, merit, items in by_kind.iter_rows():
        seen, earned = exposures[name], merit / total
        own = starving.filter(pl.col("kind_of") == name)
        found.append(
            Provider(
                name=name,
                items=items,
                exposure=seen,
                merit=earned,
                ratio=_over(seen.estimate, earned),
                ratio_low=_over(max(seen.low, 0.0), earned),
                ratio_high=_over(seen.high, earned),
                opportunity=reach.get(name),
                starved=int(own["starved"].sum()),
                with_merit=own.height,
            )
        )
    tail = places.group_by("user").agg(y=pl.col("weight").filter(~pl.col("head")).sum(), x=pl.col("weight").sum())
    reached = [one.opportunity.estimate for one in found if one.opportunity]
    return ProviderFairness(
        column=column,
        variant=variant,
        providers=tuple(found),
        ndkl=one_sample(Moments.of(*_ndkl_by_user(places, names, by_kind["merit"].to_numpy() / total)), alpha),
        long_tail=one_sample(Moments.of(tail["y"].to_numpy(), tail["x"].to_numpy()), alpha),
        long_tail_merit=float(known.filter(~pl.col("head"))["merit"].sum()) / total,
        opportunity_gap=max(reached) - min(reached) if len(reached) > 1 else math.nan,
        starved=int(starving["starved"].sum()),
        with_merit=starving.height,
        sentence=_sentence(found, column, int(starving["starved"].sum()), starving.height),
    )


def _over(share: float, merit: float) -> float:
    return share / merit if merit else math.nan


def _shares(places: pl.DataFrame, weight: str, names: Sequence[str], alpha: float) -> dict[str, OneSample]:
    """Each kind's share of the weight, as a ratio of sums over users."""
    who = _codes(places["user"])
    heavy = places[weight].to_numpy()
    kind = places["kind_of"].to_numpy()
    users = int(who.max(initial=-1)) + 1
    all_ = np.bincount(who, heavy, users)
    return {
        name: one_sample(Moments.of(np.bincount(who, heavy * (kind == name), users), all_), alpha) for name in names
    }


def _reach(served: pl.DataFrame, names: Sequence[str], alpha: float) -> dict[str, OneSample]:
    """Of what users took up of a kind, the share that they had been shown before."""
    found = {}
    for name in names:
        own = served.filter(pl.col("kind_of") == name).group_by("user").agg(pl.col("hit").sum(), pl.len())
        if own.height >= 2:
            moments = Moments.of(own["hit"].to_numpy().astype(float), own["len"].to_numpy().astype(float))
            found[name] = one_sample(moments, alpha)
    return found


def _starving(known: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Items with merit, and whether their share of exposure is far below their share of merit."""
    seen = places.group_by("item").agg(pl.col("weight").sum())
    table = known.filter(pl.col("merit") > 0).join(seen, on="item", how="left")
    share = pl.col("weight").fill_null(0.0) / places["weight"].sum()
    return table.with_columns(starved=share < STARVED * pl.col("merit") / pl.col("merit").sum())


def _ndkl_by_user(
    places: pl.DataFrame, names: Sequence[str], merit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per user: the sum over slates, and the number of slates."""
    code = pl.col("kind_of").replace_strict(list(names), list(range(len(names))), return_dtype=pl.Int64)
    rows = places.sort("decision", "place").with_columns(code=code)
    lists = rows.group_by("decision", maintain_order=True).agg(pl.col("user").first(), "code")
    length = int(lists["code"].list.len().max())  # type: ignore[arg-type]
    padded = lists["code"].list.eval(pl.element()).list.to_struct(fields=[str(n) for n in range(length)])
    table = padded.struct.unnest().fill_null(-1).to_numpy()
    values = np.concatenate([ndkl(table[at : at + BLOCK], merit) for at in range(0, len(table), BLOCK)])
    who = _codes(lists["user"])
    return np.bincount(who, values).astype(np.float64), np.bincount(who).astype(np.float64)


def _sentence(found: Sequence[Provider], column: str, starved: int, with_merit: int) -> str:
    far = [one for one in found if one.light != "fair"]
    tail = f" {starved:,} of {with_merit:,} items that users take up are hardly shown."
    if not far:
        return f"By {column}, exposure follows what users take up to within a fifth.{tail}"
    least, most = min(far, key=lambda one: one.ratio), max(far, key=lambda one: one.ratio)
    parts = [
        f"{one.name} gets {one.ratio:.2f} times what it earns ({one.ratio_low:.2f} to {one.ratio_high:.2f})"
        for one in dict.fromkeys((least, most))
    ]
    return f"By {column}, {'; '.join(parts)}.{tail}"


def _codes(names: pl.Series) -> NDArray[np.int64]:
    """(n,) each name's place in the alphabet of all."""
    return names.rank("dense").to_numpy().astype(np.int64) - 1
