import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, nearest
from recloop.experiments.checks.check import Check
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.experiments.words import listed, probability
from recloop.stats import Moments, always_valid, holm, welch

SUSPECT, BROKEN = 0.05, 0.001  # adjusted p-values below which a difference is yellow, and red
NAMED = 3


def balance(experiment: Experiment, table: pl.DataFrame, covariates: Sequence[str], basis: Basis = "fixed") -> Check:
    """Whether the arms were alike before the experiment: each covariate, each treatment against each control.

    Users without a value (null) are left out of its mean; whether they are as many in both arms is tested, too. All
    p-values are adjusted by Holm. A difference that chance makes (yellow) is mended by adjusting for the covariate;
    one that chance does not make (red) means that the split, or the log, is not what it is taken for.

    Args:
        experiment: names the pairs.
        table: one row per user, with the covariates; their values are older than the user's first slate.
        covariates: numeric columns.
        basis: ``fixed`` is Welch's test; under ``always valid`` the p-values hold at every look.

    Raises:
        DataError: a covariate is missing, holds text, NaN or infinite values.
    """
    found = [
        (said, _p_value(experiment, basis, pair, *sides))
        for covariate in covariates
        for pair in experiment.pairs
        for said, *sides in _compared(table, covariate, *pair)
    ]
    adjusted = holm([p for _, p in found])
    tested = sorted((p, said) for p, (said, _) in zip(adjusted.tolist(), found, strict=True) if p <= 1)
    if not tested:
        return Check("balance", "green", f"{listed(list(covariates))}: too few users to compare.")
    worst, over = tested[0][0], f"after Holm over {len(tested)} comparison{'s' if len(tested) > 1 else ''}"
    if worst >= SUSPECT:
        alike = f"The variants were alike before the start in {listed(list(covariates))}"
        return Check("balance", "green", f"{alike} (smallest {probability(worst)} {over}).")
    named = listed([f"{said} ({probability(p)})" for p, said in tested[:NAMED] if p < SUSPECT])
    differed = f"The variants differed before the start: {named}, {over}."
    if worst < BROKEN:
        return Check("balance", "red", f"{differed} The split, or the log, is not what it is taken for.")
    return Check("balance", "yellow", f"{differed} It may be chance: adjust for it.")


def _compared(
    table: pl.DataFrame, covariate: str, treatment: str, control: str
) -> Iterator[tuple[str, Moments, Moments]]:
    """What two arms have, in words and as moments: the mean, and how many users have a value."""
    sides = [_numbers(table.filter(variant=name), covariate) for name in (treatment, control)]
    t, c = (Moments.of(side[~np.isnan(side)]) for side in sides)
    spread = math.sqrt((t.m2 + c.m2) / max(t.n + c.n - 2, 1))
    apart = f", {(t.mean - c.mean) / spread:+.2f} standard deviations" if spread > 0 else ""
    yield f"{covariate} is {t.mean:.4g} under {treatment} and {c.mean:.4g} under {control}{apart}", t, c
    if any(np.isnan(side).any() for side in sides):
        t, c = (Moments.of(~np.isnan(side)) for side in sides)
        said = f"{covariate} is known of {t.mean:.1%} of users under {treatment} and {c.mean:.1%} under {control}"
        yield said, t, c


def _p_value(experiment: Experiment, basis: Basis, pair: tuple[str, str], t: Moments, c: Moments) -> float:
    if min(t.n, c.n) < 2:
        return math.nan
    return (welch(t, c) if basis == "fixed" else always_valid(t, c, planned=experiment.planned_for(*pair))).p_value


def _numbers(table: pl.DataFrame, covariate: str) -> NDArray[np.float64]:
    """One number per user, NaN where there is none."""
    if covariate not in table.columns:
        raise DataError(f"the user table has no covariate '{covariate}'", advice=nearest(covariate, table.columns))
    column = table[covariate]
    if not (column.dtype.is_numeric() or column.dtype in {pl.Boolean, pl.Null}):
        raise DataError(f"covariate '{covariate}' holds {column.dtype}", allowed="numbers, or true and false")
    values = column.cast(pl.Float64)
    bad = int((~values.is_finite()).sum())
    if bad:
        raise DataError(
            f"covariate '{covariate}' is NaN or infinite for {bad:,} users", allowed="numbers, null where not known"
        )
    return values.fill_null(math.nan).to_numpy()
