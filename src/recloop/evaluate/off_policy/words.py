"""What a judgement says, in sentences."""

import math

from recloop.evaluate.off_policy.judgement import Judged, Judgement


def sentences(found: Judgement) -> list[str]:
    """The answer first: which policy is best, whether it beats what was logged, and of which nothing is concluded.

    >>> import numpy as np
    >>> from recloop.evaluate.off_policy.judge import judge_policies
    >>> from recloop.evaluate.off_policy.logged import Logged, Target
    >>> rng = np.random.default_rng(1)
    >>> done = rng.integers(0, 2, 4000)
    >>> log = Logged.of(np.array(["a", "b"])[done], (rng.random(4000) < 0.1 + 0.2 * done) * 1.0, np.full(4000, 0.5))
    >>> sentences(judge_policies(log, [Target.of("mostly b", log, [0.1, 0.9])], rng=rng))[0]
    'mostly b would have earned 0.2842 a round, between 0.2666 and 0.303: more than what was logged, 0.203 (p = 3e-74).'
    """
    sure = [one for one in found.policies if one.concludes]
    said = []
    if not sure:
        said.append("Nothing can be concluded about any of these policies from this log.")
    for place, one in enumerate(sure):
        words = f"{one.policy} would have earned {_value(one.value)} a round, between {_value(one.low)} and "
        words += f"{_value(one.high)}: {_against(one, found)}"
        if place and not math.isnan(one.p_best):
            words += (
                f"; less than {sure[0].policy} (p = {one.p_best:.2g})"
                if one.p_best < found.alpha
                else f"; the log cannot tell it from {sure[0].policy} (p = {one.p_best:.2g})"
            )
        said.append(words + ".")
    refused = (one for one in found.policies if not one.concludes)
    return said + [f"Nothing is concluded about {one.policy}: {_why(one)}." for one in refused]


def verdict(one: Judged, alpha: float) -> str:
    """better, worse, or open beside what was logged; refused where nothing is concluded."""
    if not one.concludes:
        return "refused"
    if one.p_value >= alpha:
        return "open"
    return "better" if one.lift[0] > 0 else "worse"


def _against(one: Judged, found: Judgement) -> str:
    what = f"what was logged, {_value(found.logged[0])} (p = {one.p_value:.1g})"
    if one.p_value >= found.alpha:
        return f"the log cannot tell it from {what}"
    return f"{'more' if one.lift[0] > 0 else 'less'} than {what}"


def _why(one: Judged) -> str:
    reasons = [objection for objection in one.objections if objection.refuses]
    return "; ".join(objection.said for objection in reasons) + f". What would help: {reasons[0].help}"


def _value(value: float) -> str:
    return f"{value:.4g}"
