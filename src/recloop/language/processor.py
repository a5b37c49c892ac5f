"""What the processor multiplies fast."""

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

PRECISIONS = ("f32", "bf16", "int8")
VNNI = frozenset({"avx512_vnni", "avx_vnni"})
# ONEDNN_MAX_CPU_ISA forbids what is newer than it names; what each name still leaves of the flags that matter here.
_ALLOWED: dict[str, AbstractSet[str]] = {
    **dict.fromkeys(("SSE41", "AVX", "AVX2", "AVX512_CORE"), frozenset()),
    **dict.fromkeys(("AVX2_VNNI", "AVX2_VNNI_2"), frozenset({"avx_vnni"})),
    **dict.fromkeys(
        ("AVX512_CORE_VNNI", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"),
        VNNI,
    ),
}


def flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> AbstractSet[str]:
    """Which of ``amx_bf16``, ``avx512_vnni`` and ``avx_vnni`` can be used; none where nothing tells.

    OpenVINO's own list of capabilities names bfloat16 on any processor that can emulate it; without AMX that was slower
    than float32 (``benchmarks/encoding.py``). So the flags of the processor are read.
    """
    known = VNNI | {"amx_bf16"}
    there = known & set(cpuinfo.read_text().split()) if cpuinfo.is_file() else frozenset()
    return there & _ALLOWED.get(os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper(), known)


def fastest_precision(found: AbstractSet[str]) -> str:
    """``"bf16"`` with AMX, else ``"int8"`` with VNNI, else ``"f32"``: what encoded most texts where it was measured.

    >>> fastest_precision({"amx_bf16", "avx512_vnni"}), fastest_precision({"avx_vnni"}), fastest_precision(set())
    ('bf16', 'int8', 'f32')
    """
    if "amx_bf16" in found:
        return "bf16"
    return "int8" if found & VNNI else "f32"
