from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from recloop.errors import SettingError, nearest
from recloop.neural.recipe import Recipe

STAGES = ("simcse", "fields", "co-consumed")
"""What pairs are made of, in the order in which they are usually learned from: text alone, fields, behaviour."""
RATES = {"full": 5e-5, "top": 1e-4, "head": 1e-3, "lora": 5e-4, "adapter": 5e-3, "prompt": 1e-2}
"""What is trained → its learning rate where none is given: the fewer weights, the higher."""
SHARES = ("dropout", "word_dropout", "shuffle_fields", "synonyms")
LOW = {
    "layers": 1,
    "rank": 1,
    "prompts": 1,
    "window": 1,
    "steps": 1,
    "length": 8,
    "adversarial": 0,
    "ascents": 1,
    "seeds": 1,
}


@dataclass(frozen=True)
class Finetune:
    """How an encoder is fitted to a catalogue and to what people take together.

    Args:
        encoder: what to start from, a source for ``load_encoder`` with files (a folder, a package, a hub copy).
        stages: what is learned from, one after the other:

            - ``"simcse"``: each text twice, with other dropout, against the other texts (Gao, Yao & Chen 2021,
              "SimCSE", section 3): adapts to the words of a catalogue without any label;
            - ``"fields"``: the title of an item against the rest of its text;
            - ``"co-consumed"``: items that the same user took one soon after the other.
        tune: which weights learn: ``"full"`` all; ``"top"`` the last ``layers``; ``"head"`` none of the encoder's, but
            a square matrix on top of its vectors; ``"lora"`` low-rank additions to the matrices of attention and
            feed-forward (Hu et al. 2022); ``"adapter"`` gains of keys, values and inner units ((IA)^3: Liu et al. 2022,
            "Few-shot parameter-efficient fine-tuning is better and cheaper than in-context learning", section 3.3);
            ``"prompt"`` vectors that are put before every text (Lester, Al-Rfou & Constant 2021).
        layers: for ``"top"``.
        rank: for ``"lora"``.
        prompts: for ``"prompt"``: how many vectors; each costs as much as a token of every text.
        dropout: share of activations dropped, None for what the encoder was trained with.
        temperature: cosines are divided by it before the softmax.
        window: for ``"co-consumed"``: events of a history that are at most so far apart make a pair.
        steps: batches in an epoch, at most.
        length: tokens of a text that are read in training.
        word_dropout: share of words left out of a text, drawn anew each time.
        shuffle_fields: how often title, category, brand and description change places.
        synonyms: share of words replaced by one of the nearest in the encoder's own table of words.
        adversarial: how far the word vectors of a text are pushed to where the loss grows, as a share of their length;
            0 does not push, and costs half.
        ascents: steps of that push: 1 is FGM (Miyato, Dai & Goodfellow 2017), more is FreeLB (Zhu et al. 2020).
        seeds: trainings that differ by their seed alone; their weights are averaged as far as that helps on held-out
            pairs (greedy soup: Wortsman et al. 2022, recipe 1). One encoder comes out, so that serving costs no more.
        recipe: optimizer, learning rate, epochs, batch and so on. Its learning rate is ``RATES[tune]`` where the table
            given to ``of`` names none.

    >>> Finetune(tune="lora", rank=8).stages
    ('co-consumed',)
    >>> Finetune(tune="lorra")
    Traceback (most recent call last):
    recloop.errors.SettingError: tune is 'lorra'. Did you mean 'lora'? Valid: adapter, full, head, lora, prompt, top.
    """

    encoder: str = "default"
    stages: tuple[str, ...] = ("co-consumed",)
    tune: str = "lora"
    layers: int = 2
    rank: int = 16
    prompts: int = 8
    dropout: float | None = None
    temperature: float = 0.05
    window: int = 5
    steps: int = 200
    length: int = 64
    word_dropout: float = 0.0
    shuffle_fields: float = 0.0
    synonyms: float = 0.0
    adversarial: float = 0.0
    ascents: int = 1
    seeds: int = 1
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=3, batch=128, learning_rate=RATES["lora"]))

    def __post_init__(self) -> None:
        if self.tune not in RATES:
            raise SettingError(f"tune is {self.tune!r}", allowed=nearest(str(self.tune), RATES))
        if not self.stages:
            raise SettingError("stages is empty", allowed=f"name at least one of {', '.join(STAGES)}")
        for stage in self.stages:
            if stage not in STAGES:
                raise SettingError(f"stages names {stage!r}", allowed=nearest(str(stage), STAGES))
        for name in SHARES:
            value = getattr(self, name)
            if not (value is None and name == "dropout") and not 0 <= value < 1:
                raise SettingError(f"{name} is {value!r}", allowed="it is a share, from 0 to below 1")
        for name, low in LOW.items():
            if not getattr(self, name) >= low:
                raise SettingError(f"{name} is {getattr(self, name)!r}", allowed=f"it must be at least {low}")
        if not self.temperature > 0:
            raise SettingError(f"temperature is {self.temperature!r}", allowed="it must be above 0")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Finetune":
        """The settings in a table; those of the recipe stand in a table of their own, ``recipe``.

        Raises:
            SettingError: a name or a value is not allowed.

        >>> Finetune.of({"tune": "full", "recipe": {"epochs": 1}}).recipe.learning_rate
        5e-05
        """
        known = [entry.name for entry in fields(cls)]
        for name in table:
            if name not in known:
                raise SettingError(f"a fine-tuning has no setting '{name}'", advice=nearest(name, known))
        given = dict(table)
        stages, recipe = given.pop("stages", STAGES[-1:]), given.pop("recipe", {})
        if isinstance(stages, str) or not all(isinstance(stage, str) for stage in stages):
            raise SettingError(f"stages is {stages!r}", allowed='it is a list, such as ["simcse", "co-consumed"]')
        if not isinstance(recipe, Mapping):
            raise SettingError(f"recipe is {recipe!r}", allowed="it is a table: [finetune.recipe]")
        rate = RATES.get(given.get("tune", cls.tune), RATES["lora"])
        usual = {"epochs": 3, "batch": 128, "learning_rate": rate}
        try:
            return cls(stages=tuple(stages), recipe=Recipe.of({**usual, **recipe}), **given)
        except TypeError as error:
            raise SettingError(
                f"a setting has the wrong type ({error})", allowed="see recloop.language.finetune.Finetune"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values; ``of`` reads them back."""
        plain = asdict(self)
        plain["stages"] = list(self.stages)
        return plain
