"""Which of several classes: multinomial logistic regression on any features, dense or sparse."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import sparse

from recloop.errors import DataError, SettingError

Features = NDArray[np.floating] | sparse.csr_array


@dataclass(frozen=True, eq=False)
class SoftmaxHead:
    """Weights from features to classes.

    Attributes:
        weights: (d, c) float64.
        intercept: (c,) float64.
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]

    @classmethod
    def fit(
        cls, features: Features, labels: NDArray[np.integer], classes: int, *, ridge: float = 1.0, balance: float = 1.0
    ) -> Self:
        """The weights with the least weighted cross-entropy plus ``ridge / 2`` times their squared length.

        Each example of a class with n of N examples weighs ``(N / (classes n)) ** balance``: 0 is as counted, 1 makes
        all classes count alike (King & Zeng 2001, "Logistic regression in rare events data", section 4.2). The
        intercept is not penalised. Solved by L-BFGS (Nocedal 1980); the loss is convex, so the start does not matter.

        Args:
            features: (n, d).
            labels: (n,) integers from 0 to ``classes`` - 1; each must occur.
            classes: how many.
            ridge: see above; more is smoother.
            balance: see above, from 0 to 1.

        Raises:
            DataError: a class has no example, or lengths differ.
            SettingError: a number is out of range.

        >>> x = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
        >>> head = SoftmaxHead.fit(x, np.array([0, 0, 1, 1, 1, 0]), 2, ridge=1e-6, balance=0)
        >>> head.probabilities(x)[[0, 3], 1].round(3).tolist()  # as counted
        [0.333, 0.667]
        """
        given = np.asarray(labels)
        if len(given) != features.shape[0]:
            raise DataError(f"{features.shape[0]} texts come with {len(given)} labels", allowed="one label per text")
        counts = np.bincount(given, minlength=classes) if len(given) else np.zeros(classes)
        if classes < 2 or len(counts) > classes or not counts.all():
            raise DataError(
                f"{int((counts > 0).sum())} of {classes} classes have examples",
                allowed="at least two classes, each with an example",
            )
        if not ridge > 0 or not 0 <= balance <= 1:
            raise SettingError(f"ridge {ridge}, balance {balance}", allowed="above 0, and from 0 to 1")
        n, d = features.shape
        share = (len(given) / (classes * counts)) ** balance
        weigh = share[given]
        weigh = weigh * (n / weigh.sum())
        truth = np.zeros((n, classes))
        truth[np.arange(n), given] = 1.0
        turned = features.T.tocsr() if sparse.issparse(features) else features.T

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights, level = flat[: d * classes].reshape(d, classes), flat[d * classes :]
            logs = log_softmax(features @ weights + level)
            off = weigh[:, None] * (np.exp(logs) - truth)
            value = -float(weigh @ logs[np.arange(n), given]) + ridge / 2 * float(np.square(weights).sum())
            return value, np.concatenate([(turned @ off + ridge * weights).ravel(), off.sum(axis=0)])

        found: Any = scipy.optimize.minimize(
            loss, np.zeros((d + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-9}
        )
        return cls(found.x[: d * classes].reshape(d, classes), found.x[d * classes :])

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """(n, c) that sum to 1 in each row."""
        found: NDArray[np.float64] = np.exp(self.logs(features))
        return found

    def logs(self, features: Features) -> NDArray[np.float64]:
        """(n, c) logarithms of ``probabilities``."""
        return log_softmax(features @ self.weights + self.intercept)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, c) each row less the logarithm of the sum of its exponentials."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
