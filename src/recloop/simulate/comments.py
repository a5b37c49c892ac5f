"""What users write: short sentences that follow from what they lived through."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

ASPECTS = ("relevance", "repetition", "price", "quality", "variety")
PLAIN = 0.3  # a feeling weaker than this is told in neutral words


class Comments(TypedDict):
    """Comments of n users, by the names of ``Reactions``."""

    sentiment: NDArray[np.int8]
    aspect: NDArray[np.int8]
    comments: NDArray[np.object_]


def _sentences(*texts: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(text.split("|")) for text in texts)


# per aspect: bad, plain, good
SENTENCES = (
    _sentences(
        "Nothing here is for me.|These suggestions have nothing to do with what I like.|"
        "I would never buy any of this.|Completely irrelevant recommendations.|Why do you show me this stuff?|"
        "Not a single interesting thing on the page.|You clearly do not know my taste.|Useless picks again.|"
        "I had to search for everything myself, the suggestions were useless.",
        "Some of it fits, some does not.|A mixed bag of suggestions.|I looked through the list.|"
        "One or two things were near what I was looking for.|I am still looking around.",
        "Exactly my taste!|Love these suggestions.|You really know what I like.|Found just what I was looking for.|"
        "Great recommendations today.|So many nice things for me.|Spot on, I wanted nearly everything.|"
        "The picks were perfect for me.|Really helpful suggestions, thank you.",
    ),
    _sentences(
        "You keep showing me the same things.|The same items again and again.|I have seen all of this before.|"
        "Always the same suggestions, it is getting boring.|Please stop repeating products, so annoying.|"
        "I already saw these yesterday and the day before.|Still the same boring page.",
        "I have seen a few of these before.|Some new things, some I knew.|The page changes now and then.",
        "Always something new to discover.|Nice to see fresh things each time.|New ideas every visit, great.|"
        "I like that the page changes every time I come.",
    ),
    _sentences(
        "Far too expensive.|Everything is overpriced.|Way out of my budget.|Nice, but I cannot afford any of it.|"
        "The prices are ridiculous.|Too pricey for what it is.|Why only show me expensive things?",
        "Prices are about average.|The prices are what you would expect.|Neither cheap nor expensive.",
        "Great prices.|Good value for money.|Affordable things that I like.|Found a real bargain.|"
        "Very fair prices, happy with that.",
    ),
    _sentences(
        "Poor quality, it broke after a week.|Very disappointed with what I bought.|It looked better in the picture.|"
        "Cheaply made, I want to send it back.|Bad quality, I regret buying it.|Not worth it, the finish is awful.",
        "It does what it should.|The product is okay.|Arrived yesterday, works so far.",
        "Excellent quality, very happy with it.|Even better than in the picture.|Beautifully made, I love it.|"
        "Best thing I bought this year.|Really well made, would buy again.|Great product, works perfectly.",
    ),
    _sentences(
        "They all look alike.|Ten times nearly the same product, no choice at all.|Too much of one kind.|"
        "Dull selection, everything is the same sort of thing.|I bought one, I do not need ten more like it.",
        "The selection is fine.|A normal range of things.|There was some choice.",
        "A lovely mix of things.|Great variety.|Nice selection with something for every mood.|"
        "I enjoy how different the suggestions are.",
    ),
)  # fmt: skip
OPENINGS = _sentences(
    "||||Honestly: |Sorry, but |Hmm. |Again: |To be frank, |Oh no. ",
    "||||Well. |Hm. |So far: |For the record: ",
    "||||Wow! |Yes! |Thank you. |Honestly: |Must say: |Nice. ",
)
CLOSINGS = _sentences(
    "||||| Please fix this.| I am about to leave.| What a waste of time.| Disappointing.| :(| Not happy.",
    "|||||| We will see.| That is all.",
    "||||| Keep it up!| Will come again.| :)| Very happy.| Thanks!",
)


def comments(scores: NDArray[np.float64], talks: NDArray[np.bool_], luck: NDArray[np.float64]) -> Comments:
    """What those who talk write about.

    The aspect is drawn by the strength of the feeling (a softmax over absolute scores), the wording by its sign.

    Args:
        scores: (n, 5) how each of ``ASPECTS`` was, bad below zero.
        talks: (n,) bool.
        luck: (n, 5) uniform numbers.
    """
    n = len(scores)
    strength = np.exp(3.0 * np.minimum(np.abs(scores), 3.0))
    upto = np.cumsum(strength, axis=1)
    aspect = np.minimum((upto < luck[:, :1] * upto[:, -1:]).sum(axis=1), scores.shape[1] - 1)
    score = np.take_along_axis(scores, aspect[:, None], axis=1)[:, 0]
    tone = np.where(np.abs(score) < PLAIN, 0, np.sign(score)).astype(np.int8)
    texts = np.full(n, "", dtype=object)
    rows = np.flatnonzero(talks)
    texts[rows] = [
        _sentence(about, how, *fortune)
        for about, how, fortune in zip(
            aspect[rows].tolist(), (tone[rows] + 1).tolist(), luck[rows, 1:4].tolist(), strict=True
        )
    ]
    return Comments(
        sentiment=np.where(talks, tone, 0).astype(np.int8),
        aspect=np.where(talks, aspect, -1).astype(np.int8),
        comments=texts,
    )


def _sentence(aspect: int, tone: int, first: float, body: float, last: float) -> str:
    opening, closing, bodies = OPENINGS[tone], CLOSINGS[tone], SENTENCES[aspect][tone]
    text = opening[int(first * len(opening))] + bodies[int(body * len(bodies))] + closing[int(last * len(closing))]
    return text[0].upper() + text[1:]
