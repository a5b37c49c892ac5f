"""Findings as sentences that a product owner reads."""

from datetime import date

from recloop.experience.problems.measures import Measure
from recloop.experience.problems.schema import Change, Finding
from recloop.experiments.words import change, percent

FIRST = ("traffic mix", "answer time", "empty slates")
"""What people ask about first: named first where it was ruled out."""


def name_of(where: dict[str, str]) -> str:
    """A slice as people say it.

    >>> name_of({"device": "android", "app": "5.2"}), name_of({})
    ('app 5.2 × device android', 'everywhere')
    """
    return " × ".join(f"{name} {value}" for name, value in sorted(where.items())) or "everywhere"


def day_of(day: str) -> str:
    """A day as people say it.

    >>> day_of("2025-11-05")
    '5 Nov'
    """
    one = date.fromisoformat(day)
    return f"{one.day} {one:%b}"


def moved(one: Change) -> str:
    """A change with its interval.

    >>> moved(Change(before=0.1, after=0.094, relative=-0.06, low=-0.08, high=-0.04))
    'fell 6.0% (-8.0% to -4.0%)'
    """
    if one.relative > 2:
        return f"rose to {one.relative + 1:.1f} times the old level"
    word = "rose" if one.relative > 0 else "fell"
    size = percent(abs(one.relative)).lstrip("+")
    reach = f" ({percent(one.low)} to {percent(one.high)})" if one.low is not None and one.high is not None else ""
    return f"{word} {size}{reach}"


def sentence(one: Finding, measure: Measure, *, treatment: str | None, clear: bool) -> str:
    """The finding in words: effect, day, place, what was ruled out, what users say, what to do.

    Args:
        one: all but the sentence.
        measure: its metric.
        treatment: the variant that is judged, where arms are compared.
        clear: whether the change shows in the whole.
    """
    metric = measure.metric
    when = f" from {day_of(one.change_day)}" if one.change_day else f" under {treatment}" if treatment else ""
    values = f"{metric.say(one.effect.before)} → {metric.say(one.effect.after)}"
    title = metric.title[0].upper() + metric.title[1:]
    if metric.id == "attack":
        usual = f"{one.effect.before:g} would be no surprise"
        said = f"{one.effect.after:.0f} new users gathered on {name_of(one.slice)}{when}, where {usual}."
    elif not one.slice or metric.id == "exposure":
        of = f" of {name_of(one.slice)}" if one.slice else ""
        said = f"{title}{of} {moved(one.effect)}{when}: {values}."
    elif clear and one.overall is not None:
        part = "All" if one.explained_share >= 0.9 else f"{one.explained_share:.0%}"
        said = (
            f"{title} {moved(one.overall)}{when}. {part} of it sits in {name_of(one.slice)} "
            f"({one.share:.1%} of slates), where it {moved(one.effect)}: {values}."
        )
    else:
        said = (
            f"In {name_of(one.slice)} ({one.share:.1%} of slates) {metric.title} {moved(one.effect)}{when}: {values}."
        )
    parts = [said]
    rest = next((fact for fact in one.evidence if fact.topic == "rest"), None)
    if rest is not None and rest.supports:
        parts.append("Unchanged elsewhere.")
    parts += [fact.sentence for fact in one.evidence if fact.topic == "margin"]
    if one.kind == "primary":
        begun = [fact for fact in one.evidence if fact.topic in {"release", "policy", "variant", "model"}]
        if begun:
            parts.append(f"Same day as {' and '.join(_begun(fact.sentence) for fact in begun)}.")
        out = [fact.topic for fact in one.evidence if not fact.supports and fact.topic != "rest"]
        if out:
            named = sorted(out, key=lambda topic: FIRST.index(topic) if topic in FIRST else len(FIRST))[:3]
            parts.append(f"Not {', '.join(named[:-1])}{' or ' if len(named) > 1 else ''}{named[-1]}.")
        if one.said.people and one.said.examples:
            people = f"{one.said.people:,} {'people' if one.said.people != 1 else 'person'}"
            parts.append(f"{people} wrote about it: “{one.said.examples[0].text}”.")
        gain = (
            f"; expected recovery {change(metric, one.recovery)}"
            if one.recovery and metric.id not in {"exposure", "attack"}
            else ""
        )
        parts.append(f"Do: {one.advice}{gain}.")
    return " ".join(parts)


def _begun(text: str) -> str:
    return text.split(" began", 1)[0]
