"""A tokenizer that knows only the words that are used, and the letters that all others are made of."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError
from recloop.language.finetune.train import tokenised


def cut_words(source: Path, target: Path, texts: Sequence[str], length: int) -> NDArray[np.int64]:
    """Write a tokenizer without the words that the texts do not use; gives the old ids in the order of the new ones.

    Single signs stay, so that any text can still be read, piece by piece. Only WordPiece tokenizers are cut: there a
    word that is gone falls apart into pieces that are there.

    Args:
        source: ``tokenizer.json``.
        target: the new one.
        texts: whose words stay.
        length: tokens of a text that are read.

    Raises:
        SettingError: the tokenizer is of another kind.
    """
    from tokenizers import Tokenizer

    raw = json.loads(source.read_text(encoding="utf-8"))
    if raw["model"].get("type") != "WordPiece":
        raise SettingError(
            f"the tokenizer is a {raw['model'].get('type')}",
            allowed="only the words of a WordPiece tokenizer can be cut",
            advice="set words = false",
        )
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    ids, _ = tokenised(tokenizer, texts, length) if len(texts) else (np.zeros((1, 1), np.int64), None)
    vocabulary: dict[str, int] = raw["model"]["vocab"]
    special = {int(entry["id"]) for entry in raw["added_tokens"]} | {vocabulary[raw["model"]["unk_token"]], 0}
    signs = {place for word, place in vocabulary.items() if len(word.removeprefix("##")) == 1}
    kept = np.array(sorted(special | signs | set(np.unique(ids).tolist())), np.int64)
    place = {int(old): new for new, old in enumerate(kept)}
    raw["model"]["vocab"] = {word: place[old] for word, old in vocabulary.items() if old in place}
    for entry in raw["added_tokens"]:
        entry["id"] = place[int(entry["id"])]
    for entry in ((raw.get("post_processor") or {}).get("special_tokens") or {}).values():
        entry["ids"] = [place[int(old)] for old in entry["ids"]]
    if (raw.get("post_processor") or {}).get("type") == "BertProcessing":
        for name in ("sep", "cls"):
            word, old = raw["post_processor"][name]
            raw["post_processor"][name] = [word, place[int(old)]]
    raw["truncation"] = raw["padding"] = None
    target.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    return kept
