import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "numpy",
    "scipy",
    "polars",
    "msgspec",
    "sqlalchemy",
    "numba",
    "openvino",
    "onnxruntime",
    "tokenizers",
    "torch",
)


def environment(seed: int) -> dict[str, Any]:
    """What a run was made with, so that it can be made again: versions, processor, seed.

    >>> environment(7)["seed"]
    7
    """
    return {
        "recloop": version("recloop"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": {name: os.environ[name] for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS") if name in os.environ},
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "seed": seed,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
