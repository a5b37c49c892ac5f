"""What reading comments came to, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recloop.errors import MissingError, nearest
from recloop.experiments.json_values import to_json
from recloop.stats import Effect, Mean


@dataclass(frozen=True, slots=True)
class Quote:
    """A comment as it was written, personal data masked; a long one is cut to 300 characters."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Comments that are about one thing.

    Attributes:
        name: what people called it, or its first keywords.
        named_by: ``words``, ``people`` or ``model``.
        keywords: what these comments say more than the others.
        texts, users: how many comments of how many users.
        share: of all comments that were read.
        mood: -1 to 1, mean over users with a 95% interval; None where nothing tells it.
        examples: three comments near its middle.
        summary: sentences made of the numbers above.
    """

    name: str
    named_by: str
    keywords: tuple[str, ...]
    texts: int
    users: int
    share: float
    mood: Mean | None
    examples: tuple[Quote, ...]
    summary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """How much more, or less, the users of one side write about a theme than those of the other.

    Attributes:
        theme: its name.
        ours, theirs: users of each side who write about it.
        effect: difference of the shares of users, with its interval.
        p_adjusted: after Benjamini-Hochberg over all themes of the comparison.
        clear: whether that is below 0.05.
        sentence: it in words.
    """

    theme: str
    ours: int
    theirs: int
    effect: Effect
    p_adjusted: float
    clear: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One side held against another: arm against arm, after against before, a slice against the rest.

    Attributes:
        ours, theirs: what the sides are called.
        users: of each side.
        of: what users these are: those who wrote, or all who were served.
        words: what our side says more; ``less``: what it says less.
        shifts: per theme, the largest change first.
    """

    ours: str
    theirs: str
    users: tuple[int, int]
    of: str
    words: tuple[str, ...]
    less: tuple[str, ...]
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Comments, read.

    Attributes:
        texts, users: that were read.
        mood: mean over users.
        accuracy: how far mood can be trusted, and on which texts that was measured.
        unassigned: share of the comments that are in no theme.
        themes: largest first.
        aspects: what comments talk about, of a given list; a comment may be about several.
        comparisons: as asked for.
        placed: how far aspects can be trusted; empty where there are none.
        labels: comments per label, where a labeller was given.
        notes: what was left out, and why.
        simulation: the comments are of a made-up world.
    """

    texts: int
    users: int
    mood: Mean | None
    accuracy: str
    unassigned: float
    themes: tuple[Theme, ...]
    aspects: tuple[Theme, ...]
    comparisons: tuple[Comparison, ...] = ()
    placed: str = ""
    labels: Mapping[str, int] | None = None
    labelled: str = ""
    notes: tuple[str, ...] = ()
    simulation: bool = False

    @property
    def sentence(self) -> str:
        """The reading in two sentences."""
        if not self.texts:
            return "Nobody wrote anything."
        first = f"{self.users:,} user{'s' * (self.users != 1)} wrote {self.texts:,} comment{'s' * (self.texts != 1)}"
        feel = "" if self.mood is None else f", mood {self.mood.mean:+.2f} (from -1 to 1)"
        if not self.themes:
            return f"{first}{feel}. They are too few, or too unlike, to make a theme."
        top = self.themes[0]
        return (
            f"{first}{feel}. Most about: {top.name} ({top.share:.0%}); "
            f"{self.unassigned:.0%} of the comments are in no theme."
        )

    def theme(self, name: str) -> Theme:
        """The theme of a name.

        Raises:
            MissingError: there is none; the nearest name is offered.
        """
        for one in self.themes:
            if one.name == name:
                return one
        raise MissingError(f"no theme is called '{name}'", advice=nearest(name, [one.name for one in self.themes]))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = {"sentence": self.sentence, **to_json(self)}
        return found
