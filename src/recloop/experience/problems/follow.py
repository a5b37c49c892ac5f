"""What follows from what: the same slice and day, logging and operations before model, content and taste."""

from collections.abc import Mapping, Sequence

from recloop.experience.problems.coded import Coded
from recloop.experience.problems.explain import Fact, Spot, fact
from recloop.experience.problems.measures import MEASURES, Measure
from recloop.experience.problems.rows import contrast_of
from recloop.experience.problems.scan import Sums
from recloop.experience.problems.schema import LAYERS

FOLLOWS = 3.0  # standard errors by which a metric must be worse in a slice to be called a consequence there
MOST = 0.5  # part of the slates of a finding that its cause must hold
FITS = 0.5  # part of the squared standardised change that another day must keep


def consequences(coded: Coded, facts: list[Fact], *, days: bool) -> None:
    """Say which finding follows from which: most of its slice and the same day, the earlier layer first.

    Args:
        coded: the rows.
        facts: changed in place.
        days: whether they have days.
    """
    ordered = sorted(facts, key=lambda one: (_rank(one), -one.z))
    for k, later in enumerate(ordered):
        for earlier in ordered[:k]:
            if (
                earlier.because is None
                and earlier.measure is not later.measure
                and _together(coded, earlier, later, days=days)
            ):
                later.because = earlier
                break


def followers(coded: Coded, one: Fact, others: Mapping[str, Measure], known: Sequence[Fact]) -> list[Fact]:
    """The metrics that became worse in the slice of a finding at its day: one test each, for the place is known."""
    found = []
    told = {other.measure.metric.id for other in known if other is one or other.because is one}
    for name, measure in others.items():
        if name in told:
            continue
        sums = Sums.of(coded, measure)
        value, error = contrast_of(coded, sums, one.rows, None, one.weights)
        if error and sums.worse * value / error >= FOLLOWS and _rank_of(measure) >= _rank(one):
            spot = Spot(one.where, one.rows, one.at, one.weights, sums.worse * value / error)
            found.append(fact(coded, measure, sums, spot, because=one))
    return [one for one in found if one is not None]


def _rank_of(measure: Measure) -> int:
    order = list(MEASURES)
    return LAYERS.index(measure.layer) * 100 + (order.index(measure.metric.id) if measure.metric.id in MEASURES else 0)


def _rank(one: Fact) -> int:
    return _rank_of(one.measure)


def _together(coded: Coded, one: Fact, other: Fact, *, days: bool) -> bool:
    if days and abs(one.at - other.at) > 1 and not _day_fits(coded, one, other):
        return False
    after = coded.cell >= max(one.at, other.at)
    both = float((one.rows & other.rows & after).sum())
    return both >= MOST * float((other.rows & after).sum()) > 0


def _day_fits(coded: Coded, one: Fact, other: Fact) -> bool:
    """Whether the day of one finding would do for the other as well: a day is known no better than its data allow."""
    value, error = contrast_of(coded, other.sums, other.rows, ~other.rows if other.where else None, one.weights)
    return error > 0 and other.sums.worse * value / error > 0 and (value / error) ** 2 >= FITS * other.z**2
