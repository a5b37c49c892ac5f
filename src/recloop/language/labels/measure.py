"""How well labels that a program gave agree with those that people gave."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.errors import DataError

Labels = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a labeller got right on texts that it had not seen.

    Attributes:
        n: labelled texts.
        macro_f1: mean over the classes of the F1 of each, so that a small class counts like a large one.
        accuracy: share of the texts that got their label.
        f1: of each class, by its name.

    >>> print(Agreement(200, 0.61, 0.7, {"late": 0.7, "lost": 0.52}))
    on 200 labelled texts not learned from: macro-F1 0.61, 70% right; weakest: lost (F1 0.52)
    """

    n: int
    macro_f1: float
    accuracy: float
    f1: dict[str, float]

    def __str__(self) -> str:
        weakest = min(self.f1, key=lambda name: self.f1[name])
        return (
            f"on {self.n:,} labelled texts not learned from: macro-F1 {self.macro_f1:.2f}, {self.accuracy:.0%} right; "
            f"weakest: {weakest} (F1 {self.f1[weakest]:.2f})"
        )


def class_f1(truth: Labels, given: Labels, classes: int) -> NDArray[np.float64]:
    """(classes,) harmonic mean of precision and recall of each class; 0 where none was right.

    >>> class_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2).round(3).tolist()
    [0.667, 0.8]
    """
    right = np.bincount(truth[truth == given], minlength=classes)
    total = np.bincount(truth, minlength=classes) + np.bincount(given, minlength=classes)
    found: NDArray[np.float64] = 2 * right / np.maximum(total, 1)
    return found


def mutual_information(left: Labels, right: Labels) -> float:
    """How much two groupings tell of each other: 0 nothing, 1 all.

    Mutual information over the mean of both entropies (Strehl & Ghosh 2002, "Cluster ensembles", normalised; Vinh, Epps
    & Bailey 2010, table 2, NMI with the arithmetic mean).

    Raises:
        DataError: they are not of one length, or empty.

    >>> groups = np.array([0, 0, 1, 1])
    >>> round(mutual_information(groups, 1 - groups), 6), round(mutual_information(groups, np.array([0, 1, 0, 1])), 6)
    (1.0, 0.0)
    """
    if len(left) != len(right) or not len(left):
        raise DataError(f"groupings of {len(left)} and {len(right)} texts", allowed="one group per text in both")
    _, a = np.unique(left, return_inverse=True)
    _, b = np.unique(right, return_inverse=True)
    joint = np.bincount(a * (b.max() + 1) + b, minlength=(a.max() + 1) * (b.max() + 1)) / len(a)
    table = joint.reshape(a.max() + 1, b.max() + 1)
    hx, hy, hxy = (_entropy(p) for p in (table.sum(axis=1), table.sum(axis=0), joint))
    return float(2 * (hx + hy - hxy) / (hx + hy)) if hx + hy else 1.0


def _entropy(p: NDArray[np.float64]) -> float:
    p = p[p > 0]
    return -float(p @ np.log(p))


def folds(labels: Labels, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(len,) a fold from 0 to n - 1 for each text, so that each class is spread evenly."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    found = np.empty(len(labels), np.int64)
    found[order] = np.arange(len(order)) % n
    return found


def cross_validated(
    labels: Labels,
    names: tuple[str, ...],
    predict: Callable[[NDArray[np.int64], NDArray[np.int64]], Labels],
    *,
    n: int = 5,
    seed: int = 0,
) -> Agreement:
    """The agreement on texts that were not learned from: each fold is labelled by what the others taught.

    Args:
        labels: (n,) from 0 to the number of names - 1.
        names: of the classes.
        predict: (rows to learn from, rows to label) → labels of the latter.
        n: folds.
        seed: of the folds.

    Raises:
        DataError: a class has fewer than two texts.
    """
    counts = np.bincount(labels, minlength=len(names))
    if counts.min() < 2:
        raise DataError(
            f"the label '{names[int(counts.argmin())]}' has {counts.min()} texts",
            allowed="two of each label are needed to measure how well it is learned",
        )
    fold = folds(labels, min(n, int(counts.min())), np.random.default_rng(seed))
    given = np.empty(len(labels), np.int64)
    for k in range(int(fold.max()) + 1):
        given[fold == k] = predict(np.flatnonzero(fold != k), np.flatnonzero(fold == k))
    f1 = class_f1(labels, given, len(names))
    return Agreement(
        n=len(labels),
        macro_f1=float(f1.mean()),
        accuracy=float((given == labels).mean()),
        f1=dict(zip(names, f1.round(4).tolist(), strict=True)),
    )
