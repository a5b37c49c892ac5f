"""What the comments of some say that those of others do not: the answer for who looks for problems."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recloop.experience.reading.compare import Split
from recloop.experience.reading.read import read_comments
from recloop.experience.reading.results import Quote
from recloop.language.sentiment import Sentiment


@dataclass(frozen=True, slots=True)
class Words:
    """What users wrote about it.

    Attributes:
        people, comments: how many users and comments are about the themes.
        themes: the themes that the inside has more of, clearest first; else the words that it says more.
        examples: their comments.
    """

    people: int = 0
    comments: int = 0
    themes: tuple[str, ...] = ()
    examples: tuple[Quote, ...] = ()


def whose_words(mood: Sentiment, seed: int = 0) -> Callable[[pl.DataFrame, pl.DataFrame], Words]:
    """A reader of the comments inside a slice against those outside.

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

    def read(inside: pl.DataFrame, outside: pl.DataFrame) -> Words:
        both = pl.concat([inside.select(COLUMNS, own=True), outside.select(COLUMNS, own=False)])
        split = Split("inside", "outside", pl.col("own"), ~pl.col("own"))
        found = read_comments(both, mood, np.random.default_rng(seed), splits=[split], aspects={})
        if not found.reading.comparisons:
            return Words()
        compared = found.reading.comparisons[0]
        more = [shift.theme for shift in compared.shifts if shift.clear and shift.effect.estimate > 0][:3]
        if not more:
            return Words(themes=compared.words[:3])
        told = found.themes.filter(pl.col("theme").is_in(more)).join(inside, on="id")
        quotes = {quote.id: quote for name in more for quote in found.reading.theme(name).examples}
        own = set(inside["id"].to_list())
        return Words(
            people=told["user"].n_unique(),
            comments=told.height,
            themes=tuple(more),
            examples=tuple(quote for quote in quotes.values() if quote.id in own)[:3],
        )

    return read


COLUMNS = ("id", "user", "time", "text")
