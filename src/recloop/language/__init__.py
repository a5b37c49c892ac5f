"""Language: text into vectors and labels. Loads light; the encoder loads on first use."""

from recloop.language.encoder import Encoder, load_encoder

__all__ = ["Encoder", "load_encoder"]
