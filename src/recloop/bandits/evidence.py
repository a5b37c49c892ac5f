"""How strongly a linear model is to be held back, and how noisy it is: learned from the outcomes of all arms."""

from dataclasses import dataclass

import numpy as np

from recloop.bandits.state import Array

RIDGES = np.geomspace(1e-3, 1e4, 57)
_SPREAD = 2.0  # of the hyper-prior of ln(ridge)
_ADVANCE = 2.0  # outcomes that the noise before any outcome counts as


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Gram matrices by their eigenvectors: solving for any ridge is then a division.

    Attributes:
        values: (k, d) eigenvalues.
        vectors: (k, d, d) in columns.
        moment: (k, d) what was multiplied with rewards, along the eigenvectors.
    """

    values: Array
    vectors: Array
    moment: Array

    @classmethod
    def of(cls, gram: Array, moment: Array) -> "Spectrum":
        """From (k, d, d) Gram matrices and (k, d) moments."""
        values, vectors = np.linalg.eigh(gram)
        return cls(np.maximum(values, 0.0), vectors, np.einsum("kij,ki->kj", vectors, moment))

    def solved(self, ridge: float) -> tuple[Array, Array]:
        """The inverses (k, d, d) of Gram matrices plus the ridge, and the weights (k, d)."""
        inverse = (self.vectors / (self.values + ridge)[:, None, :]) @ self.vectors.transpose(0, 2, 1)
        weights = np.einsum("kij,kj->ki", self.vectors, self.moment / (self.values + ridge))
        return inverse, weights


def ridge_and_noise(spectrum: Spectrum, pulls: Array, squares: Array, noise: float) -> tuple[float, float]:
    """The ridge and the variance of the noise under which the rewards are the most likely.

    With weights ~ N(0, noise² / ridge) the marginal likelihood is a function of the ridge alone once the noise is
    integrated out; it is taken on a grid of 57 ridges from 0.001 to 10,000. ln(ridge) has a wide normal prior around
    0, and the noise counts as two outcomes in advance: without them a few rewards that are all alike would end all
    exploration. Source: D. MacKay, "Bayesian interpolation", Neural Computation 4 (1992), section 4; C. Bishop,
    "Pattern Recognition and Machine Learning" (2006), section 3.5.

    Args:
        spectrum: of all arms.
        pulls: (k,) outcomes of each arm.
        squares: (k,) sums of their squared rewards.
        noise: standard deviation of a reward around its line that is expected in advance.

    Returns:
        The ridge, and the variance of the noise.

    >>> rng = np.random.default_rng(0)
    >>> x, weights = rng.normal(size=(4, 300, 10)), rng.normal(0, 0.1, (4, 10))
    >>> y = np.einsum("knd,kd->kn", x, weights) + rng.normal(0, 0.5, (4, 300))
    >>> sums = Spectrum.of(x.transpose(0, 2, 1) @ x, np.einsum("knd,kn->kd", x, y))
    >>> ridge, variance = ridge_and_noise(sums, np.full(4, 300.0), (y**2).sum(axis=1), 1.0)
    >>> 15 < ridge < 40, 0.23 < variance < 0.27  # 0.5² / 0.1² = 25, 0.5² = 0.25
    (True, True)
    """
    n = pulls.sum()
    held = spectrum.values[None] + RIDGES[:, None, None]
    left = squares.sum() - (spectrum.moment**2 / held).sum(axis=(1, 2))
    variance = (np.maximum(left, 0.0) + _ADVANCE * noise**2) / (n + _ADVANCE)
    fit = -0.5 * (n + _ADVANCE) * np.log(variance)
    fit += 0.5 * (np.log(RIDGES)[:, None, None] - np.log(held)).sum(axis=(1, 2))
    fit -= 0.5 * (np.log(RIDGES) / _SPREAD) ** 2
    best = int(fit.argmax())
    return float(RIDGES[best]), float(variance[best])
