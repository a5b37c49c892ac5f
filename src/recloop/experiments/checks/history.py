import numpy as np

from recloop.experiments.checks.check import Check
from recloop.experiments.words import probability
from recloop.stats import uniformity
from recloop.stats.moments import Values

FEWEST = 10  # A/A readouts below which their p-values say nothing
SUSPECT, BROKEN = 0.05, 0.001


def aa_history(p_values: Values, alpha: float = 0.05) -> Check:
    """Whether earlier A/A experiments, in which both arms got the same, raised as few alarms as promised.

    Where p-values of comparisons without a difference are too small, the pipeline finds effects that are not there:
    units that are not independent, a variance that is too small, users who are counted by what they did. Then no
    p-value of the same pipeline may be believed. Larger ones are no alarm: always-valid p-values are careful by design.

    Args:
        p_values: of the primary metric of each A/A readout, one per experiment.
        alpha: the error rate that was promised.

    Raises:
        DataError: a p-value is not between 0 and 1.

    >>> aa_history([i / 40 for i in range(1, 40)]).sentence
    'Of 39 A/A experiments 2.6% were below 0.05, and their p-values are as large as promised (p = 0.94).'
    """
    given = np.asarray(p_values, dtype=np.float64).ravel()
    known = given[~np.isnan(given)]
    if len(known) < FEWEST:
        return Check(
            "A/A history", "green", f"{len(known)} A/A experiments so far; {FEWEST} are needed to judge the pipeline."
        )
    found = uniformity(known, alpha)
    seen = f"Of {found.n} A/A experiments {found.below:.1%} were below {alpha:g}"
    if found.p_value >= SUSPECT:
        return Check(
            "A/A history",
            "green",
            f"{seen}, and their p-values are as large as promised ({probability(found.p_value)}).",
        )
    return Check(
        "A/A history",
        "red" if found.p_value < BROKEN else "yellow",
        f"{seen}, and their p-values are smaller than chance makes them ({probability(found.p_value)}, Kolmogorov and "
        "Smirnov, one-sided): the pipeline finds effects that are not there.",
    )
