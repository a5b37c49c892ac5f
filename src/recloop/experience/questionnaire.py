"""A published questionnaire on recommenders, as data."""

from functools import cache
from importlib.resources import files

import msgspec


class Statement(msgspec.Struct, frozen=True):
    """One statement, answered from 1 (disagree strongly) to 5 (agree strongly)."""

    id: str
    construct: str
    layer: str
    text: str


class Questionnaire(msgspec.Struct, frozen=True):
    """Statements with the scale of their answers and where they come from."""

    name: str
    source: str
    note: str
    scale: dict[str, str]
    items: tuple[Statement, ...]


@cache
def resque() -> Questionnaire:
    """The short form of ResQue: 15 statements, one for each construct.

    The wording was held against later studies that print items of ResQue, not against the papers' appendix: see
    ``note``.

    Source: P. Pu, L. Chen, R. Hu, "A user-centric evaluation framework of recommender systems" (UCERSTI 2010), and
    "A user-centric evaluation framework for recommender systems" (RecSys 2011).

    >>> len(resque().items), resque().items[0].construct
    (15, 'recommendation accuracy')
    """
    return msgspec.json.decode(files("recloop.experience").joinpath("resque.json").read_bytes(), type=Questionnaire)
