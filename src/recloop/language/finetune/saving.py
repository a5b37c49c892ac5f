"""A trained encoder as a folder that ``load_encoder`` and sentence-transformers open."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from recloop.language.files import DENSE, DENSE_CONFIG, MODULES, OPTIONAL, WEIGHTS, EncoderFiles
from recloop.language.finetune.network import SentenceNetwork, plain
from recloop.language.finetune.trainable import merge


def save(network: SentenceNetwork, files: EncoderFiles, folder: Path, max_length: int) -> None:
    """Write the encoder in the layout of sentence-transformers; what was added in training is merged into the weights.

    Args:
        network: afterwards merged.
        files: those that training started from: tokenizer and configuration.
        folder: empty or new.
        max_length: tokens of a text that are read.
    """
    network = merge(network).eval()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", *OPTIONAL):
        if files.path(name).is_file() and name not in {DENSE, DENSE_CONFIG}:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(files.path(name), folder / name)
    model: Any = network.model
    config = json.loads(files.path("config.json").read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.pop("torch_dtype", None)
    config["vocab_size"] = model.get_input_embeddings().weight.shape[0]
    for name in ("num_hidden_layers", "intermediate_size"):  # a student has fewer
        if name in config:
            config[name] = getattr(model.config, name)
    state = plain(model.state_dict())
    if network.prompts is not None:
        config["vocab_size"] = _prompts_as_words(network, state, folder / "tokenizer.json")
        max_length = min(max_length + len(network.prompts), int(config["max_position_embeddings"]))
        for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
            (folder / name).unlink(missing_ok=True)  # they know nothing of the prompts
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    _json(folder / "config.json", config)
    _json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    width = model.get_input_embeddings().weight.shape[1]
    _json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": network.pooling == "cls",
            "pooling_mode_mean_tokens": network.pooling == "mean",
        },
    )
    modules = ["Transformer", "Pooling", *(["Dense"] if network.head is not None else []), "Normalize"]
    _json(
        folder / MODULES,
        [
            {
                "idx": place,
                "name": str(place),
                "path": f"{place}_{kind}" if place else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for place, kind in enumerate(modules)
        ],
    )
    if network.head is not None:
        out, into = network.head.weight.shape
        settings = {
            "in_features": into,
            "out_features": out,
            "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        _json(folder / DENSE_CONFIG, settings)
        head = {"linear.weight": network.head.weight, "linear.bias": network.head.bias}
        save_file(plain(head), folder / DENSE)


def _prompts_as_words(network: SentenceNetwork, state: dict[str, torch.Tensor], tokenizer: Path) -> int:
    """Each prompt becomes a word of its own that the tokenizer puts before every text; gives the new vocabulary."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    assert network.prompts is not None
    model: Any = network.model
    table = model.get_input_embeddings().weight
    name = next(key for key, value in model.named_parameters() if value is table)
    size = len(table)
    state[name] = torch.cat([table.detach(), network.prompts.detach()]).cpu()
    read = Tokenizer.from_file(str(tokenizer))
    read.no_padding()
    read.no_truncation()
    words = [f"[PROMPT{place}]" for place in range(len(network.prompts))]
    first, last = _frame(read)
    raw = json.loads(read.to_str())
    raw["added_tokens"] += [
        {
            "id": size + place,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for place, word in enumerate(words)
    ]
    read = Tokenizer.from_str(json.dumps(raw))
    ids = [first, *range(size, size + len(words)), *([] if last is None else [last])]
    special = {id_: str(read.id_to_token(id_)) for id_ in ids}
    frame = [special[id_] for id_ in ids]
    frame.insert(1 + len(words), "$A")
    read.post_processor = TemplateProcessing(single=frame, special_tokens=[(word, i) for i, word in special.items()])
    read.save(str(tokenizer))
    return size + len(words)


def _frame(tokenizer: Any) -> tuple[int, int | None]:
    """The tokens that begin and end every text."""
    bare, framed = (tokenizer.encode("a", add_special_tokens=on).ids for on in (False, True))
    return framed[0], framed[-1] if len(framed) > len(bare) + 1 else None


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
