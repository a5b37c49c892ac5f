"""The items of the synthetic shop, and what lies behind their words."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.simulate.grammar import (
    CATEGORIES,
    CODAS,
    COLOURLESS,
    COLOURS,
    HOUSES,
    MIDDLES,
    OCCASIONS,
    ONSETS,
    STYLES,
    TIERS,
    VOWELS,
)

DIMENSION = 32
# how much of an item's latent vector each attribute makes: squares sum to 1
WEIGHTS = {"category": 0.64, "style": 0.46, "occasion": 0.3, "material": 0.28, "brand": 0.28, "colour": 0.2}
OWN = 0.3
YEAR = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The items by index.

    Attributes:
        items: item, title, description, category, department, brand, material, style, colour, price, arrived.
        attributes: name → (n,) int32 codes (category, style, occasion, material, brand, colour, tier).
        meanings: name → (n_values, DIMENSION), the latent vector of each value of an attribute.
        vectors: (n, DIMENSION) float32 of about length 1: a weighted sum of the meanings of the item's attributes and
            a part of its own, which no text tells.
        appeal: (n,) standard normal, how inviting the item looks to everybody.
        quality: (n,) standard normal, how good it proves once bought; correlated .6 with its appeal.
        price: (n,) what it costs. ``expensive``: (n,) log of the price over the median of its category.
        arrived: (n,) seconds, when it came into the shop.
    """

    items: pl.DataFrame
    attributes: dict[str, NDArray[np.int32]]
    meanings: dict[str, NDArray[np.float32]]
    vectors: NDArray[np.float32]
    appeal: NDArray[np.float32]
    quality: NDArray[np.float32]
    price: NDArray[np.float64]
    expensive: NDArray[np.float32]
    arrived: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.price)


def ids(prefix: str, n: int) -> list[str]:
    """Ids that sort in the order of their index: u0001, u0002 …

    >>> ids("u", 3), ids("i", 12)[0]
    (['u1', 'u2', 'u3'], 'i01')
    """
    width = len(str(n))
    return [f"{prefix}{place:0{width}d}" for place in range(1, n + 1)]


def catalogue(n: int, start: float, days: float, rng: np.random.Generator) -> Catalogue:
    """A shop of ``n`` items with titles and descriptions from the grammar.

    Seven in ten items are there before ``start``; the others arrive evenly over ``days`` days.
    """
    words = np.random.default_rng(rng.integers(2**63))  # wording never shifts what the items are
    wanted = rng.dirichlet(np.full(len(CATEGORIES), 4.0))
    category = rng.choice(len(CATEGORIES), size=n, p=wanted)
    brands = _brands(max(6, round(n / 22)), rng)
    brand = _brand_of(category, len(brands), rng)
    house_style = rng.integers(len(STYLES), size=len(brands))  # a brand is faithful to one style and one price tier
    house_tier = rng.choice(len(TIERS), size=len(brands), p=[0.3, 0.45, 0.25])
    style = np.where(rng.random(n) < 0.5, house_style[brand], rng.integers(len(STYLES), size=n))
    tier = np.where(rng.random(n) < 0.6, house_tier[brand], rng.choice(len(TIERS), size=n, p=[0.3, 0.45, 0.25]))
    occasion, colour = rng.integers(len(OCCASIONS), size=n), rng.integers(len(COLOURS), size=n)
    names = sorted({material for entry in CATEGORIES for material in entry.materials})
    place = {name: code for code, name in enumerate(names)}
    offered = [np.array([place[m] for m in entry.materials]) for entry in CATEGORIES]
    counts = np.array([len(codes) for codes in offered])
    table = np.zeros((len(offered), counts.max()), dtype=np.int64)
    for row, codes in enumerate(offered):
        table[row, : len(codes)] = codes
    material = table[category, (rng.random(n) * counts[category]).astype(np.int64)]

    attributes = {
        "category": category, "style": style, "occasion": occasion, "material": material, "brand": brand,
        "colour": colour, "tier": tier,
    }  # fmt: skip
    meanings = _meanings({"style": len(STYLES), "occasion": len(OCCASIONS), "material": len(names),
                          "brand": len(brands), "colour": len(COLOURS)}, rng)  # fmt: skip
    vectors = sum(weight * meanings[name][attributes[name]] for name, weight in WEIGHTS.items())
    vectors = vectors + OWN * _directions(n, rng)

    appeal = rng.standard_normal(n)
    quality = 0.6 * appeal + 0.8 * rng.standard_normal(n)
    median = np.array([entry.price for entry in CATEGORIES])[category]
    factor = np.array([entry[1] for entry in TIERS])[tier] * np.exp(0.18 * rng.standard_normal(n))
    price = np.maximum(np.round(median * factor), 2.0) - 0.05
    late = rng.random(n) < 0.3
    arrived = np.where(late, start + rng.random(n) * days * 86_400, start - rng.random(n) * YEAR)

    labels = {
        "category": [entry.name for entry in CATEGORIES], "style": [entry.name for entry in STYLES],
        "brand": brands, "material": names, "colour": list(COLOURS),
    }  # fmt: skip
    titles, descriptions = _words(attributes, brands, names, words)
    items = pl.DataFrame(
        {
            "item": ids("i", n),
            "title": titles,
            "description": descriptions,
            "category": _labels(labels["category"], category),
            "department": _labels([entry.department for entry in CATEGORIES], category),
            "brand": _labels(labels["brand"], brand),
            "material": _labels(labels["material"], material),
            "style": _labels(labels["style"], style),
            "colour": _labels(labels["colour"], colour),
            "price": np.round(price, 2),
            "arrived": np.round(arrived),
        }
    )
    return Catalogue(
        items=items,
        attributes={name: codes.astype(np.int32) for name, codes in attributes.items()},
        meanings=meanings,
        vectors=np.asarray(vectors, dtype=np.float32),
        appeal=appeal.astype(np.float32),
        quality=quality.astype(np.float32),
        price=np.round(price, 2),
        expensive=np.log(price / median).astype(np.float32),
        arrived=np.round(arrived).astype(np.float64),
    )


