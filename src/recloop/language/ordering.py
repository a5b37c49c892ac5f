import json
import re
from collections.abc import Sequence

from recloop.errors import AnswerError

FENCE = re.compile(r"\A```[a-z]*\n(.*)\n```\Z", re.DOTALL)
LINE = re.compile(r"(\d{1,4})[.):]\s+(\S.*)")
LABEL = re.compile(r"\[?(\d{1,4})\]?(?:[.:)]?\s+(\S.*))?")


def read_ordering(answer: str, texts: Sequence[str]) -> list[int]:
    r"""The order that a language model gave to items, as places in ``texts``; what it left out follows in their order.

    It may answer with a JSON list, alone or as the one field of an object, or with a numbered list, one item a line.
    An item is named by its number (from 1), by its text, or by both. Nothing else may stand there: an item that was
    not among those asked for, one that comes twice, a number that belongs to another text, or words around the list
    refuse the whole answer.

    Args:
        answer: what the model said.
        texts: the items as they stood in the prompt, number 1 first.

    Raises:
        AnswerError: the answer is anything else.

    >>> read_ordering("[2, 3]", ["tea", "coffee", "milk"])
    [1, 2, 0]
    >>> read_ordering("1. milk\n2. [1] tea\n3. coffee", ["tea", "coffee", "milk"])
    [2, 0, 1]
    """
    plain = answer.strip()
    if fenced := FENCE.match(plain):
        plain = fenced[1].strip()
    entries = _json(plain) if plain[:1] in {"[", "{"} else _lines(plain)
    if not entries:
        raise AnswerError("the model's list is empty")
    named = {}
    for place, text in enumerate(map(_plain, texts)):
        named[text] = place if text not in named else -1  # a text that comes twice names nothing
    order = [_place(entry, texts, named) for entry in entries]
    if len(set(order)) < len(order):
        raise AnswerError("the model names an item twice")
    return order + [place for place in range(len(texts)) if place not in set(order)]


def _json(text: str) -> list[object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError("the model's answer is broken JSON") from error
    if isinstance(found, dict) and len(found) == 1:
        found = next(iter(found.values()))
    if not isinstance(found, list):
        raise AnswerError("the model's answer is JSON, and no list")
    return found


def _lines(text: str) -> list[object]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [LINE.fullmatch(line) for line in lines]
    entries: list[object] = []
    for number, match in enumerate(found, start=1):
        if match is None or int(match[1]) != number:
            raise AnswerError("the model's answer is no list")
        entries.append(match[2])
    return entries


def _place(entry: object, texts: Sequence[str], named: dict[str, int]) -> int:
    """The place of what one entry names."""
    if isinstance(entry, int) and not isinstance(entry, bool):
        place = entry - 1
    elif isinstance(entry, str):
        whole = named.get(_plain(entry), -1)
        label = LABEL.fullmatch(entry.strip())
        place = whole
        if whole < 0 and label:
            place = int(label[1]) - 1
            if label[2] and 0 <= place < len(texts) and _plain(label[2]) != _plain(texts[place]):
                raise AnswerError("the model gives an item the number of another")
    else:
        raise AnswerError("an entry of the model's list is neither number nor text")
    if not 0 <= place < len(texts):
        raise AnswerError("the model names an item that it was not asked about")
    return place


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
