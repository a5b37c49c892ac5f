"""A sentence such as "lighter, no horror, from the nineties" as typed wishes. Rules of English, no model."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from recloop.errors import SettingError
from recloop.language.bounds import Bound, bounds

STRENGTH = 0.5
LONGEST = 500  # characters of a sentence

Polarity = Literal["more", "less", "never", "only"]


@dataclass(frozen=True, slots=True)
class Steer:
    """What somebody wishes of a slate, beside what the history says.

    Attributes:
        more: items near these texts come first.
        less: items near these texts come later.
        never: as ``less``; an item of a category of that name is not shown at all.
        only: as ``more``; where a category has that name, no other is shown.
        bounds: on the year and the price of an item. All hold; where no number can satisfy all those that are wanted
            ("from the eighties or nineties"), one of them must.
        strength: what the wishes count beside the history, from 0 (nothing) to 1 (only they count).

    Raises:
        SettingError: the strength is not between 0 and 1.
    """

    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise SettingError(
                f"the strength of a steer is {self.strength}",
                allowed="it must be a number between 0 and 1",
                advice=f"the default is {STRENGTH}",
            )

    def __bool__(self) -> bool:
        return bool(self.more or self.less or self.never or self.only or self.bounds)

    def said(self) -> tuple[str, ...]:
        """How the sentence was understood, to be shown to whoever said it.

        >>> parse("lighter, no horror, from the nineties").said()
        ('more: lighter', 'never: horror', 'year 1990 to 1999')
        """
        wishes = [f"{kind}: {text}" for kind in ("more", "less", "never", "only") for text in getattr(self, kind)]
        return (*wishes, *map(str, self.bounds))


def parse(sentence: str, strength: float = STRENGTH) -> Steer:
    """The wishes of an English sentence.

    - ``no``, ``not``, ``without``, ``nothing with``, ``except``, ``don't want`` …: ``never``; ``less``, ``fewer``,
      ``not too``: ``less``; ``only``, ``nothing but``: ``only``; everything else: ``more``. A word of this kind holds
      to the end of its part of the sentence: a comma, "but" or the next such word ends it; "no horror, war or gore"
      is one list.
    - Years: ``from the nineties``, ``early 80s``, ``before 2000``, ``since 2010``, ``between 1980 and 1985``,
      ``from 1994``; prices: ``under 20 euros``, ``at least $5``, ``between 10 and 20 €``, ``cheaper than 30``.

    Args:
        sentence: at most 500 characters.
        strength: of the steer.

    Raises:
        SettingError: the sentence is too long, or the strength is not between 0 and 1.

    >>> steer = parse("Something funny but nothing with zombies, under 20 euros")
    >>> steer.more, steer.never, str(steer.bounds[0])
    (('funny',), ('zombies',), 'price up to 20')
    """
    if len(sentence) > LONGEST:
        raise SettingError(
            f"the steering sentence has {len(sentence):,} characters",
            allowed=f"at most {LONGEST} are read",
            advice="say what is wished for in a few words",
        )
    text = re.sub(r"[‘’ʼ`]", "'", " ".join(sentence.lower().split()))
    text, spans = bounds(text)
    wishes: dict[Polarity, dict[str, None]] = {"more": {}, "less": {}, "never": {}, "only": {}}
    for polarity, phrase in _phrases(text):
        wishes[polarity][phrase] = None
    return Steer(
        more=tuple(wishes["more"]),
        less=tuple(wishes["less"]),
        never=tuple(wishes["never"]),
        only=tuple(wishes["only"]),
        bounds=spans,
        strength=strength,
    )


# ---- wishes

# In the order in which they are tried at a place of the sentence
_CUES: tuple[tuple[Polarity, str], ...] = (
    ("more", r"not (?:only|just)"),
    ("only", r"nothing (?:else )?but|only|exclusively|must be|has to be"),
    ("less", r"(?:not|nothing) (?:too|so|that|as|very)(?: much| many)?|not a lot of|less|fewer"),
    (
        "never",
        (
            r"nothing (?:with|about|like|from|that is|that's)|nothing|no more|no|not|without(?: any)?|never|none of"
            r"|(?:any|every)thing but|except(?: for)?|avoid(?:ing)?|exclud(?:e|ing)|skip|hates?|dislikes?"
            r"|(?:do not|don't|dont|can't|cannot) (?:want|like|need|show(?: me)?|stand|care for)"
            r"|(?:tired|sick|bored|free) of"
        ),
    ),
    ("more", r"more|some|something|want|loves?|prefer|rather|but|lots? of"),
)
_CUE = re.compile(
    r"(?<![\w'])(?:" + "|".join(f"(?P<_{place}>{words})" for place, (_, words) in enumerate(_CUES)) + r")(?![\w'])"
)
_PART = re.compile(r"[,;:.!?()\n]+(?!\d)|(?<!\d)[,.]+")
_LIST = re.compile(r"\b(?:and|or|nor|as well as)\b|[&/+]")
_FILLER = frozenset(
    re.findall(
        r"\S+",
        """a an the i i'm i'd i'll me we us my you it it's its am is are be been was that this these those there any one
    ones would could should can will please show give find get recommend suggest let let's see watch read buy play
    listen with film films movie movies book books game games item items product products thing things stuff titles
    song songs shows anything everything something to of for in on at by from as so too very really quite bit
    little kind kinds sort sorts type mood feel feeling today tonight now than usual time who which have has had also
    maybe perhaps much many such like about set made all else only""",
    )
)


class _Said(NamedTuple):
    polarity: Polarity
    text: str


def _phrases(text: str) -> Iterator[_Said]:
    """Polarity and phrase, in the order of the sentence."""
    parts = [part for part in _PART.split(text) if part.strip()]
    opened: list[Polarity | None] = []  # by which a part would go on a list that an earlier part began
    for part in parts:
        cues = list(_CUE.finditer(part))
        opened.append(_polarity(cues[-1]) if cues else None)
    for place, part in enumerate(parts):
        start: Polarity = "more"
        if opened[place] is None:
            start = _of_list(parts, opened, place)
        yield from _part(part, start)


def _of_list(parts: list[str], opened: list[Polarity | None], place: int) -> Polarity:
    """The polarity of a part without a cue: that of the list it is in ("no horror, war or gore"), else ``more``."""
    begin = next((at for at in range(place - 1, -1, -1) if opened[at] is not None), None)
    if begin is None:
        return "more"
    for at in range(begin + 1, len(parts)):
        if opened[at] is not None:
            return "more"
        if at >= place and re.search(r"\b(?:or|nor)\b", parts[at]):
            return opened[begin] or "more"
    return "more"


def _part(part: str, polarity: Polarity) -> Iterator[_Said]:
    at = 0
    for cue in [*_CUE.finditer(part), None]:
        for piece in _LIST.split(part[at : cue.start() if cue else len(part)]):
            if phrase := _trimmed(piece):
                yield _Said(polarity, phrase)
        if cue:
            polarity, at = _polarity(cue), cue.end()


def _polarity(cue: re.Match[str]) -> Polarity:
    return next(_CUES[place][0] for place in range(len(_CUES)) if cue[f"_{place}"])


def _trimmed(piece: str) -> str:
    """A phrase without the words at its ends that say nothing."""
    words = re.findall(r"[\w'-]+", piece)
    while words and words[0] in _FILLER:
        words.pop(0)
    while words and words[-1] in _FILLER:
        words.pop()
    return " ".join(words).strip("'-")
