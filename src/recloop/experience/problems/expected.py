"""What users did earlier, taken out: those who always clicked much are expected to, in whichever arm they are."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from recloop.errors import DataError
from recloop.experience.problems.coded import Coded, Floats
from recloop.experience.problems.measures import Measure

GAIN = 0.02  # part of the variance among users that must be explained for it to be worth it
LEAST = 0.1  # of the usual: nobody is expected to do less


def with_expected(coded: Coded, slates: pl.DataFrame, earlier: pl.DataFrame, measures: Mapping[str, Measure]) -> Coded:
    """The rows with what is expected of their users by what they did before the time that is looked at.

    Users differ more from each other than a treatment changes them. What they did before cannot come from the
    treatment, and where chance assigned them it is alike in both arms, so taking it out leaves the effect as it is and
    its error smaller. A user's earlier ratio is drawn to that of all by how little is known of it (variance within and
    between users by the method of moments)::

        b = (y0 - R0 x0) / (R0 (x0 + within / between)),   centred

    and the metric is judged by ``x (1 + theta b)`` in place of ``x``: observed over expected, as in indirect
    standardisation. Theta is the slope of what users do now on what was expected. To first order this is CUPED, but
    effects stay relative to the level of the slice. Users without earlier slates are expected to be like all.

    Source: A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data", WSDM 2013, sections 3.1 and 3.2.

    Args:
        coded: the rows.
        slates: the table that they were made of, row by row.
        earlier: slates of before with the same columns, one row per slate.
        measures: that are watched.

    Raises:
        DataError: ``earlier`` has no column user.
    """
    if "user" not in earlier.columns:
        raise DataError("the earlier slates have no column user", allowed="one row per slate, with the same columns")
    users = pl.DataFrame({"user": slates["user"], "code": coded.user}).unique("user")
    known = earlier.with_columns(pl.col("user").cast(pl.String)).join(users, on="user")
    if "slates" not in known.columns:
        known = known.with_columns(slates=pl.lit(1))
    expected, notes = {}, []
    for name, measure in measures.items():
        y, x = coded.sums[name]
        if measure.metric.missing(known) or bool((y < 0).any()):
            continue
        usual = _usual(coded, known, *measure.metric.columns)
        if usual is None:
            continue
        y_user, x_user = (np.bincount(coded.user, one, coded.users) for one in (y, x))
        usual = usual - float((x_user * usual).sum() / x_user.sum())
        rest = y_user - y_user.sum() / x_user.sum() * x_user
        shape = x_user * usual
        both, size, whole = (float((a * b).sum()) for a, b in ((rest, shape), (shape, shape), (rest, rest)))
        gain = both * both / (size * whole) if size > 0 and whole > 0 else 0.0
        theta = min(both / size / (y_user.sum() / x_user.sum()), 1.0) if size > 0 else 0.0
        if theta > 0 and gain >= GAIN:
            expected[name] = x * np.maximum(1 + theta * usual, LEAST)[coded.user]
            what = f"what users did earlier explains {gain:.0%} of how they differ, and is taken out"
            notes.append(f"{measure.metric.title}: {what}.")
    return replace(coded, expected=expected, notes=(*coded.notes, *notes))


def _usual(coded: Coded, known: pl.DataFrame, numerator: str, denominator: str) -> Floats | None:
    """(users,) how much more of it each user did than all, relative, drawn to 0; None where users do not differ."""
    each = known.select("code", y=pl.col(numerator).cast(pl.Float64), x=pl.col(denominator).cast(pl.Float64))
    each = each.drop_nulls().filter(pl.col("x") > 0)
    at = each["code"].to_numpy()
    y, x = each["y"].to_numpy(), each["x"].to_numpy()
    n = coded.users
    total_y, total_x, yy, xy, xx = (np.bincount(at, one, n) for one in (y, x, y * y, x * y, x * x))
    if not total_y.sum() > 0:
        return None
    level = float(total_y.sum() / total_x.sum())
    safe = np.where(total_x > 0, total_x, 1.0)
    ratio = total_y / safe
    free = float((total_x - xx / safe).sum())
    within = float((yy - 2 * ratio * xy + ratio**2 * xx).sum()) / free if free > 0 else 0.0
    apart = total_y - level * total_x
    between = (float((apart * apart).sum()) - within * float(total_x.sum())) / float((total_x * total_x).sum())
    if not (between > 0 and free > 0):
        return None
    usual: Floats = apart / (level * (total_x + within / between))
    return usual
