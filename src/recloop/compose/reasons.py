"""Facts about why an item is on a slate, said in words: by a template, or by somebody who may say nothing else."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from recloop.compose.assembly import PIN
from recloop.compose.causes import Cause
from recloop.errors import AnswerError
from recloop.language.chat import Chat
from recloop.language.prompt import Prompt, one_line

LONGEST = 300  # characters of a reason


@dataclass(frozen=True, slots=True)
class Facts:
    """All that may be said of why an item is there.

    Attributes:
        item: its title.
        source: the strategy that brought it.
        events: titles of the items of the history that moved it.
        words: words that it shares with them, and that moved it.
        personal: whether there was a history at all.
    """

    item: str
    source: str = ""
    events: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    personal: bool = True

    @classmethod
    def of(cls, cause: Cause, titles: Sequence[str]) -> "Facts":
        """The facts of a cause, by title."""
        return cls(titles[cause.item], cause.source, tuple(titles[event] for event in cause.events), cause.words)


Phrase = Callable[[Sequence[Facts]], list[str]]
"""Says the facts of each item of a slate."""


def plain(facts: Facts) -> str:
    """The facts as a sentence, by a template.

    >>> plain(Facts("FIFA 10", "content", ("FIFA 09",), ("fifa", "ps3")))
    'because of FIFA 09 in your history, by the words fifa and ps3'
    >>> plain(Facts("FIFA 10", "popular-7d")), plain(Facts("FIFA 10", "ease"))
    ('popular with others', 'chosen from your history')
    """
    if facts.events or facts.words:
        events = f"because of {_listed(facts.events)} in your history" if facts.events else "close to your history"
        return f"{events}, by the word{'s' * (len(facts.words) > 1)} {_listed(facts.words)}" if facts.words else events
    if facts.source == PIN:
        return "placed here by a rule"
    if facts.source == "random":
        return "picked at random"
    if facts.source.startswith("popular"):
        return "popular with others"
    return "chosen from your history" if facts.personal else "chosen without a history"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@dataclass(frozen=True, eq=False)
class Titles:
    """The titles of a catalogue, to be found in a text: a reason may name the items that it is about, and no other.

    >>> titles = Titles.of(["Heat", "The Big Sleep", "Alien", "Aliens"])
    >>> sorted(titles.named("Like Alien and the big sleep, in the heat of the night"))
    ['Alien', 'The Big Sleep']
    """

    known: Mapping[tuple[str, ...], str]
    longest: int
    first: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, titles: Sequence[str]) -> "Titles":
        """The titles, without a year in brackets at their end."""
        known = {words: title for title in titles if (words := _key(title))}
        return cls(known, max(map(len, known), default=0), frozenset(words[0] for words in known))

    def named(self, text: str) -> set[str]:
        """The titles in a text. Titles of one word count only where they are written alike, as a name."""
        written = _WORD.findall(text)
        words = [word.lower() for word in written]
        found, at = set(), 0
        while at < len(words):
            step = 1
            if words[at] in self.first:
                for size in range(min(self.longest, len(words) - at), 0, -1):
                    title = self.known.get(tuple(words[at : at + size]))
                    if title is not None and (size > 1 or written[at] == _WORD.findall(title)[0]):
                        found.add(title)
                        step = size
                        break
            at += step
        return found


_WORD = re.compile(r"\w+(?:['’]\w+)*")


def _key(title: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(re.sub(r"\s*\(\d{4}\)\s*$", "", title)))


def checked(answer: str, facts: Facts, titles: Titles) -> str:
    """What somebody made of the facts, as one line; refused where it says more than they do.

    Raises:
        AnswerError: it is empty or too long, or names an item or a number that is not in the facts.

    >>> titles = Titles.of(["Alien", "Aliens", "Heat"])
    >>> checked("Since you liked Alien.", Facts("Aliens", "ease", ("Alien",)), titles)
    'Since you liked Alien.'
    >>> checked("Since you liked Heat.", Facts("Aliens", "ease", ("Alien",)), titles)
    Traceback (most recent call last):
    recloop.errors.AnswerError: the reason names 'Heat', which is not among the facts.
    """
    said = " ".join(answer.split()).strip('"')
    if not 0 < len(said) <= LONGEST:
        raise AnswerError(f"the reason has {len(said)} characters", allowed=f"it must have 1 to {LONGEST}")
    own = " ".join((facts.item, *facts.events, *facts.words))
    allowed = {title for name in (facts.item, *facts.events) for title in (name, titles.known.get(_key(name)))}
    if others := titles.named(said) - allowed - titles.named(own):
        raise AnswerError(f"the reason names '{min(others)}', which is not among the facts", reason="ungrounded")
    if numbers := set(re.findall(r"\d+", said)) - set(re.findall(r"\d+", own)):
        raise AnswerError(f"the reason names {min(numbers)}, which is not among the facts", reason="ungrounded")
    return said


def by_model(chat: Chat, titles: Sequence[str], prompt: str = "reason") -> Phrase:
    """Facts phrased by a generative model; what it adds to them is refused, and the template takes its place.

    Args:
        chat: the endpoint.
        titles: of the catalogue.
        prompt: a prompt that comes with recloop, or the path of yours, with ``$item``, ``$events``, ``$words``.

    Raises:
        MissingError: there is no such prompt.
        SettingError: the prompt lacks ``$item`` or ``$events``, or has another name.
    """
    read = Prompt.read(prompt, ("item", "events", "words"), needed=("item", "events"))
    known = Titles.of(titles)

    def phrase(slate: Sequence[Facts]) -> list[str]:
        moved = [facts for facts in slate if facts.events]
        answers = chat.ask_all(
            [(_messages(read, facts), partial(checked, facts=facts, titles=known)) for facts in moved]
        )
        said = dict(zip(moved, answers, strict=True))
        return [answer if isinstance(answer := said.get(facts), str) else plain(facts) for facts in slate]

    return phrase


def _messages(prompt: Prompt, facts: Facts) -> list[dict[str, str]]:
    return prompt.messages(
        item=one_line(facts.item),
        events="\n".join(map(one_line, facts.events)),
        words=", ".join(map(one_line, facts.words)) or "none",
    )
