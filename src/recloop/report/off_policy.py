"""The page and the picture of ``recloop evaluate --off-policy``: policies by one log, with what it cannot tell."""

import math

from markupsafe import Markup

from recloop.charts import Interval, intervals
from recloop.charts.scale import number
from recloop.evaluate.off_policy import TITLES, Judged, Judgement
from recloop.evaluate.off_policy.words import sentences, verdict
from recloop.report.page import render, style

TONES = {"better": "good", "worse": "bad", "open": "", "refused": "quiet"}


def off_policy_chart(found: Judgement) -> str:
    """Every policy with its interval and what its rounds are worth; dashed is what was logged."""
    rows = [
        Interval(
            f"{one.policy}\n{one.weights.effective:,.0f} rounds, {one.rewards:,.0f} hits",
            one.value,
            one.low,
            one.high,
            TONES[verdict(one, found.alpha)],
        )
        for one in found.policies
    ]
    return intervals(rows, "Mean reward of a round by policy", unit="mean reward of a round", reference=found.logged[0])


def off_policy_picture(found: Judgement) -> str:
    """The chart as a file of its own, with its style inside."""
    return off_policy_chart(found).replace("</title>", f"</title><style>{style()}</style>", 1)


def off_policy_page(found: Judgement, now: float) -> str:
    """Sentences, chart, the table of policies with what speaks against each, and every estimator, as one page."""
    names = [name for name in TITLES if any(name == entry.estimator for one in found.policies for entry in one.all)]
    values = {
        "title": "What the policies would have earned",
        "tone": _tone(found),
        "first": sentences(found)[0],
        "sentences": sentences(found)[1:],
        "source": found.source,
        "left_out": found.left_out,
        "tiles": [
            ("rounds", f"{found.rounds:,}"),
            ("users", f"{found.users:,}"),
            ("rounds with a reward", f"{found.rewarded:,}"),
            ("mean reward, as logged", number(found.logged[0])),
        ],
        "chart": Markup(off_policy_chart(found)),  # noqa: S704 -- ours
        "rows": [_row(one, found) for one in found.policies],
        "objections": [(one.policy, entry) for one in found.policies for entry in one.objections],
        "names": [one.policy for one in found.policies],
        "matrix": [(TITLES[name], [_cell(one, name) for one in found.policies]) for name in names],
        "level": f"{1 - found.alpha:.0%}",
    }
    return render("off_policy.html", values, kind="off-policy evaluation", now=now, simulation=found.simulation)


def _tone(found: Judgement) -> str:
    said = {verdict(one, found.alpha) for one in found.policies}
    return "good" if "better" in said else "warn" if said == {"refused"} else ""


def _row(one: Judged, found: Judgement) -> dict[str, str]:
    return {
        "policy": one.policy,
        "verdict": verdict(one, found.alpha),
        "tone": {"better": "good", "worse": "bad", "refused": "warn"}.get(verdict(one, found.alpha), ""),
        "value": number(one.value),
        "interval": f"{number(one.low)} to {number(one.high)}",
        "bootstrap": f"{number(one.bootstrap[0])} to {number(one.bootstrap[1])}",
        "anytime": f"{number(one.anytime[0])} to {number(one.anytime[1])}" if one.anytime else "–",
        "lift": f"{number(one.lift[0])} ({number(one.lift[1])} to {number(one.lift[2])})",
        "effective": f"{one.weights.effective:,.0f} ({one.weights.share:.0%})",
        "rewards": f"{one.rewards:,.0f}",
        "largest": f"{one.weights.largest:,.1f}",
        "tail": "–" if math.isnan(one.weights.tail) else f"{one.weights.tail:.2f}",
        "missing": "–" if math.isnan(one.missing) else f"{one.missing:.1%}",
        "estimator": TITLES[one.estimator],
        "method": one.method or "–",
    }


def _cell(one: Judged, name: str) -> dict[str, str]:
    found = next((entry for entry in one.all if entry.estimator == name), None)
    if found is None:
        return {"value": "–", "interval": "", "tone": ""}
    spread = "noise" if found.biased else "interval"
    tone = "best" if name == one.estimator else "quiet" if found.biased else ""
    return {
        "value": number(found.value), "interval": f"{spread} {number(found.low)} to {number(found.high)}", "tone": tone
    }  # fmt: skip
