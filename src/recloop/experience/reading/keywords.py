"""The words that tell one group of comments from another."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.language.lexicon import singular, term_table
from recloop.stats.log_odds import log_odds

TELLING = 2.0  # standard errors of the log-odds above which a term is told
FEWEST = 2  # users who say it
PRIOR = 200.0  # pseudo-counts in all


def term_counts(texts: Sequence[str], users: Sequence[str]) -> pl.DataFrame:
    """text, user, term: each word and pair of words of each text once; small words and single letters left out."""
    table = term_table(texts).join(
        pl.DataFrame({"user": pl.Series(users, dtype=pl.String)}).with_row_index("text"), on="text"
    )
    words = pl.col("term").str.split(" ")
    small = words.list.eval(pl.element().is_in(SMALL) | (pl.element().str.len_chars() < 2)).list.any()
    return table.filter(~small)


def keywords(
    terms: pl.DataFrame, ours: NDArray[np.bool_], *, most: int = 6, all_of: NDArray[np.bool_] | None = None
) -> tuple[str, ...]:
    """The terms that the one group says more than the other, most telling first.

    A term counts once per user and group, so that one angry user is not a theme. Of terms that share a word, as one or
    as many, the more telling one stays. The prior is the use of each term in both groups, brought to 200 (Monroe et al.
    2008, section 3.5.1).

    Args:
        terms: from ``term_counts``.
        ours: (texts,) bool, the texts of the one group.
        most: terms at most.
        all_of: (texts,) bool, which texts are compared at all; None for all.

    >>> texts = ["the bag was lost", "lost my bag", "lost bag again", "late again", "so late", "late flight"]
    >>> keywords(term_counts(texts, list("abcdef")), np.array([1, 1, 1, 0, 0, 0], bool))
    ('bag', 'lost')
    """
    rows = terms["text"].to_numpy()
    own = pl.Series("own", ours[rows])
    kept = terms.with_columns(own)
    if all_of is not None:
        kept = kept.filter(pl.Series(all_of[rows]))
    counted = (
        kept.unique(["user", "own", "term"])
        .group_by("term")
        .agg(ours=pl.col("own").sum(), theirs=(~pl.col("own")).sum())
        .sort("term")
    )
    if not counted.height:
        return ()
    a, b = (counted[name].to_numpy().astype(np.float64) for name in ("ours", "theirs"))
    z = log_odds(a, b, PRIOR * (a + b) / (a + b).sum())
    # with few texts nothing is sure: then what is said most stands for itself
    telling = counted.with_columns(z=z).filter(pl.col("z") > min(TELLING, float(z.max()) / 2), pl.col("ours") >= FEWEST)
    ranked = telling.sort(["z", "term"], descending=[True, False])["term"].head(10 * most).to_list()
    told: dict[str, set[str]] = {}
    for term in ranked:  # some dozens
        parts = {singular(word) for word in term.split()}
        if not any(parts & known for known in told.values()):
            told[term] = parts
    return tuple(told)[:most]


SMALL = frozenset(
    """
    a about after again all also am an and any are as at be because been before being both but by can can't cannot could
    did didn't do does doesn't doing don't down each few for from further get got had has have having he her here hers
    him his how i i'd i'll i'm i've if in into is isn't it it's its just let me more most my no nor not now of off on
    once only or other our out over own same she should so some such than that that's the their them then there these
    they this those through to too under until up us very was we we've were what when where which while who whom why
    will with won't would you you're your amp http https co im u ur
    """.split()  # noqa: SIM905  a table is read more easily than a list of quotes
)
