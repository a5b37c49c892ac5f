"""Who writes about what more than others: arm against arm, after against before, a slice against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError
from recloop.experience.reading.keywords import keywords
from recloop.experience.reading.results import Comparison, Shift
from recloop.stats import Moments, benjamini_hochberg, newcombe

ALPHA = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Two sides of the comments.

    Attributes:
        ours, theirs: what they are called.
        own, other: expressions over the columns of the comments; a comment on neither side is left out.
        served: users of each side who could have written; None counts those who did.
    """

    ours: str
    theirs: str
    own: pl.Expr
    other: pl.Expr
    served: tuple[int, int] | None = None


def compare(
    table: pl.DataFrame, terms: pl.DataFrame, groups: NDArray[np.int64], names: Sequence[str], split: Split
) -> Comparison:
    """One comparison over all themes, with users as the unit: who writes twice about a theme counts once.

    Args:
        table: the comments, with ``user`` and what the split reads.
        terms: from ``term_counts``, of the same comments.
        groups: (comments,) the theme of each, -1 for none.
        names: of the themes.
        split: the sides.

    Raises:
        DataError: the comments have no column that the split names.
    """
    try:
        own, other = (
            table.select(side.fill_null(value=False).cast(pl.Boolean)).to_series() for side in (split.own, split.other)
        )
    except pl.exceptions.ColumnNotFoundError as error:
        raise DataError(
            f"the comments have no column {error}", advice=f"they have {', '.join(table.columns)}"
        ) from error
    ours, theirs = own.to_numpy(), other.to_numpy()
    wrote = tuple(int(table.filter(side)["user"].n_unique()) for side in (own, other))
    users = split.served or wrote
    of = "users who were served" if split.served else "users who wrote"
    counts = [_users(table, groups, side, len(names)) for side in (own, other)]
    shifts = []
    if min(users):
        effects = [
            newcombe(Moments.of_share(min(a, users[0]), users[0]), Moments.of_share(min(b, users[1]), users[1]), ALPHA)
            for a, b in zip(*(part.tolist() for part in counts), strict=True)
        ]
        adjusted = benjamini_hochberg([effect.p_value for effect in effects]).tolist() if effects else []
        for name, effect, p, a, b in zip(names, effects, adjusted, *(part.tolist() for part in counts), strict=True):
            clear = bool(p < ALPHA)
            word = ("more" if effect.estimate > 0 else "less") if clear else "no clear difference"
            sentence = (
                f"{name}: {effect.treatment:.1%} of the {of} in {split.ours} against {effect.control:.1%} in "
                f"{split.theirs}, {word} (between {100 * effect.low:+.1f} and {100 * effect.high:+.1f} points)"
            )
            shifts.append(Shift(name, int(a), int(b), effect, float(p), clear, sentence))
    both = ours | theirs
    return Comparison(
        ours=split.ours,
        theirs=split.theirs,
        users=(int(users[0]), int(users[1])),
        of=of,
        words=keywords(terms, ours, all_of=both) if ours.any() and theirs.any() else (),
        less=keywords(terms, theirs, all_of=both) if ours.any() and theirs.any() else (),
        shifts=tuple(sorted(shifts, key=lambda shift: -abs(shift.effect.estimate))),
    )


def _users(table: pl.DataFrame, groups: NDArray[np.int64], side: pl.Series, n: int) -> NDArray[np.int64]:
    """(n,) users of a side who write about each theme."""
    found = table.select("user", theme=pl.Series(groups)).filter(side & pl.Series(groups >= 0)).unique()
    return np.bincount(found["theme"].to_numpy(), minlength=n)[:n]
