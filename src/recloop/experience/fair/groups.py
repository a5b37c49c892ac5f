"""Who users are, from what requests told of them: one column of text per attribute, few enough values to compare."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from recloop.errors import DataError, nearest

OTHER = "(other)"
TIMES = " × "
MOST = 9
"""Groups that an attribute keeps; what is rarer becomes ``(other)``, or a band of numbers."""
BANDS = 4
ATTRIBUTES = 6
"""Attributes that are crossed with each other; more would make cells of nobody."""
_NAMES = r'"((?:profile|context)\.[^"\\]+)"\s*:'


def told(decisions: pl.DataFrame, prefix: str = "profile.") -> pl.DataFrame:
    """What requests told of users: one row per user, one column of text per attribute, null where nothing was told.

    The first word of a user stands: what is told later could be the treatment's own work.

    Args:
        decisions: user, time, context (JSON text, as ``Store.decisions`` gives it).
        prefix: which keys; it is left out of the columns' names.

    Raises:
        DataError: a column is missing.

    >>> told(pl.DataFrame({"user": ["a", "a", "b"], "time": [1.0, 2.0, 3.0],
    ...     "context": ['{"profile.sex": "f"}', '{"profile.sex": "m"}', ""]})).rows()
    [('a', 'f'), ('b', None)]
    """
    lacking = [name for name in ("user", "time", "context") if name not in decisions.columns]
    if lacking:
        raise DataError(f"the decisions have no column {', '.join(lacking)}", allowed="user, time and context")
    texts = decisions.select("context").unique().drop_nulls()
    names = texts["context"].str.extract_all(_NAMES).explode().drop_nulls().unique().str.extract(_NAMES)
    wanted = sorted(name for name in names.to_list() if name and name.startswith(prefix))
    columns = [
        pl.col("context").str.json_path_match(f'$["{name}"]').alias(name.removeprefix(prefix)) for name in wanted
    ]
    known = texts.with_columns(columns).with_columns(
        pl.when(pl.col(column) != "").then(pl.col(column)) for column in (n.removeprefix(prefix) for n in wanted)
    )
    rows = decisions.select("user", "time", "context").join(known, on="context", how="left").sort("time")
    firsts = [pl.col(name.removeprefix(prefix)).drop_nulls().first() for name in wanted]
    return rows.group_by("user", maintain_order=True).agg(firsts)


def tidy(users: pl.DataFrame) -> pl.DataFrame:
    """Attributes with at most ``MOST`` values each: numbers become bands, what is rare becomes ``(other)``.

    Args:
        users: one row per user, ``user`` and attributes.

    >>> ages = pl.DataFrame({"user": range(40), "age": [str(20 + n) for n in range(40)]})
    >>> tidy(ages)["age"].unique().sort().to_list()
    ['20–29', '30–39', '40–49', '50–59']
    """
    return users.with_columns(_tidy(users[name]) for name in users.columns if name != "user")


def _tidy(column: pl.Series) -> pl.Series:
    name, words = column.name, column.cast(pl.String)
    if words.n_unique() <= MOST:
        return words
    numbers = words.cast(pl.Float64, strict=False)
    if numbers.count() >= 0.95 * words.count():
        return _bands(numbers).alias(name)
    kept = words.drop_nulls().value_counts(sort=True, name="n").head(MOST - 1)[name]
    frame = pl.select(
        pl.when(words.is_null()).then(None).when(words.is_in(kept.implode())).then(words).otherwise(pl.lit(OTHER))
    )
    return frame.to_series().alias(name)


def _bands(numbers: pl.Series) -> pl.Series:
    """Numbers as bands that hold about as many users each."""
    known = numbers.drop_nulls().drop_nans()
    edges = np.unique(np.quantile(known.to_numpy(), np.linspace(0, 1, BANDS + 1)[1:-1], method="higher"))
    band = np.searchsorted(edges, numbers.fill_null(np.nan).to_numpy(), side="right")
    frame = pl.DataFrame({"at": numbers, "band": band}).with_columns(
        low=pl.col("at").min().over("band"), high=pl.col("at").max().over("band")
    )
    said = pl.concat_str(_figure("low"), pl.lit("–"), _figure("high"))
    return frame.select(pl.when(pl.col("at").is_not_null()).then(said)).to_series()


def _figure(name: str) -> pl.Expr:
    whole = pl.col(name).cast(pl.Int64, strict=False)
    return pl.when(pl.col(name) == whole).then(whole.cast(pl.String)).otherwise(pl.col(name).round(2).cast(pl.String))


def crossed_groups(users: pl.DataFrame, attributes: Sequence[str] | None = None) -> pl.DataFrame:
    """The attributes, and every pair of them as one more column: ``sex × age``, with values such as ``f × 18–29``.

    A user counts in a pair where both are known.

    Args:
        users: one row per user, ``user`` and attributes with few values.
        attributes: which to keep; all where None. Of more than six only the first six are crossed.

    Raises:
        DataError: an attribute is not there.

    >>> crossed_groups(pl.DataFrame({"user": ["1", "2"], "sex": ["f", "m"], "tier": ["a", None]})).columns
    ['user', 'sex', 'tier', 'sex × tier']
    """
    known = [name for name in users.columns if name != "user"]
    wanted = known if attributes is None else list(attributes)
    for name in wanted:
        if name not in known:
            raise DataError(f"nothing is known of the attribute '{name}'", advice=nearest(name, known))
    pairs = combinations(wanted[:ATTRIBUTES], 2)
    joined = [pl.concat_str(one, other, separator=TIMES).alias(f"{one}{TIMES}{other}") for one, other in pairs]
    return users.select("user", *wanted).with_columns(joined)
