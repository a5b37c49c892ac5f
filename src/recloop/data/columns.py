"""Which column of a file is which field of recloop: by the name, else by what stands in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from recloop.errors import SettingError, nearest


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# field → the column names that mean it, the likeliest first
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "events": {
        "user": _names(
            "user user_id uid u customer customer_id visitor visitor_id member member_id account account_id "
            "reviewer_id reviewer buyer buyer_id client_id profile_id person_id session_id session"
        ),
        "item": _names(
            "item item_id iid i product product_id movie movie_id asin parent_asin article article_id sku "
            "content_id track_id song_id book_id isbn game_id video_id news_id ad_id listing_id business_id "
            "page_id"
        ),
        "kind": _names(
            "kind event event_type event_name type action action_type behavior behaviour behavior_type "
            "interaction_type interaction"
        ),
        "value": _names(
            "value rating ratings score stars overall amount quantity plays play_count count revenue price label weight"
        ),
        "time": _names(
            "time timestamp ts datetime date event_time created_at occurred_at time_stamp unix_review_time "
            "review_time unix_time created"
        ),
        "order": _names("order place seq sequence step order_in_user"),
    },
    "items": {
        "item": _names(
            "item item_id iid product product_id movie movie_id asin parent_asin article_id sku content_id "
            "track_id song_id book_id isbn game_id video_id news_id ad_id listing_id business_id page_id id"
        ),
        "title": _names("title name item_name product_name product_title movie_title headline"),
        "category": _names("category categories genre genres class main_category main_cat department product_type"),
        "brand": _names("brand manufacturer make publisher"),
        "price": _names("price list_price cost"),
        "description": _names("description desc plot summary overview synopsis abstract about"),
        "text": _names("text body content"),
        "time": _names("release_date released published published_at created_at available_from date"),
    },
    "users": {
        "user": _names("user user_id uid customer customer_id visitor_id member_id account_id profile_id id"),
        "age": _names("age age_group age_range"),
        "gender": _names("gender sex"),
    },
}
NEEDED = {"events": ("user", "item"), "items": ("item",), "users": ("user",)}
RATINGS = frozenset({"rating", "ratings", "score", "stars", "overall"})


def normal(name: str) -> str:
    """A column name in lower case with ``_`` between words, without a RecBole type.

    >>> normal("User ID"), normal("userId"), normal("item_id:token")
    ('user_id', 'user_id', 'item_id')
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.partition(":")[0].strip())
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _squeezed(name: str) -> str:
    return normal(name).replace("_", "")


KNOWN = frozenset(synonym for table in FIELDS.values() for names in table.values() for synonym in names)


@dataclass(frozen=True, slots=True)
class Found:
    """One field, the column that is taken for it, and why."""

    field: str
    column: str
    reason: str


def guess_columns(sample: pl.DataFrame, role: str) -> list[Found]:
    """The columns of a table, guessed.

    A column whose name is a known name of a field is taken for that field, the likeliest name first. In an event table
    whose names do not tell user and item, the contents decide: a column of seconds since 1970 between 1973 and 5138 or
    of ISO-8601 dates is the time, a column of few small numbers the value, one of few words the kind, and of those
    left the first is the user and the second the item.

    Args:
        sample: some rows.
        role: ``events``, ``items`` or ``users``.

    >>> sample = pl.DataFrame({"userId": ["7"], "movieId": ["9"], "rating": ["4.5"]})
    >>> [(found.field, found.column) for found in guess_columns(sample, "events")]
    [('user', 'userId'), ('item', 'movieId'), ('value', 'rating')]
    """
    found: dict[str, Found] = {}
    free = list(sample.columns)
    for field, synonyms in FIELDS[role].items():
        for synonym in synonyms:
            column = next((name for name in free if _squeezed(name) == synonym.replace("_", "")), None)
            if column is None or (field == "order" and not _numeric(sample[column])):
                continue
            found[field] = Found(field, column, f"its name is one of those that mean {field}")
            free.remove(column)
            break
    if role == "events":
        _by_contents(sample, free, found)
    elif NEEDED[role][0] not in found and free:
        field = NEEDED[role][0]
        found[field] = Found(field, free[0], "no name tells; it is the first column")
    return [found[field] for field in FIELDS[role] if field in found]


def _by_contents(sample: pl.DataFrame, free: list[str], found: dict[str, Found]) -> None:
    missing = [field for field in NEEDED["events"] if field not in found]
    if not missing:
        return
    tests = (
        ("time", _is_time, "it holds seconds since 1970 or dates"),
        ("value", _is_value, "it holds few different small numbers"),
        ("kind", _is_kind, "it holds few different words"),
    )
    for field, test, reason in tests:
        # the ids are looked for first from the left, so that what else there is stands right
        column = next((name for name in reversed(free) if test(sample[name])), None)
        if field not in found and column is not None and len(free) > len(missing):
            found[field] = Found(field, column, f"no name tells; {reason}")
            free.remove(column)
    for field, place in zip(missing, ("first", "second") if len(missing) == 2 else ("first",), strict=True):
        if free:
            found[field] = Found(field, free.pop(0), f"no name tells; it is the {place} column that is left")


def _numbers(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return column.str.strip_chars().cast(pl.Float64, strict=False)
    return column.cast(pl.Float64, strict=False) if column.dtype.is_numeric() else pl.Series([None], dtype=pl.Float64)


def _numeric(column: pl.Series) -> bool:
    return _numbers(column).null_count() <= column.null_count() + 0.05 * len(column)


def _is_time(column: pl.Series) -> bool:
    if column.dtype.is_temporal():
        return True
    numbers = _numbers(column).drop_nulls()
    if len(numbers) >= 0.95 * len(column) and len(numbers):
        return bool(((numbers >= 1e8) & (numbers < 1e19)).all())
    return column.dtype == pl.String and bool(column.str.contains(r"^\s*\d{4}-\d\d-\d\d").fill_null(value=False).all())


def _is_value(column: pl.Series) -> bool:
    numbers = _numbers(column).drop_nulls()
    small = len(numbers) >= 0.95 * len(column) and len(numbers) > 0 and bool((numbers.abs() <= 100).all())
    return small and numbers.n_unique() <= 21


def _is_kind(column: pl.Series) -> bool:
    words = isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum) and not _numeric(column)
    return words and column.n_unique() <= min(20, max(2, len(column) // 5))


def check_fields(columns: Mapping[str, str | Sequence[str]], role: str, table: str) -> None:
    """Raise for a field that recloop does not know (items and users may have any attribute).

    Raises:
        SettingError: with the nearest valid name.
    """
    for field in columns if role == "events" else ():
        if field not in FIELDS[role]:
            raise SettingError(f"[data.{table}] has no field '{field}'", advice=nearest(field, FIELDS[role]))


def check_columns(columns: Mapping[str, str | Sequence[str]], there: Sequence[str], file: str) -> None:
    """Raise for a column that the file does not have.

    Raises:
        SettingError: with the nearest name that it has.
    """
    for field, named in columns.items():
        for column in [named] if isinstance(named, str) else named:
            if column not in there:
                raise SettingError(
                    f"the column map says {field} = '{column}', and {file} has no such column",
                    advice=nearest(column, there),
                )
