"""Texts made of the fields of an item, or of what is known of a user, by a template such as ``{title} by {brand}``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from recloop.data.histories import Histories
from recloop.data.judge import as_text
from recloop.errors import SettingError, nearest

_FIELD = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}:]+)(?::(?P<limit>[^{}]*))?\}|[{}]")
_SEPARATORS = " \t\n.,;:|/-–—·"
OLDEST_FIRST, NEWEST_FIRST = "oldest_first", "newest_first"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a template.

    Attributes:
        before: what stands between the field before it and this one.
        name: of the column.
        limit: how much of it is taken, None for all.
    """

    before: str
    name: str
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields in braces.

    ``{title}`` is a field, ``{description:500}`` its first 500 characters; ``{{`` and ``}}`` are braces. A field that
    is missing or blank is left out with the text before it; where nothing stands before a text, its leading spaces and
    punctuation go, too. What stands before the first field and after the last one stays wherever there is any field. A
    row without any is "".

    Attributes:
        fields: in their order.
        after: what stands after the last field.

    Raises:
        SettingError: a brace has no partner, a limit is no positive whole number, or there is no field.

    >>> template = Template.parse("film: {title}, by {brand}. {description:4}")
    >>> rows = {"title": ["Up", None], "brand": [None, "Pixar"], "description": ["Balloons", None]}
    >>> template.fill({name: pl.Series(values) for name, values in rows.items()}, 2)
    ['film: Up. Ball', 'film: by Pixar']
    """

    fields: tuple[Field, ...]
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The template that a text describes."""
        fields: list[Field] = []
        before, place = "", 0
        for found in _FIELD.finditer(text):
            before += text[place : found.start()]
            place = found.end()
            if found[0] in {"{{", "}}"}:
                before += found[0][0]
            elif found["name"] is None:
                raise SettingError(
                    f"the template {text!r} has a '{found[0]}' without its partner",
                    advice="write {{ and }} where braces are meant",
                )
            else:
                fields.append(Field(before, found["name"].strip(), _limit(found["limit"], text)))
                before = ""
        if not fields:
            raise SettingError(f"the template {text!r} has no field", advice="for example '{title}. {description:500}'")
        return cls(tuple(fields), before + text[place:])

    @property
    def names(self) -> tuple[str, ...]:
        """The fields, each once."""
        return tuple(dict.fromkeys(field.name for field in self.fields))

    def fill(self, columns: Mapping[str, pl.Series], n: int) -> list[str]:
        """One text for each of n rows.

        Args:
            columns: name → (n,) texts or whatever can be one; a name that is not there is missing everywhere.
            n: rows.
        """
        lead, first = self.fields[0].before, pl.lit("")
        frame = pl.DataFrame(
            {str(place): _filled(columns.get(field.name), n, field.limit) for place, field in enumerate(self.fields)}
        )
        text = first
        for place, field in enumerate(self.fields):
            value, before = pl.col(str(place)), field.before if place else ""
            bare = pl.lit(before.lstrip(_SEPARATORS)) + value
            joined = pl.when(text == "").then(bare).otherwise(text + pl.lit(before) + value)
            text = pl.when(value == "").then(text).otherwise(joined)
        whole = pl.when(text == "").then(text).otherwise(pl.lit(lead) + text + pl.lit(self.after))
        return frame.select(text=whole)["text"].to_list()


def _limit(given: str | None, text: str) -> int | None:
    if given is None:
        return None
    if not given.strip().isdecimal() or int(given) < 1:
        raise SettingError(
            f"the template {text!r} has the limit '{given}'", allowed="a limit is a whole number above 0"
        )
    return int(given)


def _filled(column: pl.Series | None, n: int, limit: int | None) -> pl.Series:
    """The values as texts, "" where there is nothing to read."""
    if column is None:
        return pl.Series([""] * n, dtype=pl.String)
    text = as_text(column).fill_null("")
    blank = text.str.strip_chars() == ""
    cut = text if limit is None else text.str.slice(0, limit)
    return pl.select(pl.when(blank).then(pl.lit("")).otherwise(cut)).to_series()


def item_texts(items: pl.DataFrame, template: str) -> list[str]:
    """One text per item, by a template over the columns of the catalogue.

    Raises:
        SettingError: the template is wrong, or names a column that the catalogue does not have.

    >>> item_texts(pl.DataFrame({"title": ["Lamp", None], "price": [12.0, 3.0]}), "{title} ({price} EUR)")
    ['Lamp (12 EUR)', '(3 EUR)']
    """
    parsed = Template.parse(template)
    for name in parsed.names:
        if name not in items.columns:
            raise SettingError(
                f"the template {template!r} names the field '{name}', which the catalogue does not have",
                advice=nearest(name, items.columns),
            )
    return parsed.fill({name: items[name] for name in parsed.names}, items.height)


@dataclass(frozen=True, slots=True)
class UserText:
    """What is known of a user as a text: attributes of the profile, and the titles of the history.

    ``{newest_first:10}`` and ``{oldest_first:10}`` are the titles of the last ten items of the history, each once at
    its latest place, in either order; items without a title do not count. Any other field is an attribute of the
    profile.

    Attributes:
        template: see ``Template``.
        between: what stands between two titles.

    Raises:
        SettingError: the template is wrong.

    >>> user = UserText("{gender}, {age}. Liked: {newest_first:2}")
    >>> user.of(Histories.of([[0, 1, 2, 1], []], n_items=3), ["Up", "Cars", "Coco"])
    ['Liked: Cars; Coco', '']
    """

    template: str
    between: str = "; "

    def __post_init__(self) -> None:
        Template.parse(self.template)

    def of(self, histories: Histories, titles: Sequence[str]) -> list[str]:
        """One text per history.

        Args:
            histories: n of them, with profiles where the template wants them.
            titles: (n_items,) what each item is called, "" where it has no name.
        """
        parsed = Template.parse(self.template)
        columns = {
            name: pl.Series(histories.profiles[name].tolist(), dtype=pl.String)
            for name in parsed.names
            if name in histories.profiles
        }
        read = [
            Field(field.before, f"{field.name}:{field.limit}") if field.name in _ORDERS else field
            for field in parsed.fields
        ]
        for field in parsed.fields:
            if field.name in _ORDERS:
                columns[f"{field.name}:{field.limit}"] = self._titles(histories, titles, field)
        return Template(tuple(read), parsed.after).fill(columns, len(histories))

    def _titles(self, histories: Histories, titles: Sequence[str], field: Field) -> pl.Series:
        """(n,) the titles of each history as one text."""
        names = pl.Series(titles, dtype=pl.String)
        seen = pl.DataFrame({"row": histories.rows, "title": names.gather(histories.items)})
        seen = seen.filter(pl.col("title").str.strip_chars() != "")
        seen = seen.unique(subset=("row", "title"), keep="last", maintain_order=True)
        last = pl.col("title").tail(field.limit) if field.limit else pl.col("title")
        ordered = last.reverse() if field.name == NEWEST_FIRST else last
        joined = (
            seen.group_by("row", maintain_order=True)
            .agg(text=ordered)
            .with_columns(pl.col("text").list.join(self.between))
        )
        rows = pl.DataFrame({"row": range(len(histories))}, schema={"row": pl.Int64})
        return rows.join(joined, on="row", how="left", maintain_order="left")["text"]


_ORDERS = frozenset({OLDEST_FIRST, NEWEST_FIRST})
