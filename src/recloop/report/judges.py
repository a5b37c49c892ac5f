"""The page of ``recloop judges``: what each judge said of a policy, and how far it foretold live users."""

import math

from markupsafe import Markup

from recloop.charts import Interval, Point, Series, intervals, lines, scatter
from recloop.charts.scale import percent
from recloop.evaluate.opinions import JUDGES, LIVE, Agreement, Opinion, caution
from recloop.report.page import render

MORE = (
    "Name the run of a policy with --run, and what recloop evaluate --off-policy --json or recloop simulate --json "
    "printed with --from."
)
TONES = {LIVE: "first", "held-out": "quiet", "off-policy": "second", "simulated": "good"}


def judges_page(
    opinions: tuple[Opinion, ...], found: tuple[Agreement, ...], left_out: tuple[str, ...], now: float
) -> str:
    """The forest of every pair, and of each judge its points beside live ones, its line, and how that grew."""
    pairs = sorted({one.pair for one in opinions if one.judge == LIVE} or {one.pair for one in opinions})
    values = {
        "title": "How far offline numbers can be trusted",
        "tone": "good" if any(one.line for one in found) else "warn",
        "first": said(found)[0],
        "sentences": said(found)[1:],
        "forest": Markup(forest(opinions, pairs)) if pairs else "",  # noqa: S704 -- ours
        "judges": [_judge(one) for one in found],
        "rows": [_row(one) for pair in pairs for judge in JUDGES for one in opinions
                 if one.pair == pair and one.judge == judge],
        "left_out": left_out,
    }  # fmt: skip
    return render("judges.html", values, kind="held-out, off-policy, simulated and live", now=now)


def forest(opinions: tuple[Opinion, ...], pairs: list[tuple[str, str]]) -> str:
    """The lift of each policy over its control by each judge, the newest opinion of each."""
    rows = []
    for policy, control in pairs:
        for judge in JUDGES:
            same = [one for one in opinions if one.pair == (policy, control) and one.judge == judge]
            if same:
                newest = max(same, key=lambda one: one.time)
                rows.append(Interval(f"{policy} / {control}\n{judge}", newest.lift, *newest.interval(), TONES[judge]))
    return intervals(rows, "Lift over the control by judge", unit="lift over the control", reference=0.0, form=percent)


def said(found: tuple[Agreement, ...]) -> list[str]:
    """What is known of each judge, in sentences.

    >>> said(())
    ['No pair of policies was judged both offline and by live users yet. Name the run of a policy with --run...
    """
    if not found:
        return [f"No pair of policies was judged both offline and by live users yet. {MORE}"]
    return [_sentence(one) for one in found]


def _sentence(one: Agreement) -> str:
    words = f"{one.judge}: "
    if one.line is not None:
        line = one.line
        words += f"a lift of 10% there came out as {percent(line.intercept + 0.1 * line.slope)} with live users "
        words += f"(slope {line.slope:.2f}, between {_end(line.slope_low)} and {_end(line.slope_high)})"
    if one.ordering is not None and not math.isnan(one.ordering.correlation):
        words += f"{'; ' if one.line else ''}the rank correlation is {one.ordering.correlation:.2f}"
        if not math.isnan(one.ordering.low):
            words += f" ({one.ordering.low:.2f} to {one.ordering.high:.2f})"
    if not math.isnan(one.same_sign):
        words += (
            f"{'; ' if words[-2:] != ': ' else ''}it foretold the sign of {one.same_sign:.0%} of the clear live effects"
        )
    few = caution(one)
    return (words if words[-2:] != ": " else words[:-2]) + (f". {few}" if few else ".")


def _end(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "anything"


def _judge(one: Agreement) -> dict[str, object]:
    apart = len({b.control for _, b in one.pairs}) > 1
    points = [
        Point(f"{b.policy} / {b.control}" if apart else b.policy, a.lift, b.lift, tone="first") for a, b in one.pairs
    ]
    grown = [step for step in one.grown if math.isfinite(step.correlation)]
    slopes = [step for step in one.grown if math.isfinite(step.slope)]
    growth = []
    if len(grown) > 1:
        growth.append(Series("rank correlation", [s.pairs for s in grown], [s.correlation for s in grown]))
    if len(slopes) > 1:
        growth.append(
            Series("slope", [s.pairs for s in slopes], [s.slope for s in slopes], [s.slope_low for s in slopes],
                   [s.slope_high for s in slopes], tone="second")
        )  # fmt: skip
    dots = scatter(
        points,
        f"{one.judge} beside live",
        x_label=f"lift, {one.judge}",
        y_label="live lift",
        form=percent,
        diagonal=True,
    )
    ticks = [(float(step.pairs), str(step.pairs)) for step in one.grown[:: max(1, len(one.grown) // 8)]]
    heard = "Agreement as experiments came in"
    course = lines(growth, heard, x_label="experiments", reference=1.0, x_ticks=ticks) if growth else ""
    return {"name": one.judge, "scatter": Markup(dots), "growth": Markup(course)}  # noqa: S704 -- ours


def _row(one: Opinion) -> dict[str, str]:
    low, high = one.interval()
    return {
        "policy": one.policy,
        "control": one.control,
        "judge": one.judge,
        "lift": percent(one.lift),
        "interval": f"{percent(low)} to {percent(high)}" if math.isfinite(low) else "–",
        "metric": one.metric or "–",
        "source": one.source,
    }
