"""What users wrote about it: the built-in reading by words, and the door for a better one."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from recloop.experience.problems.schema import Quote, Said
from recloop.language.masking import mask

READ = 2_000  # characters of a comment that are read
SHOWN = 200
FEWEST = 3  # users who say a word before it is a theme
TELLING = 2.5  # standard errors of the log-odds
PRIOR = 50.0  # words that the prior weighs
PRAISE = 0.3  # mean mood of the examples above which they are praise
TERM = r"[\p{L}\p{M}\p{N}']+"


class Words(Protocol):
    """Reads what users wrote. ``recloop.experience`` may bring a better one than ``keywords``."""

    def __call__(self, inside: pl.DataFrame, outside: pl.DataFrame) -> Said:
        """What the comments inside say that those outside do not.

        Args:
            inside: id, user, time, text: by users of the slice, after the change.
            outside: all others.
        """
        ...


def unless_praise(words: Words, mood: Callable[[Sequence[str]], ArrayLike]) -> Words:
    """A reader that is silent where what people wrote is praise: it is not about a problem, whatever words it repeats.

    Args:
        words: reads the comments.
        mood: texts to numbers from -1 to 1; it is asked about the examples only.

    >>> said = pl.DataFrame({
    ...     "id": [f"c{i}" for i in range(120)], "user": [f"u{i}" for i in range(120)], "time": [0.0] * 120,
    ...     "text": ["thank you"] * 20 + ["nice picks today"] * 100})
    >>> unless_praise(keywords, lambda texts: [0.9] * len(texts))(said.head(20), said.tail(100)).people
    0
    """

    def read(inside: pl.DataFrame, outside: pl.DataFrame) -> Said:
        said = words(inside, outside)
        if said.examples and float(np.mean(np.asarray(mood([one.text for one in said.examples])))) > PRAISE:
            return Said()
        return said

    return read


def keywords(inside: pl.DataFrame, outside: pl.DataFrame) -> Said:
    """Words and pairs of words that users of a slice write more often than others, with examples.

    The weight of a term is its log-odds in one set of comments against the other, with the words of both as the prior,
    over its standard error. A term counts once per comment, personal data are masked first.

    Source: B. Monroe, M. Colaresi, K. Quinn, "Fightin' words", Political Analysis 16 (2008), section 3.5.

    >>> said = pl.DataFrame({
    ...     "id": [f"c{i}" for i in range(120)], "user": [f"u{i}" for i in range(120)], "time": [0.0] * 120,
    ...     "text": ["cards do not open"] * 20 + ["nice picks today"] * 100})
    >>> told = keywords(said.head(20), said.tail(100))
    >>> told.people, told.examples[0].text
    (20, 'cards do not open')
    """
    read = pl.concat(
        [inside.select("id", "user", "text", own=True), outside.select("id", "user", "text", own=False)]
    ).filter(pl.col("text").fill_null("").str.strip_chars() != "")
    own = read.filter("own")
    if not own.height:
        return Said()
    read = read.with_columns(text=pl.Series([mask(one[:READ]) for one in read["text"]], dtype=pl.String))
    terms = _terms(read)
    counts = terms.group_by("term").agg(
        a=pl.col("own").sum(), b=(~pl.col("own")).sum(), users=pl.col("user").filter(pl.col("own")).n_unique()
    )
    a, b = (counts[name].to_numpy().astype(np.float64) for name in ("a", "b"))
    prior = PRIOR * (a + b) / max(float((a + b).sum()), 1.0)
    odds = [np.log((c + prior) / np.maximum(c.sum() + PRIOR - c - prior, 1e-9)) for c in (a, b)]
    z = (odds[0] - odds[1]) / np.sqrt(1 / (a + prior) + 1 / (b + prior))
    ranked = counts.with_columns(z=z).filter(pl.col("z") >= TELLING, pl.col("users") >= FEWEST)
    # of two terms as telling, the longer says more
    ranked = ranked.with_columns(n=pl.col("term").str.len_chars()).sort(
        ["z", "n", "term"], descending=[True, True, False]
    )
    themes: list[str] = []
    for term in ranked["term"]:
        if not any(set(term.split()) & set(one.split()) for one in themes):
            themes.append(term)
        if len(themes) == 3:
            break
    about = own["id"] if not themes else terms.filter("own", pl.col("term").is_in(themes))["id"].unique()
    told = read.filter("own", pl.col("id").is_in(about.implode()))
    first = told.unique("text", keep="first", maintain_order=True).head(3)
    return Said(
        people=told["user"].n_unique() if themes else 0,
        comments=told.height if themes else 0,
        themes=tuple(themes),
        examples=tuple(Quote(id=str(i), text=_short(text)) for i, text in first.select("id", "text").iter_rows())
        if themes
        else (),
    )


def _terms(read: pl.DataFrame) -> pl.DataFrame:
    words = read.with_columns(word=pl.col("text").str.to_lowercase().str.extract_all(TERM)).select(
        "id", "user", "own", "word"
    )
    single = words.explode("word").drop_nulls("word")
    pairs = single.with_columns(next=pl.col("word").shift(-1).over("id", "own")).drop_nulls("next")
    both = [
        single.select("id", "user", "own", term="word"),
        pairs.select("id", "user", "own", term=pl.col("word") + " " + pl.col("next")),
    ]
    return pl.concat(both).unique()


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
