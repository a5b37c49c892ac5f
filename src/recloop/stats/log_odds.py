"""Which words one group of texts uses more than another, and how sure that is."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recloop.errors import DataError


def log_odds(ours: ArrayLike, theirs: ArrayLike, prior: ArrayLike) -> NDArray[np.float64]:
    """The difference of each word's log-odds in two groups over its standard error: above 2, ours says it more.

    Args:
        ours: (w,) how often each word occurs in the one group.
        theirs: likewise, in the other.
        prior: (w,) pseudo-counts above 0, such as the counts in a background brought to a smaller sum: they pull rare
            words, whose odds are all chance, towards no difference.

    Source: B. L. Monroe, M. P. Colaresi, K. M. Quinn, "Fightin' words: lexical feature selection and evaluation for
    identifying the content of political conflict", Political Analysis 16 (2008), equations 15, 16, 20 and 22.

    Raises:
        DataError: lengths differ, a count is negative, or a pseudo-count is not above 0.

    >>> log_odds([8, 2, 10], [2, 8, 10], [1, 1, 1]).round(2).tolist()
    [2.18, -2.18, 0.0]
    """
    a, b, c = (np.asarray(given, np.float64) for given in (ours, theirs, prior))
    if not a.shape == b.shape == c.shape or a.ndim != 1:
        raise DataError(
            f"counts of {a.size} and {b.size} words come with {c.size} pseudo-counts", allowed="one of each per word"
        )
    if a.size and not (min(a.min(), b.min()) >= 0 and c.min() > 0):
        raise DataError(
            "a count is negative or a pseudo-count not above 0", allowed="counts from 0, pseudo-counts above"
        )
    a, b = a + c, b + c
    odds = np.log(a / np.maximum(a.sum() - a, 1e-9)) - np.log(b / np.maximum(b.sum() - b, 1e-9))
    found: NDArray[np.float64] = odds / np.sqrt(1 / a + 1 / b)
    return found
