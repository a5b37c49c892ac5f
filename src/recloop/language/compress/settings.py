from dataclasses import asdict, dataclass, field
from typing import Any

from recloop.errors import SettingError
from recloop.neural.recipe import Recipe


@dataclass(frozen=True)
class Student:
    """How a small encoder is made from a large one.

    Args:
        encoder: the teacher, a source for ``load_encoder`` with files.
        layers: of the teacher's that the student starts from, evenly spread.
        inner: share of the inner units of each feed-forward that stay.
        words: whether words that the texts do not use are taken out of the table, most of a small encoder's bytes.
        relations: weight of what the teacher thinks of the texts of a batch beside one another, against how near each
            vector is to the teacher's.
        steps: batches in an epoch, at most.
        length: tokens of a text that are read in training.
        recipe: of training.

    >>> Student(layers=2).inner
    1.0
    """

    encoder: str = "default"
    layers: int = 3
    inner: float = 1.0
    words: bool = True
    relations: float = 0.1
    steps: int = 500
    length: int = 64
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=5, batch=64, learning_rate=3e-4))

    def __post_init__(self) -> None:
        for name in ("layers", "steps"):
            if not getattr(self, name) >= 1:
                raise SettingError(f"{name} is {getattr(self, name)!r}", allowed="it must be at least 1")
        if not self.length >= 8:
            raise SettingError(f"length is {self.length!r}", allowed="it must be at least 8")
        if not 0 < self.inner <= 1:
            raise SettingError(f"inner is {self.inner!r}", allowed="it is a share, above 0 to 1")
        if not self.relations >= 0:
            raise SettingError(f"relations is {self.relations!r}", allowed="it must be at least 0")

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
