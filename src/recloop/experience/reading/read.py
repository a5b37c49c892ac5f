"""Comments into themes, aspects, mood and comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.experience.reading.book import ThemeBook
from recloop.experience.reading.clusters import clusters
from recloop.experience.reading.comments import Comments
from recloop.experience.reading.compare import Split, compare
from recloop.experience.reading.keywords import keywords, term_counts
from recloop.experience.reading.results import Quote, Reading, Theme
from recloop.language.aspects import Aspects, clauses
from recloop.language.labels.grams import plain_words
from recloop.language.sentiment import Sentiment
from recloop.progress import SILENT, Progress
from recloop.stats import Mean, mean_interval

MOST = 20_000  # comments that are read; of more, as many are drawn at random
QUOTED = 300  # characters of an example
EXAMPLES = 3
GLAD, SAD = "😀😃😄😁😊🙂😍🥰😘🤩❤👍👏🙌💯🎉💕✨♥😻", "😡😠🤬👎😢😭😞😔😒😤💔😩😫🙁☹🤮😾"


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A reading, and what is needed to name its themes.

    Attributes:
        reading: what is shown.
        centres: theme → where its groups lie.
        book: the names that were used.
        themes: the name of each comment's theme by its id, for those that have one.
    """

    reading: Reading
    centres: Mapping[str, list[NDArray[np.float32]]]
    book: ThemeBook
    themes: pl.DataFrame


def read_comments(
    frame: pl.DataFrame,
    mood: Sentiment,
    rng: np.random.Generator,
    *,
    book: ThemeBook | None = None,
    themes: int | None = None,
    splits: Sequence[Split] = (),
    aspects: Mapping[str, Sequence[str]] | None = None,
    accuracy: str = "",
    simulation: bool = False,
    progress: Progress = SILENT,
) -> Read:
    """Read comments.

    Args:
        frame: text; id, user, time and any column that a split reads, see ``Comments.of``.
        mood: scores how pleased a text sounds; its encoder places the comments.
        rng: of the grouping, and of the draw where there are more than 20,000 comments.
        book: names that people gave; the themes are called so.
        themes: how many at most; None finds out.
        splits: sides that are compared.
        aspects: aspect → example sentences; the shipped ones where None, none where empty.
        accuracy: what is known of how right ``mood`` is; None says what it measured on its own examples.
        simulation: the comments are made up.
        progress: shows how far it has come.

    Raises:
        DataError: there is no column ``text``, or a split names a column that is not there.
        ConflictError: the book is of another encoder.
    """
    said = Comments.of(frame)
    table, notes = said.table, list(said.notes)
    if table.height > MOST:
        notes.append(f"Of {table.height:,} comments {MOST:,} were drawn at random and read.")
        table = table[np.sort(rng.choice(table.height, MOST, replace=False))]
    told = accuracy or f"Mood: {mood.accuracy}. These texts are recloop's own, not those of your users."
    if not table.height:
        empty = Reading(0, 0, None, told, 0.0, (), (), notes=tuple(notes), simulation=simulation)
        return Read(empty, {}, book or ThemeBook(mood.encoder.fingerprint), _placed(table, np.empty(0, int), []))
    texts = [plain_words(text) for text in table["text"].to_list()]
    vectors = mood.encoder.encode(texts, progress)
    wordless, foreign = table["wordless"].to_numpy(), table["foreign"].to_numpy()
    scores = mood.of_vectors(vectors).astype(np.float64)
    scores[wordless] = _signs(table.filter("wordless")["text"])
    scores[foreign] = np.nan
    vectors[wordless] = 0.0
    found = clusters(vectors, rng, k=themes)
    terms = term_counts(texts, table["user"].to_list())
    book = book or ThemeBook(mood.encoder.fingerprint)
    names, groups, centres = _named(book, found.centres, found.groups, terms)
    shown = tuple(
        _theme(table, scores, terms, groups == place, found.nearness, name, "people" if by else "words")
        for place, (name, by) in enumerate(names)
    )
    about, placed = _aspects(table, mood, aspects, progress)
    reading = Reading(
        texts=table.height,
        users=table["user"].n_unique(),
        mood=_mood(table["user"], scores),
        accuracy=told,
        unassigned=float((groups < 0).mean()),
        themes=shown,
        aspects=about,
        placed=placed,
        comparisons=tuple(compare(table, terms, groups, [name for name, _ in names], split) for split in splits),
        notes=tuple(notes),
        simulation=simulation,
    )
    return Read(reading, centres, book, _placed(table, groups, [name for name, _ in names]))


