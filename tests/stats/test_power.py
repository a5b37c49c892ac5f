import pytest
from statsmodels.stats.power import NormalIndPower

from recloop.errors import SettingError
from recloop.stats import Moments, detectable_change, sample_size, sample_size_of_shares


@pytest.mark.parametrize(("effect", "alpha", "power", "share"), [(0.2, 0.05, 0.8, 0.5), (0.05, 0.01, 0.9, 0.2)])
def test_against_statsmodels(effect: float, alpha: float, power: float, share: float) -> None:
    control = NormalIndPower().solve_power(effect, alpha=alpha, power=power, ratio=share / (1 - share))
    assert sample_size(1.0, effect, alpha=alpha, power=power, share=share) == pytest.approx(
        control / (1 - share), abs=1.5
    )


def test_shares_published() -> None:
    # 10% against 12%, 80% power: 3,839 an arm with unpooled variances (Fleiss, Levin, Paik, equation 4.14 gives 3,841 pooled)
    assert sample_size_of_shares(0.10, 0.12) == pytest.approx(2 * 3839, abs=2)


def test_the_change_that_can_be_found_turns_sample_size_around() -> None:
    users = sample_size(3.0, 0.1, alpha=0.02, power=0.9, share=0.3)
    assert detectable_change(3.0, users, alpha=0.02, power=0.9, share=0.3) == pytest.approx(0.1, rel=1e-3)


def test_a_ratio_is_sized_from_a_pilot() -> None:
    pilot = Moments.of([1.0, 0.0, 3.0, 2.0], [5.0, 2.0, 9.0, 4.0])
    assert sample_size(pilot.unit_variance, 0.01) > sample_size(pilot.unit_variance, 0.02) > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample_size(1.0, 0.0), "the change to find is 0"),
        (lambda: sample_size(1.0, 0.1, power=1.2), r"power is 1\.2"),
        (lambda: sample_size(1.0, 0.1, share=1.0), "treatment's share"),
        (lambda: sample_size(-1.0, 0.1), "none is negative"),
        (lambda: sample_size_of_shares(0.0, 0.1), r"a share of users is 0\.0"),
        (lambda: detectable_change(1.0, 1), "1 users"),
    ],
)
def test_bad_settings(call: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        call()
