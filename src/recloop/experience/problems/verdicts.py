"""The answer of a report, in one word and one sentence."""

from collections.abc import Mapping, Sequence

from recloop.experience.problems.clustered import Weighed
from recloop.experience.problems.measures import Measure
from recloop.experience.problems.schema import Finding, Problems, Verdict
from recloop.experience.problems.settings import Settings
from recloop.experiments.words import listed, number_of, percent

BETTER = 3.0  # standard errors by which an outcome must be better for ``ship``
DECISIVE = 0.05  # half width of an outcome's interval, relative, from which "no difference" says something


def verdict(
    told: Sequence[Finding], wholes: Mapping[str, Weighed], measures: Mapping[str, Measure], *, arms: bool
) -> Verdict:
    """The verdict of a report whose data may be read."""
    verdicts = {one.verdict for one in told}
    if "invalid" in verdicts:
        return "invalid"
    if told:
        return "do_not_ship"
    if not arms:
        return "no_problem"
    if better(wholes, measures):
        return "ship"
    errors = [one.own_error for name, one in wholes.items() if measures[name].outcome and one.own_error > 0]
    return "no_problem" if errors and 2 * min(errors) <= DECISIVE else "keep_running"


def better(wholes: Mapping[str, Weighed], measures: Mapping[str, Measure]) -> list[str]:
    """Outcomes that are clearly better under the treatment, as words."""
    found = []
    for name, one in wholes.items():
        sign = measures[name].metric.sign
        if measures[name].outcome and one.own_error > 0 and sign * one.own / one.own_error >= BETTER:
            found.append(f"{measures[name].metric.title} {percent(one.own)}")
    return found


def headline(
    told: Sequence[Finding],
    base: Problems,
    wholes: Mapping[str, Weighed],
    measures: Mapping[str, Measure],
    settings: Settings,
) -> str:
    """The sentence that comes first."""
    if told:
        rest = sum(one.kind == "primary" for one in told) - 1
        more = f" {number_of('further problem', rest)} below." if rest else ""
        return told[0].sentence + more
    span = f"{base.slates:,} slates of {number_of('user', base.users)}, {base.days[0]} to {base.days[1]}"
    if settings.treatment is None:
        return f"No problem found in {span}."
    gains = better(wholes, measures)
    if gains:
        return f"No problem found under {settings.treatment} in {span}, and it is better: {listed(gains)}."
    if verdict(told, wholes, measures, arms=True) == "keep_running":
        few = "these are too few to rule one out. Keep it running"
        return f"No problem found under {settings.treatment} in {span}, but {few}."
    return f"No problem found under {settings.treatment} in {span}."
