"""What people called the themes and which they put together: kept in a file, found again when themes are made anew."""

import math
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from recloop.errors import ArtifactError, ConflictError, MissingError, SettingError, nearest

NEAR = 0.75  # cosine from which a new theme is an old one
LONGEST = 80


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A theme that people named.

    Attributes:
        name: what they called it.
        centres: of the groups that they put under it; one, or several that were merged.
    """

    name: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    centres: tuple[tuple[float, ...], ...]


class ThemeBook(Struct, frozen=True, forbid_unknown_fields=True):
    """Names and merges of themes. A value: each change gives a new book.

    A theme is known by where its centre lies, not by its number. So a name sticks when the comments of next week are
    grouped anew: a new group gets the name whose centre is nearest, where the cosine is at least 0.75.

    Attributes:
        encoder: fingerprint of the encoder whose vectors the centres are.
        entries: by name.

    >>> book = ThemeBook("e1").named("lost bags", [np.array([1.0, 0])]).named("late", [np.array([0, 1.0])])
    >>> book.names(np.array([[0.1, 0.99], [0.7, -0.7], [0.98, 0.05]]))
    ['late', '', 'lost bags']
    """

    encoder: str = ""
    entries: tuple[Entry, ...] = ()

    def named(self, name: str, centres: list[NDArray[np.floating]]) -> "ThemeBook":
        """The book with these groups under one name; a name that stands already gets them in addition.

        A group that had another name before loses it.

        Raises:
            SettingError: the name is empty or too long.
        """
        called = " ".join(name.split())
        if not 0 < len(called) <= LONGEST:
            raise SettingError(f"the name has {len(called)} characters", allowed=f"from 1 to {LONGEST}")
        fresh = [tuple(round(float(x), 5) for x in centre) for centre in centres]
        kept = []
        for entry in self.entries:
            old = [one for one in entry.centres if not any(_near(one, new) for new in fresh)]
            if entry.name == called:
                fresh = [*old, *fresh]
            elif old:
                kept.append(Entry(entry.name, tuple(old)))
        entries = sorted([*kept, Entry(called, tuple(fresh))], key=lambda entry: entry.name)
        return ThemeBook(self.encoder, tuple(entries))

    def without(self, name: str) -> "ThemeBook":
        """The book without a name.

        Raises:
            MissingError: it has no such name.
        """
        if name not in {entry.name for entry in self.entries}:
            raise MissingError(f"no theme is called '{name}'", advice=nearest(name, [e.name for e in self.entries]))
        return ThemeBook(self.encoder, tuple(entry for entry in self.entries if entry.name != name))

    def names(self, centres: NDArray[np.floating]) -> list[str]:
        """The name of each new group; "" where none is near."""
        owners = [entry.name for entry in self.entries for _ in entry.centres]
        if not owners or not len(centres):
            return [""] * len(centres)
        known = np.array([centre for entry in self.entries for centre in entry.centres])
        near = centres @ known.T / np.maximum(np.linalg.norm(known, axis=1), 1e-9)
        return [owners[best] if row[best] >= NEAR else "" for row, best in zip(near, near.argmax(axis=1), strict=True)]

    # ---- the file

    @classmethod
    def read(cls, path: Path | None, encoder: str) -> "ThemeBook":
        """The book in a file; an empty one where there is no file.

        Raises:
            ArtifactError: the file is no book of themes.
            ConflictError: its centres are vectors of another encoder.
        """
        if path is None or not path.exists():
            return cls(encoder)
        try:
            book = msgspec.json.decode(path.read_bytes(), type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path} is no book of themes ({error})", advice="name another file") from error
        if book.encoder != encoder:
            raise ConflictError(
                f"the themes in {path} were named with another encoder",
                advice="read with the encoder of then, or begin a new book",
            )
        return book

    def to_json(self) -> str:
        """The text of its file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1).decode()


def _near(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    if len(left) != len(right):
        return False
    length = math.hypot(*left) * math.hypot(*right)
    return bool(length) and sum(a * b for a, b in zip(left, right, strict=True)) / length > 0.95
