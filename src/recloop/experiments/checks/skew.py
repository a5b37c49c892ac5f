from recloop.experiments.arms import Arms
from recloop.experiments.checks.check import Check


def skew_check(arms: Arms, metric: str, pairs: tuple[tuple[str, str], ...]) -> list[Check]:
    """Whether arms of unequal size have users enough for so skewed a metric (``stats.skewness``).

    No check where arms are of one size: there skew cancels.
    """
    title, said = arms.metrics[metric].title, []
    unequal = [pair for pair in pairs if not arms.incomparable(metric, *pair) and arms.unequal(metric, *pair)]
    if not unequal:
        return []
    for treatment, control in unequal:
        if needed := arms.users_needed(metric, treatment, control):
            sizes = {name: arms.moments[metric, name].n for name in (treatment, control)}
            small = min(sizes, key=lambda name: sizes[name])
            said.append(f"{needed:,} users of {small}, which has {sizes[small]:,}, against {max(sizes.values()):,}")
    if not said:
        return [Check("skew", "green", f"There are users enough for the skew of {title}.")]
    words = (
        f"{title[0].upper()}{title[1:]} is skewed, and arms differ in size: false alarms are more frequent than "
        f"promised until there are {' and '.join(said)}. A cap (winsorise), or arms of one size, need fewer."
    )
    return [Check("skew", "yellow", words)]
