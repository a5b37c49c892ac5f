"""What most likely brought a finding about, and what to do: logging, operations, model, content, taste, in turn."""

from dataclasses import dataclass

import numpy as np

from recloop.experience.problems.coded import OTHER, UNKNOWN, Coded
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.rows import Rows
from recloop.experience.problems.schema import Cause
from recloop.experience.problems.words import name_of

GONE = 0.05  # of the value before: below, it is the log that broke and not the people who changed
SENT = frozenset({"slate_ctr", "purchases_per_slate"})  # made of events that a client sends
FELT = frozenset({"satisfaction", "survey", "survey_top", "thumbs", "sentiment"})
NEW = 0.2  # part of the slates that something new must have to count as an intervention


@dataclass(frozen=True, slots=True)
class Intervention:
    """Something that began on the day of a change: a release, a policy, a variant."""

    dimension: str
    value: str
    before: str

    @property
    def sentence(self) -> str:
        """The fact."""
        return f"{self.dimension} {self.value} began"


def interventions(coded: Coded, rows: Rows, at: int) -> tuple[Intervention, ...]:
    """What began within a day of a change, in the slates of a slice."""
    found = []
    inside = np.flatnonzero(rows)
    day = coded.day[inside]
    for one in coded.acts:
        codes, n = one.codes[inside], len(one.values)
        after = np.bincount(codes[day >= at], minlength=n)
        early = np.bincount(codes[day < at - 1], minlength=n)
        late = np.bincount(codes[(day >= at + 1)], minlength=n)
        for value in np.flatnonzero((early == 0) & (late > NEW * max(after.sum() / 2, 1))).tolist():
            first = int(day[codes == value].min())
            if abs(first - at) <= 1 and one.values[value] not in {OTHER, UNKNOWN}:
                found.append(Intervention(one.name, one.values[value], one.values[int(early.argmax())]))
    return tuple(found)


def begun(coded: Coded) -> tuple[int, ...]:
    """The days on which a release, a policy or a model began, of those that came to serve a good part of the slates."""
    days = set()
    for one in coded.acts:
        for value, name in enumerate(one.values):
            mine = coded.day[one.codes == value]
            if mine.size and name not in {OTHER, UNKNOWN} and (first := int(mine.min())) > 0:
                after = (coded.day > first).sum()
                if (mine > first).sum() > NEW * after / 2 > 0:
                    days.add(first)
    return tuple(sorted(days))


def cause_of(
    measure: Measure,
    where: dict[str, str],
    ratio: float,
    begun: tuple[Intervention, ...],
    treatment: str | None,
    *,
    clicks_up: bool,
) -> tuple[Cause, str]:
    """The cause and the advice.

    Args:
        measure: whose change it is.
        where: the slice.
        ratio: value after over value before.
        begun: what began that day.
        treatment: the variant that is judged, where arms are compared.
        clicks_up: whether people click more at the same time.
    """
    name = measure.metric.id
    place = f" for {name_of(where)}" if where and name != "exposure" else ""
    undo = _undo(begun, treatment, place)
    if name in SENT and ratio < GONE:
        why = "Next to nothing is left of it: people do not stop all at once, a client does."
        return Cause(layer="logging", what="events no longer arrive", sentence=why), (
            f"check what the client sends{place}; nothing else can be read there until it does"
        )
    if not measure.outcome:
        began = f" It began with {begun[0].dimension} {begun[0].value}." if begun else ""
        why = f"{measure.metric.title.capitalize()} comes before what people do.{began}"
        return Cause(layer=measure.layer, what=measure.what, sentence=why), _advice(measure, where, place, undo)
    if treatment and name in FELT and clicks_up:
        why = f"People click more under {treatment} and are less content with what they get."
        return Cause(layer="content", what="click-bait", sentence=why), (
            f"do not ship {treatment}; judge it by ratings and purchases, not by clicks"
        )
    if treatment:
        what = f"{treatment} suits {name_of(where)} worse" if where else f"{treatment} is worse"
        why = f"Users were assigned by chance, so {treatment} brought it about."
        more = "; keep the control there, or find what it lacks for them" if where else ""
        return Cause(layer="model", what=what, sentence=why), f"do not ship {treatment}{place}{more}"
    if begun:
        first = f"{begun[0].dimension} {begun[0].value}"
        return Cause(layer="model", what=first, sentence=f"{first} began the same day."), undo
    why = "Nothing else that is logged changed there on that day."
    return Cause(layer="taste", what=measure.what, sentence=why), (
        f"look at slates{place} before and after side by side; ask what changed outside (season, prices, a campaign)"
    )


def _undo(begun: tuple[Intervention, ...], treatment: str | None, place: str) -> str:
    if treatment:
        return f"do not ship {treatment}{place}"
    if begun:
        return f"roll back {begun[0].dimension} {begun[0].value} to {begun[0].before}{place}"
    return ""


def _advice(measure: Measure, where: dict[str, str], place: str, undo: str) -> str:
    known = {
        "latency": f"find what slows answers{place}: hosts, caches, index, network",
        "fallback_rate": f"find why the first strategy fails{place}; the log names the fallback",
        "short_slates": f"widen what is searched, or fill up (popular){place}",
        "slow_slates": f"find what slows answers{place}: hosts, caches, index, network",
        "struggle": f"try what happens on a click{place}; the client tells of clicks in vain",
        "empty_slates": f"give a fallback that always fills (popular){place}, then find why candidates are lacking",
        "repeat_exposure": f"leave out what was shown lately{place}",
        "already_consumed": f"leave out what users have already{place}",
        "diversity": f"raise the weight of diversity{place}",
        "exposure": f"check feed, filters and rules of {name_of(where)}",
        "attack": "keep these events from training (quarantine) and rebuild what learned from them",
    }
    what = known.get(measure.metric.id, "")
    return f"{undo}, or {what}" if undo and what else undo or what
