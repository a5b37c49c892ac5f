"""Plain tables to typed settings: unknown keys and wrong values are errors that name the place and the way out."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from recloop.errors import SettingError, nearest

T = TypeVar("T")
TOML = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


def typed(kind: type[T], table: Any, where: str) -> T:
    """The table as a ``kind``.

    Args:
        kind: a msgspec Struct or a dataclass; nested ones, and lists and dictionaries of them, are checked too.
        table: what a TOML or JSON reader gave.
        where: the table's name in errors, such as ``policy`` or ``policy.arms.a``.

    Raises:
        SettingError: a key is unknown (the nearest is offered), or a value has a wrong type or is out of range.

    >>> class Split(msgspec.Struct):
    ...     fraction: float = 0.2
    >>> typed(Split, {"fraktion": 0.3}, "split")
    Traceback (most recent call last):
    recloop.errors.SettingError: [split] has no setting 'fraktion'. Did you mean 'fraction'? Valid: fraction.
    >>> typed(Split, {"fraction": "much"}, "split")
    Traceback (most recent call last):
    recloop.errors.SettingError: [split] fraction is 'much'. It must be a number.
    """
    _refuse(inspect.type_info(kind), table, where)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise _sentence(str(error), table, where) from None


def _refuse(shape: inspect.Type, table: Any, where: str) -> None:
    match shape:
        case inspect.StructType() | inspect.DataclassType() if isinstance(table, Mapping):
            fields = {field.encode_name: field.type for field in shape.fields}
            tag = shape.tag_field if isinstance(shape, inspect.StructType) else None
            valid = {*fields, tag} - {None}
            for key, value in table.items():
                if key not in valid:
                    raise SettingError(f"[{where}] has no setting '{key}'", advice=nearest(str(key), map(str, valid)))
                if key in fields:
                    _refuse(fields[key], value, f"{where}.{key}")
        case inspect.DictType() if isinstance(table, Mapping):
            for key, value in table.items():
                _refuse(shape.value_type, value, f"{where}.{key}")
        case inspect.ListType() | inspect.VarTupleType() if isinstance(table, list | tuple):
            for place, value in enumerate(table):
                _refuse(shape.item_type, value, f"{where}[{place}]")
        case inspect.LiteralType() if table not in shape.values:
            parent, _, key = where.rpartition(".")
            raise SettingError(f"[{parent}] {key} is {table!r}", advice=nearest(str(table), map(str, shape.values)))
        case inspect.UnionType():
            tagged = {str(option.tag): option for option in shape.types if isinstance(option, inspect.StructType)
                      and option.tag is not None}  # fmt: skip
            if len(tagged) > 1 and isinstance(table, Mapping):
                _refuse(_chosen(tagged, table, where), table, where)
                return
            for option in shape.types:
                _refuse(option, table, where)
        case _:
            return


def _chosen(tagged: Mapping[str, inspect.StructType], table: Mapping[Any, Any], where: str) -> inspect.StructType:
    """Which of several kinds of table it is, by what its tag says."""
    field = str(next(iter(tagged.values())).tag_field)
    said = table.get(field)
    if said is None:
        raise SettingError(f"[{where}] needs the setting '{field}'", allowed=f"one of: {', '.join(tagged)}")
    if str(said) not in tagged:
        raise SettingError(f"[{where}] {field} is {said!r}", advice=nearest(str(said), tagged))
    return tagged[str(said)]


def _sentence(message: str, table: Any, where: str) -> SettingError:
    """Msgspec's message as ours: where, the value, the rule."""
    rule, _, path = message.partition(" - at `$")
    path = path.removesuffix("`").lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", rule):
        table_name = ".".join(part for part in (where, path) if part)
        return SettingError(f"[{table_name}] needs the setting '{missing[1]}'")
    found = value_at(table, path)
    return SettingError(f"[{where}] {path} is {found!r}" if path else f"[{where}] is {found!r}", allowed=in_words(rule))


def in_words(rule: str, words: Mapping[str, str] = TOML) -> str:
    """A rule as msgspec writes it, in plain words.

    >>> in_words("Expected `int` <= 1000"), in_words("Expected `str` of length >= 1")
    ('It must be a whole number of at most 1000', 'It must be a text with a length of at least 1')
    """
    if rule == "Number out of range":
        return "It must be a finite number"
    if "datetime" in rule:
        return "It must be a date with its time and zone, such as 2026-03-02T08:00:00Z"
    rule = re.sub(r", got `.*`$", "", rule)
    rule = re.sub(r"`(\w+)`", lambda word: words.get(word[1], word[1]), rule.replace(" | ", "` or `"))
    if rule.startswith("Expected "):
        rule = "It must be " + rule.removeprefix("Expected ").replace("of length", "with a length")
        rule = rule.replace(">=", "of at least").replace("<=", "of at most")
        rule = rule.replace(" > ", " above ").replace(" < ", " below ")
    return rule


def value_at(table: Any, path: str) -> Any:
    """What stands at a path such as ``history[0].item``; as far as the path can be followed."""
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(table, Mapping) and step in table:
            table = table[step]
        elif isinstance(table, list | tuple) and step.isdigit():
            table = table[int(step)]
        else:
            return table
    return table
