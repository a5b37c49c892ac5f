"""Which users are asked how they like it, and when: a pure function of ids and time, with a chance that is known."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from recloop.compose.typed import typed
from recloop.errors import MissingError, SettingError
from recloop.experiments.assign import bucket

DAY = 86_400.0
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Survey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question, and how often it is asked. The table ``[survey]`` of a file for ``recloop serve --survey``.

    A user is asked on one day of each cycle of ``cooldown`` days at most, always the same one, which a hash of the user
    picks; and only in some cycles, which a hash of user and cycle picks. So on each day each user is asked with the
    chance ``rate``, independently of everything that was served, and between two askings lie whole cycles. Nothing is
    remembered: every process, and every replay of the log, asks the same users.

    Attributes:
        instrument: name of the survey; a new wording deserves a new name, since it draws other lots.
        question: what the user reads.
        low, high: the ends of the scale; an answer is a number between them, ends included.
        labels: what each end is called, such as ``["not at all", "very"]``.
        rate: chance that a user is asked on a day, at most one over ``cooldown``.
        cooldown: days of a cycle.
        surfaces: where it is asked; everywhere where empty.

    >>> survey = Survey(rate=0.02, cooldown=30)
    >>> days = [day for day in range(600) if survey.asks("u4", "home", day * DAY)]
    >>> len({day % 30 for day in days}), min(b - a for a, b in zip(days, days[1:])) >= 30
    (1, True)
    """

    instrument: Annotated[str, Meta(min_length=1, max_length=60, pattern=NAME)] = "satisfaction"
    question: Annotated[str, Meta(min_length=1, max_length=300)] = "How satisfied are you with these recommendations?"
    low: float = 1.0
    high: float = 5.0
    labels: tuple[str, str] = ("not at all", "very")
    rate: Annotated[float, Meta(gt=0, le=1)] = 0.02
    cooldown: Annotated[int, Meta(ge=1, le=365)] = 30
    surfaces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.low < self.high or not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"low {self.low:g} must lie below high {self.high:g}")
        if self.rate * self.cooldown > 1 + 1e-9:
            raise ValueError(
                f"rate {self.rate:g} a day is more than once in {self.cooldown} days, the cooldown; "
                f"at most {1 / self.cooldown:.4g}"
            )

    @classmethod
    def of(cls, table: Any) -> "Survey":
        """The survey in the table ``[survey]``.

        Raises:
            SettingError: a key is unknown (the nearest is offered), or a value is not allowed.

        >>> Survey.of({"rat": 0.2})
        Traceback (most recent call last):
        recloop.errors.SettingError: [survey] has no setting 'rat'. Did you mean 'rate'? Valid: cooldown, high, ...
        """
        return typed(cls, table, "survey")

    @classmethod
    def read(cls, path: Path) -> "Survey":
        """The survey in a TOML file.

        Raises:
            MissingError: there is no such file, or it has no table ``[survey]``.
            SettingError: it is no TOML, or a setting is not allowed.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise MissingError(f"there is no survey {path}", advice="see docs/reference/surveys.md") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingError(f"{path} is no TOML ({error})") from error
        if "survey" not in table:
            raise MissingError(f"{path} has no table [survey]", advice="add one, such as: [survey] rate = 0.02")
        return cls.of(table["survey"])

    def asks(self, user: str, surface: str, time: float) -> bool:
        """Whether a slate for this user on this surface at this moment carries the question.

        Nobody knows who is anonymous (""), so nobody could tell how often they were asked: they are not.
        """
        if not user or (self.surfaces and surface not in self.surfaces):
            return False
        cycle, day = divmod(math.floor(time / DAY), self.cooldown)
        if day != int(bucket(f"survey-day:{self.instrument}", user) * self.cooldown):
            return False
        return bucket(f"survey:{self.instrument}:{cycle}", user) < self.rate * self.cooldown

    def told(self) -> dict[str, Any]:
        """What a decision keeps: which question, its scale, and the chance with which it was asked."""
        return {"instrument": self.instrument, "low": self.low, "high": self.high, "propensity": self.rate}
