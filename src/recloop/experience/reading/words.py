"""What the comments of some say that those of others do not: the answer for who looks for problems."""

from collections.abc import Callable

import numpy as np
import polars as pl

from recloop.experience.problems.schema import Quote, Said
from recloop.experience.reading.compare import Split
from recloop.experience.reading.read import read_comments
from recloop.language.sentiment import Sentiment


def whose_words(mood: Sentiment, seed: int = 0) -> Callable[[pl.DataFrame, pl.DataFrame], Said]:
    """A reader of the comments inside a slice against those outside, for ``find_problems(words=...)``.

    What it tells are the themes that the inside has clearly more of, clearest first, and the users and comments about
    these; where there is no such theme, the words that the inside says more.

    Args:
        mood: its encoder groups the comments.
        seed: of the grouping.

    Returns:
        A function of two tables with id, user, time and text: the comments inside, and all others.

    >>> texts = ["cards do not open", "the cards never open"] * 6, ["nice picks today", "lovely picks"] * 6
    >>> inside, outside = (pl.DataFrame({
    ...     "id": [f"{side}{i}" for i in range(12)], "user": [f"{side}{i}" for i in range(12)], "time": [0.0] * 12,
    ...     "text": said}) for side, said in zip("ab", texts))
    >>> found = whose_words(Sentiment())(inside, outside)
    >>> found.people, "cards" in found.themes[0]
    (12, True)
    """

    def read(inside: pl.DataFrame, outside: pl.DataFrame) -> Said:
        both = pl.concat([inside.select(COLUMNS, own=True), outside.select(COLUMNS, own=False)])
        split = Split("inside", "outside", pl.col("own"), ~pl.col("own"))
        found = read_comments(both, mood, np.random.default_rng(seed), splits=[split], aspects={})
        if not found.reading.comparisons:
            return Said()
        compared = found.reading.comparisons[0]
        more = [shift.theme for shift in compared.shifts if shift.clear and shift.effect.estimate > 0][:3]
        if not more:
            return Said(themes=compared.words[:3])
        told = found.themes.filter(pl.col("theme").is_in(more)).join(inside, on="id")
        own = set(inside["id"].to_list())
        quotes = [quote for name in more for quote in found.reading.theme(name).examples if quote.id in own]
        return Said(
            people=told["user"].n_unique(),
            comments=told.height,
            themes=tuple(more),
            examples=tuple(Quote(id=quote.id, text=quote.text) for quote in quotes[:3]),
        )

    return read


COLUMNS = ("id", "user", "time", "text")
