import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, nearest
from recloop.experiments.checks.check import Check
from recloop.experiments.definition import Experiment
from recloop.experiments.guardrails import Basis
from recloop.experiments.words import adjusted_over, listed, probability
from recloop.stats import Moments, always_valid, holm, welch

SUSPECT, BROKEN = 0.05, 0.001  # adjusted p-values below which a difference is yellow, and red
NAMED = 3
Side = tuple[str, Moments, Moments]  # an arm, its known values, and whether a value is known


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
    arms = {name: table.filter(variant=name) for pair in experiment.pairs for name in pair}
    moments = {name: {c: _moments(_numbers(side, c)) for c in covariates} for name, side in arms.items()}
    return alike(experiment, moments, covariates, basis)


def alike(
    experiment: Experiment,
    arms: Mapping[str, Mapping[str, tuple[Moments, Moments]]],
    covariates: Sequence[str],
    basis: Basis = "fixed",
) -> Check:
    """The same from moments: arm → covariate → those of the known values, and those of 1 where there is one, else 0."""
    found = [
        (said, _p_value(experiment, basis, (treatment, control), *sides))
        for covariate in covariates
        for treatment, control in experiment.pairs
        for said, *sides in _compared(
            covariate, (treatment, *arms[treatment][covariate]), (control, *arms[control][covariate])
        )
    ]
    adjusted = holm([p for _, p in found])
    tested = sorted((p, said) for p, (said, _) in zip(adjusted.tolist(), found, strict=True) if p <= 1)
    if not tested:
        return Check("balance", "green", f"{listed(list(covariates))}: too few users to compare.")
    worst, over = tested[0][0], adjusted_over("Holm", len(tested), "comparison")
    if worst >= SUSPECT:
        alike = f"The variants were alike before the start in {listed(list(covariates))}"
        return Check("balance", "green", f"{alike} (smallest {probability(worst)}{over}).")
    named = listed([f"{said} ({probability(p)})" for p, said in tested[:NAMED] if p < SUSPECT])
    differed = f"The variants differed before the start: {named}{over}."
    if worst < BROKEN:
        return Check("balance", "red", f"{differed} The split, or the log, is not what it is taken for.")
    return Check("balance", "yellow", f"{differed} It may be chance: adjust for it.")


def _moments(values: NDArray[np.float64]) -> tuple[Moments, Moments]:
    unknown = np.isnan(values)
    return Moments.of(values[~unknown]), Moments.of(~unknown)


def _compared(covariate: str, treatment: Side, control: Side) -> Iterator[tuple[str, Moments, Moments]]:
    """What two arms have, in words and as moments: the mean, and how many users have a value."""
    (treated, t, t_known), (other, c, c_known) = treatment, control
    spread = math.sqrt((t.m2 + c.m2) / max(t.n + c.n - 2, 1))
    apart = f", {(t.mean - c.mean) / spread:+.2f} standard deviations" if spread > 0 else ""
    yield f"{covariate} is {t.mean:.4g} under {treated} and {c.mean:.4g} under {other}{apart}", t, c
    if min(t_known.mean, c_known.mean) < 1:
        shares = f"{t_known.mean:.1%} of users under {treated} and {c_known.mean:.1%} under {other}"
        yield f"{covariate} is known of {shares}", t_known, c_known


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
