from recloop.errors import DataError
from recloop.stats.effect import Effect, difference, satterthwaite
from recloop.stats.moments import Moments


def ratio(treatment: Moments, control: Moments, alpha: float = 0.05) -> Effect:
    """Difference of two ratios of sums, such as clicks over slates, where users differ in how much they use.

    Each arm holds per user the numerator y and the denominator x. The delta method turns a ratio into a mean over users
    of (y - R x) / mean(x), so numerator and denominator may depend on each other. The same holds with one column:
    then this is Welch's test.

    Source: A. Deng, U. Knoblich, J. Lu, KDD 2018, section 2.

    Raises:
        DataError: an arm has fewer than two users, one column only, or a denominator that sums to zero.

    >>> a = Moments.of([2.0, 0.0, 3.0], x=[4.0, 1.0, 5.0])
    >>> b = Moments.of([1.0, 1.0, 0.0], x=[4.0, 5.0, 1.0])
    >>> round(ratio(a, b).estimate, 3)
    0.3
    """
    if treatment.x_mean is None or control.x_mean is None:
        raise DataError("a ratio needs two columns", advice="use Moments.of(numerator, denominator), or stats.welch")
    a, b = treatment.estimate(), control.estimate()
    return difference(a, b, alpha, satterthwaite(a, b), "ratio, delta method")