def _labels(names: list[str], codes: NDArray[np.int64]) -> pl.Series:
    return pl.Series(np.array(names, dtype=object)[codes], dtype=pl.String)


def _directions(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, DIMENSION) random vectors of length 1."""
    drawn = rng.standard_normal((n, DIMENSION))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _meanings(sizes: dict[str, int], rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """The latent vector of each value of each attribute; categories of a department lie near each other."""
    departments = sorted({entry.department for entry in CATEGORIES})
    home = _directions(len(departments), rng)
    own = _directions(len(CATEGORIES), rng)
    category = 0.6 * home[[departments.index(entry.department) for entry in CATEGORIES]] + 0.8 * own
    made = {"category": category / np.linalg.norm(category, axis=1, keepdims=True)}
    made |= {name: _directions(size, rng) for name, size in sizes.items()}
    return {name: values.astype(np.float32) for name, values in made.items()}


def _brands(n: int, rng: np.random.Generator) -> list[str]:
    """Invented names; any likeness to a real brand is chance."""
    found: dict[str, None] = {}
    while len(found) < n:
        parts = [part[rng.integers(len(part))] for part in (ONSETS, VOWELS, MIDDLES, CODAS, HOUSES)]
        found["".join(parts).capitalize() if not parts[-1] else "".join(parts[:-1]).capitalize() + parts[-1]] = None
    return list(found)


def _brand_of(category: NDArray[np.int64], n_brands: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) a brand for each item: each brand makes the goods of one department, and a little of everything."""
    departments = sorted({entry.department for entry in CATEGORIES})
    of = np.array([departments.index(entry.department) for entry in CATEGORIES])
    home = np.arange(n_brands) % len(departments)
    share = rng.dirichlet(np.full(n_brands, 1.5))  # some are large
    chance = share * np.where(home == np.arange(len(departments))[:, None], 1.0, 0.02)
    upto = np.cumsum(chance, axis=1)
    drawn = rng.random(len(category)) * upto[of[category], -1]
    return np.asarray((upto[of[category]] < drawn[:, None]).sum(axis=1))


def _words(
    attributes: dict[str, NDArray[np.int64]], brands: list[str], materials: list[str], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Titles and descriptions: not every attribute is told of every item, and none in the same words."""
    columns = ("category", "style", "occasion", "material", "brand", "colour", "tier")
    rows = np.stack([attributes[name] for name in columns], axis=1).tolist()
    titles, descriptions = [], []
    for row, luck in zip(rows, rng.random((len(rows), 10)).tolist(), strict=True):
        entry, style, occasion = CATEGORIES[row[0]], STYLES[row[1]], OCCASIONS[row[2]]
        noun, word, material, brand = (
            _pick(entry.nouns, luck[0]),
            _pick(style.words, luck[1]),
            materials[row[3]],
            brands[row[4]],
        )
        colour = "" if entry.name in COLOURLESS else COLOURS[row[5]]
        title = _pick(
            (f"{brand} {material} {noun}", f"{brand} {word} {noun}", f"{brand} {word} {material} {noun}"), luck[2]
        )
        titles.append(f"{title}, {colour}" if colour else title)
        use, feature = _pick(entry.uses, luck[3]), _pick(entry.features, luck[4])
        thing, made_of = noun.lower(), material.lower()
        opening = _pick(
            (
                f"{_a(word.lower(), thing)} for {use}.",
                f"{_a(made_of, thing)} made for {use}, with {feature}.",
                f"The {thing} for {use}: {made_of}, with {feature}.",
            ),
            luck[5],
        )
        more = [f"{made_of.capitalize()}, with {feature}."] if feature not in opening else []
        if luck[6] < 0.65:
            more.append(_pick(style.sentences, luck[7]))
        if luck[8] < 0.6:
            more.append(_pick(occasion.sentences, luck[7]))
        more.append(_pick(TIERS[row[6]][2], luck[9]))
        descriptions.append(" ".join([opening, *[sentence for sentence in more if sentence][:2]]))
    return titles, descriptions


def _pick(values: tuple[str, ...], luck: float) -> str:
    return values[int(luck * len(values))]


def _a(word: str, thing: str) -> str:
    """The words with an article, or without where the thing is many.

    >>> _a("enamel", "wok"), _a("leather", "boots"), _a("glass", "french press")
    ('An enamel wok', 'Leather boots', 'A glass french press')
    """
    if thing.endswith("s") and not thing.endswith("ss"):
        return f"{word.capitalize()} {thing}"
    return f"{'An' if word[0] in 'aeiou' else 'A'} {word} {thing}"
