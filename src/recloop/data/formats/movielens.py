"""The layouts of GroupLens' MovieLens files: 100K (tabs and bars), 1M and 10M (``::``), latest (CSV).

Sources: the README of each set at https://grouplens.org/datasets/movielens/.
"""

import re
from collections.abc import Callable

import polars as pl

from recloop.data.formats.base import Format, Options, Role, Table
from recloop.data.formats.delimited import Dialect, rows
from recloop.data.formats.files import Content
from recloop.data.problems import Problems

_RATINGS = ("user_id", "movie_id", "rating", "timestamp")
_EVENT_COLUMNS = {"user": "user_id", "item": "movie_id", "value": "rating", "time": "timestamp"}
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_RATING = r"\d+{s}\d+{s}[0-5](\.[05])?{s}\d{{9,10}}"


def _all(pattern: str) -> Callable[[Content], bool]:
    """Whether the first twenty lines match."""
    compiled = re.compile(pattern)
    return lambda content: bool(content.lines) and all(compiled.fullmatch(line) for line in content.lines[:20])


def _layout(
    name: str,
    role: Role,
    dialect: Dialect,
    matches: Callable[[Content], bool],
    reason: str,
    columns: dict[str, str],
    *,
    encoding: str = "utf-8",
    finish: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> Format:
    def sniff(content: Content) -> str:
        return f"it looks like {reason}" if matches(content) else ""

    def load(content: Content, options: Options, problems: Problems) -> Table:
        data = content.decoded(options.encoding or encoding)
        # the genre flags are needed to make the category, whatever columns are asked for
        return rows(data, dialect, None if finish else options.columns, problems)

    return Format(
        name=name,
        summary=f"MovieLens {reason}",
        sniff=sniff,
        load=load,
        roles=(role,),
        columns=columns,
        kind="rating" if role == "events" else None,
        finish=finish,
    )


def _category_and_date(frame: pl.DataFrame) -> pl.DataFrame:
    """Genre flags to one category, the release date to ISO-8601."""
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in _GENRES]
    return frame.with_columns(
        category=pl.concat_str(flags, separator="|", ignore_nulls=True),
        release_date=pl.col("release_date").str.to_date("%d-%b-%Y", strict=False).cast(pl.String),
    ).drop(_GENRES)


_USER_100K = ("user_id", "age", "gender", "occupation", "zip_code")
_USER_1M = ("user_id", "gender", "age", "occupation", "zip_code")
_ITEM_100K = ("movie_id", "title", "release_date", "video_release_date", "imdb_url", *_GENRES)
_MOVIE = ("movie_id", "title", "genres")
_LATEST_HEADER = "userId,movieId,rating,timestamp"

MOVIELENS: tuple[Format, ...] = (
    _layout(
        "movielens-100k",
        "events",
        Dialect("\t", "", _RATINGS, header=False),
        _all(_RATING.format(s="\t")),
        "100K ratings: user, film, stars and seconds between tabs",
        _EVENT_COLUMNS,
    ),
    _layout(
        "movielens-1m",
        "events",
        Dialect("::", "", _RATINGS, header=False),
        _all(_RATING.format(s="::")),
        "1M or 10M ratings: user, film, stars and seconds between ::",
        _EVENT_COLUMNS,
    ),
    _layout(
        "movielens-latest",
        "events",
        Dialect(",", '"', ("userId", "movieId", "rating", "timestamp"), header=True),
        lambda content: bool(content.lines) and content.lines[0] == _LATEST_HEADER,
        f"latest, 20M to 32M ratings: the header is {_LATEST_HEADER}",
        {"user": "userId", "item": "movieId", "value": "rating", "time": "timestamp"},
    ),
    _layout(
        "movielens-100k-items",
        "items",
        Dialect("|", "", _ITEM_100K, header=False),
        _all(r"\d+\|[^|]*\|[^|]*\|[^|]*\|[^|]*(\|[01]){19}"),
        "100K films: 24 fields between bars, the last 19 are genres",
        {"item": "movie_id", "title": "title", "category": "category", "time": "release_date"},
        encoding="latin-1",
        finish=_category_and_date,
    ),
    _layout(
        "movielens-1m-items",
        "items",
        Dialect("::", "", _MOVIE, header=False),
        _all(r"\d+::.+::.*"),
        "1M or 10M films: id, title and genres between ::",
        {"item": "movie_id", "title": "title", "category": "genres"},
        encoding="latin-1",
    ),
    _layout(
        "movielens-latest-items",
        "items",
        Dialect(",", '"', ("movieId", "title", "genres"), header=True),
        lambda content: bool(content.lines) and content.lines[0] == "movieId,title,genres",
        "latest films: the header is movieId,title,genres",
        {"item": "movieId", "title": "title", "category": "genres"},
    ),
    _layout(
        "movielens-100k-users",
        "users",
        Dialect("|", "", _USER_100K, header=False),
        _all(r"\d+\|\d+\|[MF]\|[^|]+\|[^|]+"),
        "100K users: id, age, gender, occupation and zip code between bars",
        {"user": "user_id", "age": "age", "gender": "gender"},
        encoding="latin-1",
    ),
    _layout(
        "movielens-1m-users",
        "users",
        Dialect("::", "", _USER_1M, header=False),
        _all(r"\d+::[MF]::\d+::\d+::[^:]+"),
        "1M users: id, gender, age group, occupation and zip code between ::",
        {"user": "user_id", "age": "age", "gender": "gender"},
        encoding="latin-1",
    ),
)
