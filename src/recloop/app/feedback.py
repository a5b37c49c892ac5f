"""What users say, from a store or from a file."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from recloop.app.comments import comment_mood
from recloop.app.own_slates import decisions_of
from recloop.errors import DataError, MissingError, SettingError
from recloop.experience.reading import Comments, Read, Reading, Split, ThemeBook, read_comments
from recloop.experience.reading.told import tell_themes
from recloop.experiments.definition import Experiment
from recloop.language.chat import Chat
from recloop.language.labels import Labeller
from recloop.language.sentiment import Sentiment
from recloop.loop.folder import write_whole
from recloop.progress import SILENT, Progress
from recloop.store import Store

DAY = 86_400.0
DAYS = 28.0
CONDITION = re.compile(r"\s*([^=]+?)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Wish:
    """How comments are read.

    Attributes:
        experiment: whose arms are compared; "" for none.
        treatment, control: the arms; the experiment's first ones where empty.
        days: how far to look back in a store.
        change: a moment in seconds since 1970: what is said after it is held against what was said before.
        slices: ``column=value`` each: those comments against the rest.
        themes: how many at most; None finds out.
        book: file with the names that people gave to themes.
        rename: ``old=new`` each, also to merge: ``a+b=new``; written into the book.
        aspects: aspect → example sentences, in place of the shipped ones.
        labeller: folder of a labeller that sorts the comments, too.
        chat: a generative model that may name the themes and put their numbers into words (``tell_themes``).
        seed: of the grouping.
        simulation: the comments are made up.
    """

    experiment: str = ""
    treatment: str = ""
    control: str = ""
    days: float = DAYS
    change: float | None = None
    slices: tuple[str, ...] = ()
    themes: int | None = None
    book: Path | None = None
    rename: tuple[str, ...] = ()
    aspects: dict[str, list[str]] | None = None
    labeller: Path | None = None
    chat: Chat | None = None
    seed: int = 0
    simulation: bool = False


def feedback_in_store(
    store: Store, wish: Wish, *, clock: Callable[[], float] = time.time, progress: Progress = SILENT
) -> Read:
    """Read the comments of a store; a comment has the context of the decision that it names as columns.

    Raises:
        MissingError: there is no such experiment or arm.
        ExtraError: the extra ``text`` is not installed.
    """
    since = clock() - wish.days * DAY
    said = store.feedback(since=since).filter(pl.col("text") != "")
    served = None
    if wish.experiment:
        definition = Experiment.parse(store.experiments.get(wish.experiment).definition)
        treatment, control = wish.treatment or definition.treatments[0], wish.control or definition.controls[0]
        wish = replace(wish, treatment=treatment, control=control)
        decisions = decisions_of(store, wish.experiment, float("-inf")).filter(
            ~pl.col("forced") & (pl.col("variant") != "")
        )
        arms = decisions.group_by("user").agg(arm=pl.col("variant").first(), arms=pl.col("variant").n_unique())
        arms = arms.filter(pl.col("arms") == 1)
        counted = dict(arms["arm"].value_counts().iter_rows())
        for name in (treatment, control):
            if name not in counted:
                raise MissingError(f"variant '{name}' of '{wish.experiment}' has no users")
        served = int(counted[treatment]), int(counted[control])
        said = said.join(arms.select("user", "arm"), on="user", how="left")
    context = store.decisions(since=since).select("surface", "context", decision="id").unique("decision")
    said = said.join(context, on="decision", how="left")
    return _read(_with_context(said), wish, served, progress)


def feedback_in_file(path: Path, wish: Wish, *, progress: Progress = SILENT) -> Read:
    """Read the comments of a Parquet, CSV, TSV or JSON-lines file with a column ``text``, and perhaps ``id``, ``user``,
    ``time``, ``arm`` and others.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read, or has no column ``text``.
        ExtraError: the extra ``text`` is not installed.
    """
    return _read(table_of(path), wish, None, progress)


def table_of(path: Path) -> pl.DataFrame:
    """The table in a file, by its ending.

    Raises:
        MissingError: there is no such file.
        DataError: it cannot be read.
    """
    if not path.is_file():
        raise MissingError(f"there is no file {path}")
    try:
        match path.suffix.lower():
            case ".parquet" | ".pq":
                return pl.read_parquet(path)
            case ".jsonl" | ".ndjson":
                return pl.read_ndjson(path)
            case ".tsv":
                return pl.read_csv(path, separator="\t", infer_schema_length=None)
            case _:
                return pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error})", allowed="a Parquet, CSV, TSV or JSON-lines file") from error


def _read(frame: pl.DataFrame, wish: Wish, served: tuple[int, int] | None, progress: Progress) -> Read:
    mood = comment_mood()
    book = ThemeBook.read(wish.book, mood.encoder.fingerprint)
    if wish.rename and wish.book is None:
        raise SettingError(
            "themes are renamed without a book", advice="name the file that keeps the names: --book FILE"
        )
    splits = _splits(frame, wish, served)

    def read(given: ThemeBook) -> Read:
        found = read_comments(
            frame, mood, np.random.default_rng(wish.seed), book=given, themes=wish.themes, splits=splits,
            aspects=wish.aspects, accuracy=_measured(frame, mood), simulation=wish.simulation, progress=progress,
        )  # fmt: skip
        return found if wish.chat is None else _worded(found, wish.chat)

    found = read(book)
    if wish.rename and wish.book is not None:
        for line in wish.rename:
            book = _renamed(book, found, line)
        write_whole(wish.book, book.to_json())
        found = read(book)
    if wish.labeller is not None:
        found = replace(found, reading=_labelled(found.reading, frame, Labeller.load(wish.labeller), progress))
    return found


def _worded(found: Read, chat: Chat) -> Read:
    """The reading by the names that the model gave, so that these can be renamed, too."""
    told = tell_themes(found.reading, chat)
    names = {old.name: new.name for old, new in zip(found.reading.themes, told.themes, strict=True)}
    return replace(
        found,
        reading=told,
        centres={names[name]: centres for name, centres in found.centres.items()},
        themes=found.themes.with_columns(pl.col("theme").replace(names)),
    )


def _labelled(reading: Reading, frame: pl.DataFrame, labeller: Labeller, progress: Progress) -> Reading:
    """With the labels of the comments that have a word; those of emoji alone say nothing of a class."""
    texts = Comments.of(frame).table.filter(~pl.col("wordless"))["text"].to_list()
    counted = pl.Series(labeller.label(texts, progress), dtype=pl.String).value_counts(sort=True)
    return replace(reading, labels=dict(counted.iter_rows()), labelled=str(labeller.agreement or "not measured"))


def _measured(frame: pl.DataFrame, mood: Sentiment) -> str:
    """How right the mood is on labels that came along: ``sentiment`` in [-1, 1], or ``rating`` from 1 to 5."""
    for column, middle in (("sentiment", 0.0), ("rating", 3.0)):
        if column not in frame.columns or not frame.schema[column].is_numeric():
            continue
        known = frame.filter(pl.col(column).is_not_null() & (pl.col("text").cast(pl.String).fill_null("") != "")).head(
            2_000
        )
        labels = np.sign(known[column].to_numpy().astype(np.float64) - middle)
        if (labels > 0).any() and (labels < 0).any():
            return f"Mood: {mood.measure(known['text'].cast(pl.String).to_list(), labels)}, by '{column}'."
    return ""


def _splits(frame: pl.DataFrame, wish: Wish, served: tuple[int, int] | None) -> list[Split]:
    found = []
    if wish.treatment and wish.control:
        if "arm" not in frame.columns:
            raise DataError(
                "the comments have no column 'arm'", advice="leave --treatment and --control out, or add it"
            )
        own, other = (pl.col("arm") == name for name in (wish.treatment, wish.control))
        found.append(Split(wish.treatment, wish.control, own, other, served))
    if wish.change is not None:
        if "time" not in frame.columns:
            raise DataError("the comments have no column 'time'", advice="leave --since out")
        after = pl.col("time") >= wish.change
        found.append(Split("after", "before", after, ~after))
    for line in wish.slices:
        match = CONDITION.fullmatch(line)
        column = "" if match is None else match[1] if match[1] in frame.columns else f"context.{match[1]}"
        if match is None or column not in frame.columns:
            raise SettingError(
                f"the slice '{line}' is none", allowed=f"column=value; columns are {', '.join(frame.columns)}"
            )
        inside = pl.col(column).cast(pl.String) == match[2]
        found.append(Split(f"{column.removeprefix('context.')}={match[2]}", "the rest", inside, ~inside))
    return found


def _renamed(book: ThemeBook, found: Read, line: str) -> ThemeBook:
    """The book after ``old=new`` or ``a+b=new``; an empty new name forgets the old one."""
    old, equals, new = (part.strip() for part in line.rpartition("="))
    if not equals or not old:
        raise SettingError(f"'{line}' renames nothing", allowed="old=new, or one+another=new to merge")
    if not new:
        return book.without(old)
    parts = [old] if old in found.centres else [part.strip() for part in old.split("+")]
    return book.named(new, [centre for part in parts for centre in found.centres[found.reading.theme(part).name]])


def _with_context(said: pl.DataFrame) -> pl.DataFrame:
    """The comments with each key of their decision's context as a column."""
    texts = said["context"].fill_null("").replace("", "{}")
    parsed = pl.DataFrame({"context": texts}).with_columns(pl.col("context").str.json_decode(_shape(texts)))
    names: Sequence[str] = [field for field in parsed["context"].struct.fields if field not in said.columns]
    return said.drop("context").with_columns(parsed["context"].struct.field(name).alias(name) for name in names)


def _shape(texts: pl.Series) -> pl.Struct:
    keys = texts.str.extract_all(r'"((?:[^"\\]|\\.)*)"\s*:').list.explode().drop_nulls().unique().sort()
    names = keys.str.strip_suffix(":").str.strip_chars().str.strip_chars('"').to_list()
    return pl.Struct([pl.Field(name, pl.String) for name in names] or [pl.Field("_", pl.String)])