def _named(
    book: ThemeBook, centres: NDArray[np.float32], groups: NDArray[np.int64], terms: pl.DataFrame
) -> tuple[list[tuple[str, bool]], NDArray[np.int64], dict[str, list[NDArray[np.float32]]]]:
    """(name, whether people gave it) of each theme, largest first; groups that share a name become one."""
    given = book.names(centres)
    names: list[str] = []
    for place, name in enumerate(given):  # groups are few
        words = keywords(terms, groups == place, most=3)
        plain = name or " · ".join(words) or f"group {place + 1}"
        names.append(plain if name or plain not in names else f"{plain} ({place + 1})")
    whole = list(dict.fromkeys(names))
    joined = np.array([whole.index(name) for name in names] + [-1])[groups]
    size = np.bincount(joined[joined >= 0], minlength=len(whole))
    order = np.argsort(-size, kind="stable")
    renamed = np.append(np.argsort(order), -1)
    held = {whole[place]: [centres[i] for i, name in enumerate(names) if name == whole[place]] for place in order}
    by = {name for name in given if name}
    return [(whole[place], whole[place] in by) for place in order], renamed[joined], held


def _theme(
    table: pl.DataFrame,
    scores: NDArray[np.float64],
    terms: pl.DataFrame,
    inside: NDArray[np.bool_],
    nearness: NDArray[np.float32],
    name: str,
    by: str,
) -> Theme:
    own = table.filter(pl.Series(inside))
    rows = np.flatnonzero(inside)
    users, texts, feel = own["user"].n_unique(), int(inside.sum()), _mood(own["user"], scores[inside])
    near = rows[np.argsort(-nearness[rows], kind="stable")]
    words = keywords(terms, inside)
    told = _sentences(users, texts, texts / table.height, feel)
    return Theme(name, by, words, texts, users, texts / table.height, feel, _quotes(table, near), told)


def _sentences(users: int, texts: int, share: float, feel: Mean | None) -> tuple[str, str]:
    first = (
        f"{users:,} user{'s' * (users != 1)} wrote {texts:,} comment{'s' * (texts != 1)} about it, {share:.0%} of all."
    )
    return first, f"Mood {feel.mean:+.2f} (from -1 to 1)." if feel is not None else "Its mood is not known."


def _quotes(table: pl.DataFrame, rows: NDArray[np.int64]) -> tuple[Quote, ...]:
    """Three different ones, the first of them first."""
    drawn = table[rows[: 20 * EXAMPLES]].unique("text", keep="first", maintain_order=True).head(EXAMPLES)
    return tuple(
        Quote(identity, text if len(text) <= QUOTED else text[: QUOTED - 1] + "…")
        for identity, text in drawn.select("id", "text").iter_rows()
    )


def _mood(users: pl.Series, scores: NDArray[np.float64]) -> Mean | None:
    """Mean over users of the mean over their comments."""
    each = (
        pl.DataFrame({"user": users, "score": scores}).filter(pl.col("score").is_not_nan())
        .group_by("user").agg(pl.col("score").mean()).sort("user")
    )  # fmt: skip
    return mean_interval(each["score"].to_numpy()) if each.height else None


def _signs(texts: pl.Series) -> NDArray[np.float64]:
    """Glad and sad signs of wordless texts, from -1 to 1; NaN without any."""
    glad, sad = (texts.str.count_matches(f"[{signs}]").to_numpy().astype(np.float64) for signs in (GLAD, SAD))
    return np.where(glad + sad > 0, (glad - sad) / np.maximum(glad + sad, 1), np.nan)


def _aspects(
    table: pl.DataFrame, mood: Sentiment, examples: Mapping[str, Sequence[str]] | None, progress: Progress
) -> tuple[tuple[Theme, ...], str]:
    """Each aspect with the mood of the clauses about it, the one with most users first; how right they are."""
    if examples is not None and not examples:
        return (), ""
    aspects = Aspects(mood.encoder, examples)
    plain = table.with_row_index("row").filter(~pl.col("wordless") & ~pl.col("foreign"))
    split = [clauses(plain_words(text)) for text in plain["text"].to_list()]
    parts = (
        plain.select("row", "user").with_columns(clause=pl.Series(split, dtype=pl.List(pl.String))).explode("clause")
    )
    if not parts.height:
        return (), ""
    vectors = mood.encoder.encode(parts["clause"].to_list(), progress)
    about, scores = aspects.of(vectors), mood.of_vectors(vectors).astype(np.float64)
    rows = parts["row"].to_numpy()
    found = []
    for place, name in enumerate(aspects.names):  # aspects are few
        own = about[:, place]
        if not own.any():
            continue
        held = parts.filter(pl.Series(own))
        texts, users = held["row"].n_unique(), held["user"].n_unique()
        quotes = _quotes(table, np.unique(rows[own]))
        feel = _mood(held["user"], scores[own])
        share = texts / table.height
        summary = _sentences(users, texts, share, feel)
        found.append(Theme(name, "list", (), texts, users, share, feel, quotes, summary))
    told = "" if aspects.accuracy is None else f"Aspects: {aspects.accuracy}. That was measured on no user's text."
    return tuple(sorted(found, key=lambda one: -one.users)), told


def _placed(table: pl.DataFrame, groups: NDArray[np.int64], names: Sequence[str]) -> pl.DataFrame:
    """id, theme of the comments that are in one."""
    names_of = pl.Series("theme", [names[group] if group >= 0 else None for group in groups.tolist()], dtype=pl.String)
    return table.select("id").with_columns(names_of).drop_nulls()
