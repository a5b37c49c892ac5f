"""What of a request a bandit's choice depends on: attributes, the moment's context, and what the history is like."""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from recloop.compose.diversity import unit
from recloop.data.histories import Histories
from recloop.errors import SettingError

Array = NDArray[np.float64]


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number as a feature: ``(value - middle) / width``; 0 where it is unknown.

    Attributes:
        middle: what becomes 0.
        width: what becomes 1 above it.
    """

    middle: float = 0.0
    width: Annotated[float, Meta(gt=0.0)] = 1.0


class FeaturesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which features a request has, beside the constant 1.

    Attributes:
        profile: attribute of the user → the values that count, each a feature of 0 or 1, or ``{middle, width}`` for
            a number.
        context: the same of what requests tell of their moment.
        history: how many numbers say what the history is like: the mean of its items' vectors along their principal
            directions; 0 leaves it out.

    >>> FeaturesConfig(context={"device": ["app", "web"]}, history=2).names
    ('1', 'context.device=app', 'context.device=web', 'history.0', 'history.1')
    """

    profile: dict[str, list[str] | Scale] = {}
    context: dict[str, list[str] | Scale] = {}
    history: Annotated[int, Meta(ge=0, le=512)] = 0

    @property
    def names(self) -> tuple[str, ...]:
        """What each feature is, in their order."""
        found = ["1"]
        for place, attributes in (("profile", self.profile), ("context", self.context)):
            for name, wanted in attributes.items():
                values = [f"={value}" for value in wanted] if isinstance(wanted, list) else [""]
                found += [f"{place}.{name}{value}" for value in values]
        return (*found, *(f"history.{number}" for number in range(self.history)))

    @property
    def empty(self) -> bool:
        """Whether every request is alike."""
        return len(self.names) == 1


class Features:
    """Histories to features, (n, d).

    Args:
        config: which.
        vectors: (n_items, dimensions), for the features of the history.

    Raises:
        SettingError: features of the history are wanted, and there are no vectors, or they have fewer dimensions.

    >>> requests = Histories.of([[0], [1, 1], []], n_items=2)
    >>> Features(FeaturesConfig(history=1), np.array([[1.0, 0.0], [-1.0, 0.0]])).of(requests).tolist()
    [[1.0, 1.0], [1.0, -1.0], [1.0, 0.0]]
    """

    def __init__(self, config: FeaturesConfig, vectors: NDArray[np.floating] | None = None) -> None:
        self.config = config
        self._items: Array | None = None
        if not config.history:
            return
        if vectors is None:
            raise SettingError(
                f"features.history is {config.history}, and there are no item vectors",
                advice="give the items texts, or set features.history = 0",
            )
        if vectors.shape[1] < config.history:
            raise SettingError(
                f"features.history is {config.history}, and item vectors have {vectors.shape[1]} numbers",
                allowed="at most as many",
            )
        self._items = principal(vectors, config.history)

    def of(self, histories: Histories) -> Array:
        """(n, d) float64: 1, profile, context, history."""
        n = len(histories)
        columns = [np.ones((n, 1))]
        told = ((self.config.profile, histories.profiles), (self.config.context, histories.contexts))
        for wanted, there in told:
            columns += [attributes(there.get(name), kind, n) for name, kind in wanted.items()]
        if self._items is not None:
            columns.append(histories.matrix() @ self._items / np.maximum(_weights(histories), 1e-12)[:, None])
        return np.hstack(columns)


def principal(vectors: NDArray[np.floating], dimensions: int) -> Array:
    """(n, dimensions) float64, unit vectors along their principal directions, of about unit size each.

    The sign of each direction is such that its largest loading is positive, so that it does not depend on the machine.
    """
    rows = unit(vectors.astype(np.float32)).astype(np.float64)
    _, directions = np.linalg.eigh(rows.T @ rows)
    along = directions[:, ::-1][:, :dimensions]
    along = along * np.sign(along[np.abs(along).argmax(axis=0), np.arange(dimensions)])
    found = rows @ along
    return np.asarray(found / max(float(np.sqrt((found**2).mean())), 1e-12))


def attributes(column: NDArray[np.object_] | None, wanted: list[str] | Scale, n: int) -> Array:
    """An attribute of n things as features: (n, values) of 0 and 1, or (n, 1) of a number; 0 where it is unknown.

    >>> attributes(np.array(["app", "tv"], dtype=object), ["app", "web"], 2).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    if isinstance(wanted, list):
        if column is None:
            return np.zeros((n, len(wanted)))
        return np.asarray(column[:, None] == np.array(wanted, dtype=object), dtype=np.float64)
    if column is None:
        return np.zeros((n, 1))
    numbers = np.array([_number(value) for value in column])
    return np.where(np.isfinite(numbers), (numbers - wanted.middle) / wanted.width, 0.0)[:, None]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _weights(histories: Histories) -> Array:
    return np.bincount(histories.rows, weights=histories.weights, minlength=len(histories)).astype(np.float64)
