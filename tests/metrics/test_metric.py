import pytest

from recloop.errors import SettingError
from recloop.metrics import CONVENTIONS, METRICS, NDCG, RMSE, Coverage, Recall, parse_metric, parse_metrics
from recloop.metrics.metric import Accuracy, AtK


@pytest.mark.parametrize("kind", METRICS.values(), ids=METRICS)
def test_names_are_parsed_back(kind: type) -> None:
    metrics = [kind(k) for k in (1, 10, 100)] if issubclass(kind, AtK) else [kind()]
    if issubclass(kind, Accuracy):
        metrics += [kind(7, convention=convention) for convention in CONVENTIONS]
    for metric in metrics:
        assert parse_metric(metric.name) == metric
        assert str(metric) == metric.name
        assert hash(metric) == hash(parse_metric(metric.name))


def test_names() -> None:
    assert NDCG(10).name == "ndcg@10"
    assert NDCG(10, convention="lenskit").name == "ndcg@10[lenskit]"
    assert RMSE().name == "rmse"
    assert NDCG(10) != NDCG(10, "rectools")
    assert NDCG(10) != Recall(10)


@pytest.mark.parametrize("kind", METRICS.values(), ids=METRICS)
def test_every_metric_tells_of_itself(kind: type) -> None:
    assert kind.title
    assert kind.formula
    assert kind.unit
    assert kind.direction in ("higher", "lower", "zero")
    assert kind.__doc__


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ndgc@10", "there is no metric 'ndgc'. Did you mean 'ndcg'?"),
        ("ndcg", "'ndcg' has no cutoff; say how many places count, such as ndcg@10"),
        ("ndcg@", "'ndcg@' has no cutoff"),
        ("ndcg@ten", "has no cutoff"),
        ("ndcg@-1", "has no cutoff"),
        ("ndcg@0", "ndcg: k is 0; k must be a whole number of at least 1"),
        ("ndcg@10[trek]", "ndcg: there is no convention 'trek'. Did you mean 'trec'?"),
        ("gini@10[trec]", "gini has no conventions"),
        ("rmse@10", "rmse has neither cutoff nor convention"),
        ("@@", "'@@' is no metric; a metric is written like ndcg@10"),
        ("", "'' is no metric"),
    ],
)
def test_bad_names_say_the_way_out(name: str, text: str) -> None:
    with pytest.raises(SettingError) as error:
        parse_metric(name)
    assert text in str(error.value)


@pytest.mark.parametrize("k", [0, -3, 2.5, True, "10"])
def test_bad_cutoffs(k: object) -> None:
    with pytest.raises(SettingError, match=r"coverage: k is .*k must be a whole number of at least 1"):
        Coverage(k)  # type: ignore[arg-type]


def test_a_list_of_names_keeps_each_once() -> None:
    assert parse_metrics(["recall@5", "ndcg@10", "recall@5"]) == (Recall(5), NDCG(10))


def test_merit_turns_every_direction_upwards() -> None:
    assert NDCG(1).merit(0.3) == 0.3
    assert parse_metric("gini@1").merit(0.3) == -0.3
    assert parse_metric("popularity-lift@1").merit(-0.3) == parse_metric("popularity-lift@1").merit(0.3) == -0.3
