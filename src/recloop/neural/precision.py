from pathlib import Path


def best_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """``"bf16"`` where the processor multiplies bfloat16 tiles (AMX), ``"f32"`` elsewhere and where nothing tells.

    OpenVINO's own list of capabilities names bfloat16 on any processor that can emulate it; without AMX that was slower
    than float32 (``benchmarks/encoding.py``). So the flags of the processor are read.
    """
    flags = cpuinfo.read_text().split() if cpuinfo.is_file() else []
    return "bf16" if "amx_bf16" in flags else "f32"
