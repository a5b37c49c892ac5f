"""Language: text into vectors and labels, on the CPU, without torch."""

from recloop.data.cache_folder import cache_folder
from recloop.language.cache import CachedEncoder
from recloop.language.encoder import Encoder, load_encoder
from recloop.language.item_vectors import spread, vectors
from recloop.language.sentiment import Accuracy, Sentiment
from recloop.language.steer import Steer
from recloop.language.steer import parse as parse_steer

__all__ = [
    "Accuracy",
    "CachedEncoder",
    "Encoder",
    "Sentiment",
    "Steer",
    "cache_folder",
    "load_encoder",
    "parse_steer",
    "spread",
    "vectors",
]
