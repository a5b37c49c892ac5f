import pytest

from recloop.errors import AnswerError
from recloop.language.ordering import read_ordering

FILMS = ["Alien (space)", "Heat", "Big Night", "101 Dalmatians", "Big  night"]


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("[2, 1, 3, 4, 5]", [1, 0, 2, 3, 4]),
        (" [5,4]\n", [4, 3, 0, 1, 2]),
        ('["2", "[1]"]', [1, 0, 2, 3, 4]),
        ('["Heat", "alien  (SPACE)"]', [1, 0, 2, 3, 4]),
        ('["[2] Heat", "1. Alien (space)"]', [1, 0, 2, 3, 4]),
        ('{"ranking": [2, 1]}', [1, 0, 2, 3, 4]),
        ("```json\n[2, 1]\n```", [1, 0, 2, 3, 4]),
        ("```\n1. Heat\n2. Alien (space)\n```", [1, 0, 2, 3, 4]),
        ("1. [2] Heat\n2. [1]\n\n3) 101 Dalmatians", [1, 0, 3, 2, 4]),
        ("1: 5", [4, 0, 1, 2, 3]),
        ('["101 Dalmatians"]', [3, 0, 1, 2, 4]),
    ],
)
def test_lists_that_are_read(answer: str, order: list[int]) -> None:
    assert read_ordering(answer, FILMS) == order


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "empty"),
        ("[]", "empty"),
        ("I would say [2, 1].", "no list"),
        ("[2, 1] because they like space", "broken JSON"),
        ("[2, 1", "broken JSON"),
        ("[2, 2]", "twice"),
        ('[2, "Heat"]', "twice"),
        ("[0]", "not asked about"),
        ("[6]", "not asked about"),
        ("[-1]", "not asked about"),
        ("[1.0]", "neither number nor text"),
        ("[true]", "neither number nor text"),
        ("[[1]]", "neither number nor text"),
        ("[null]", "neither number nor text"),
        ('["Heat 2"]', "not asked about"),
        ('["Big Night"]', "not asked about"),  # two have that title
        ('["[1] Heat"]', "the number of another"),
        ('{"a": [1], "b": [2]}', "no list"),
        ('{"a": 1}', "no list"),
        ("1. Heat\n3. Alien (space)", "no list"),
        ("Sure!\n1. Heat", "no list"),
        ("1. Heat\nEnjoy!", "no list"),
        ("2", "no list"),
        ("[" * 50_000, "broken JSON"),
        ('["' + "9" * 5000 + '"]', "not asked about"),
        ("[" + "9" * 5000 + "]", "broken JSON"),
    ],
)
def test_anything_else_is_refused_whole(answer: str, said: str) -> None:
    with pytest.raises(AnswerError, match=said) as caught:
        read_ordering(answer, FILMS)
    assert caught.value.reason == "malformed"
