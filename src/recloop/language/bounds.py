"""Years and prices in a sentence: "from the nineties", "before 2000", "under 20 euros"."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Bound:
    """Numbers that an attribute of the items must lie between, or must not.

    Attributes:
        attribute: ``year`` or ``price``.
        low: the least, -inf where there is none.
        high: the greatest, inf where there is none.
        wanted: False where items between them are not wanted.
        words: what was said, for catalogues that lack the attribute.

    >>> str(Bound("year", 1990, 1999)), str(Bound("price", -math.inf, 20, wanted=False))
    ('year 1990 to 1999', 'not price up to 20')
    """

    attribute: Literal["year", "price"]
    low: float
    high: float
    wanted: bool = True
    words: str = ""

    def __str__(self) -> str:
        if math.isinf(self.low):
            span = f"up to {self.high:g}"
        elif math.isinf(self.high):
            span = f"from {self.low:g}"
        else:
            span = f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"
        return f"{'' if self.wanted else 'not '}{self.attribute} {span}"


def bounds(text: str) -> tuple[str, tuple[Bound, ...]]:
    """A sentence in small letters without what it says of years and prices, and that, in its order.

    >>> rest, found = bounds("a comedy from the late eighties, at most 5 euros")
    >>> rest.split(), [str(bound) for bound in found]
    (['a', 'comedy', ',', ',', ','], ['year 1987 to 1989', 'price up to 5'])
    """
    found: list[tuple[int, Bound]] = []
    for reader in _READERS:
        while match := next(filter(reader.read, reader.pattern.finditer(text)), None):
            low, high = reader.read(match) or (-math.inf, math.inf)
            words = match[0].strip()
            found.append((match.start(), Bound(reader.attribute, low, high, wanted=not match["no"], words=words)))
            gap = " " * (len(match[0]) - 1)  # what follows stays in its place
            text = f"{text[: match.start()]},{gap}{text[match.end() :]}"
    return text, tuple(bound for _, bound in sorted(found, key=lambda entry: entry[0]))


_DECADES = {
    "oughts": 0, "tens": 10, "twenties": 20, "thirties": 30, "forties": 40,
    "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80, "nineties": 90,
}  # fmt: skip
_NOT = r"(?:(?P<no>no|not|nothing|without|except|avoid) (?:(?:films?|movies?|books?|games?|songs?|anything) )?)??"
_IN = r"(?:(?:(?:made|released|published|written|set) )?(?:from|of|in|during) )?(?:the )?"
_DECADE = (
    r"(?:(?P<part>early|mid|late)[ -]+)?"
    rf"'?(?:(?P<century>1[89]|20)?(?P<tens>\d)0'?s|(?P<name>{'|'.join(_DECADES)}))(?!\w)"
)
_MONEY = r"(?:(?:euros?|eur|dollars?|usd|pounds?|gbp|bucks|francs?|chf|yen|jpy)\b|[€$£¥])"
_YEAR = r"'?(?:1[89]|20)\d\d(?!\d|[.,]\d| ?" + _MONEY + ")"
_SIDE = (
    r"(?P<before>before|older than|earlier than|prior to)|(?P<until>until|till|up to|not after)"
    r"|(?P<after>after|newer than|later than|more recent than)|(?P<since>since|from|not before)"
)
_BELOW = r"(?P<below>under|below|less than|cheaper than|at most|(?:no|not) more than|up to|max(?:imum)?)"
_ABOVE = r"(?P<above>over|above|more than|dearer than|at least|(?:no|not) less than|min(?:imum)?)"
_ON = r"(?P<on> on(?:wards?)?)?"
_OF = r"(?: of)? "
Span = tuple[float, float]


def _amount(name: str) -> str:
    return rf"(?:(?P<{name}_before>{_MONEY}) ?)?(?P<{name}>\d+(?:[.,]\d\d?)?)(?: ?(?P<{name}_after>{_MONEY}))?"


def _decade(found: re.Match[str]) -> Span:
    if found["name"]:
        tens, century = _DECADES[found["name"]], 0
    else:
        tens, century = 10 * int(found["tens"]), int(found["century"] or 0)
    # "the twenties" are those of this century, as "the tens" and "the 00s"; older ones are of the last
    start = 100 * (century or (20 if tens < 30 else 19)) + tens
    first, last = {"early": (0, 3), "mid": (4, 6), "late": (7, 9)}.get(found["part"] or "", (0, 9))
    return start + first, start + last


def _beside_decade(found: re.Match[str]) -> Span:
    return _beside(found, *_decade(found))


def _beside_year(found: re.Match[str]) -> Span:
    return _beside(found, *_year(found))


def _beside(found: re.Match[str], low: float, high: float) -> Span:
    if found["before"]:
        return -math.inf, low - 1
    if found["until"]:
        return -math.inf, high
    if found["since"] == "from" and not found["on"]:  # "from 1994" is one year, "from 1994 on" are many
        return low, high
    return (high + 1 if found["after"] else low), math.inf


def _year(found: re.Match[str]) -> Span:
    year = float(found["a"].strip("'"))
    return year, year


def _two(found: re.Match[str]) -> Span | None:
    first, second = (float(found[name].strip("'").replace(",", ".")) for name in ("a", "b"))
    return min(first, second), max(first, second)


def _prices(found: re.Match[str]) -> Span | None:
    money = any(found[f"{name}_{side}"] for name in ("a", "b") for side in ("before", "after"))
    return _two(found) if money else None


def _price(found: re.Match[str]) -> Span | None:
    dear = found["below"] == "cheaper than" or found["above"] == "dearer than"
    unit = re.match(r" ?[\w%]", found.string[found.end() :])
    if not (found["a_before"] or found["a_after"] or dear or not unit):
        return None  # "under 90 minutes"
    amount = float(found["a"].replace(",", "."))
    return (-math.inf, amount) if found["below"] else (amount, math.inf)


class _Reader(NamedTuple):
    attribute: Literal["year", "price"]
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Span | None]

    @classmethod
    def of(
        cls, attribute: Literal["year", "price"], words: str, read: Callable[[re.Match[str]], Span | None]
    ) -> "_Reader":
        return cls(attribute, re.compile(rf"(?<![\w']){_NOT}{words}"), read)


# The longer a phrase, the earlier it is read
_READERS = (
    _Reader.of("price", rf"(?:between |from )?{_amount('a')} ?(?:and|to|-|–) ?{_amount('b')}", _prices),
    _Reader.of("price", rf"(?:for |costs? )?(?:{_BELOW}|{_ABOVE}){_OF}{_amount('a')}", _price),
    _Reader.of("year", rf"(?:{_SIDE}) (?:the )?{_DECADE}{_ON}", _beside_decade),
    _Reader.of("year", rf"{_IN}{_DECADE}", _decade),
    _Reader.of("year", rf"(?:between|from) (?P<a>{_YEAR}) (?:and|to|until|till) (?P<b>{_YEAR})", _two),
    _Reader.of("year", rf"{_IN}(?P<a>{_YEAR}) ?[-–] ?(?P<b>{_YEAR})", _two),
    _Reader.of("year", rf"(?:{_SIDE}) (?P<a>{_YEAR}){_ON}", _beside_year),
    _Reader.of("year", rf"(?:(?:made|released|published|written) )?(?:of|in|or) (?P<a>{_YEAR})", _year),
)
