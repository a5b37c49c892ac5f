"""What the engine needs of a release, and what it says while there is none."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.filters import Filters
from recloop.compose.policy import Policy
from recloop.compose.steering import Steerer
from recloop.data.kinds import Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.errors import RecloopError
from recloop.language.word_index import WordIndex
from recloop.strategies.index import Index


class NotReadyError(RecloopError):
    """The service runs, and cannot answer yet."""

    exit_code: ClassVar[int] = 5
    status: ClassVar[int] = 503


class Servable(Protocol):
    """What the engine needs of a release."""

    @property
    def name(self) -> str:
        """Which release it is."""
        ...

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The policies by name."""
        ...

    @property
    def default_policy(self) -> str:
        """The policy that serves where no experiment runs."""
        ...

    @property
    def items(self) -> Vocabulary:
        """The catalogue, in the order of the models."""
        ...

    @property
    def catalogue(self) -> pl.DataFrame:
        """One row per item: ``item``, and what is known of it."""
        ...

    @property
    def kinds(self) -> Kinds:
        """What events weigh."""
        ...

    @property
    def available(self) -> NDArray[np.bool_]:
        """(n_items,) whether each item may be shown at all."""
        ...

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """(n_items, d), what items are like; None where nobody knows."""
        ...

    @property
    def lengths(self) -> NDArray[np.float32] | None:
        """(n_items,) the length of each vector, 1 where it is 0."""
        ...

    @property
    def nearest(self) -> Index | None:
        """Finds the items near a vector without scoring all; None where all are to be scored."""
        ...

    @property
    def steerer(self) -> Steerer:
        """What turns the wishes of a sentence into what they do to the items."""
        ...

    @property
    def encoder(self) -> str:
        """The source of the encoder that made the vectors of texts; "" where they are of behaviour."""
        ...

    @property
    def filters(self) -> Filters:
        """What conditions on attributes of items leave."""
        ...

    @property
    def words(self) -> WordIndex:
        """The words of the items."""
        ...

    @property
    def titles(self) -> Sequence[str]:
        """(n_items,) how the items are called."""
        ...
