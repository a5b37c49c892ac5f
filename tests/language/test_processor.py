"""The precision that is chosen is one that the processor multiplies fast, and every other one is still right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recloop.errors import SettingError
from recloop.language import load_encoder
from recloop.language.processor import PRECISIONS, VNNI, fastest_precision, flags

ALL = "flags\t: fpu avx2 avx512f avx512_vnni avx512_bf16 avx_vnni amx_tile amx_bf16 amx_int8\n"


@pytest.mark.parametrize(
    ("isa", "left", "chosen"),
    [
        (None, {"amx_bf16", "avx512_vnni", "avx_vnni"}, "bf16"),
        ("ALL", {"amx_bf16", "avx512_vnni", "avx_vnni"}, "bf16"),
        ("AVX512_CORE_AMX", {"amx_bf16", "avx512_vnni", "avx_vnni"}, "bf16"),
        ("AVX512_CORE_BF16", {"avx512_vnni", "avx_vnni"}, "int8"),
        ("avx512_core_vnni", {"avx512_vnni", "avx_vnni"}, "int8"),
        ("AVX2_VNNI", {"avx_vnni"}, "int8"),
        ("AVX512_CORE", set(), "f32"),
        ("AVX2", set(), "f32"),
    ],
)
def test_what_is_forbidden_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str | None, left: set[str], chosen: str
) -> None:
    (tmp_path / "cpuinfo").write_text(ALL)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if isa:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    assert flags(tmp_path / "cpuinfo") == left
    assert fastest_precision(flags(tmp_path / "cpuinfo")) == chosen


def test_a_processor_of_which_nothing_is_known(tmp_path: Path) -> None:
    assert flags(tmp_path / "cpuinfo") == set()
    (tmp_path / "cpuinfo").write_text("Features\t: fp asimd\n")
    assert fastest_precision(flags(tmp_path / "cpuinfo")) == "f32"


def test_eight_bits_need_instructions_for_them(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    with pytest.raises(SettingError) as caught:
        load_encoder(str(model_folder()), precision="int8").encode(["a"])
    assert str(caught.value) == (
        "this processor has no instructions for 8-bit products (VNNI); f32 runs anywhere; leave precision open."
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precisions_of_the_default_agree(precision: str) -> None:
    if {"bf16": {"amx_bf16"}, "int8": VNNI}.get(precision, flags()).isdisjoint(flags()) and precision != "f32":
        pytest.skip(f"this processor has no instructions for {precision}")
    texts = ["a red shoe", "The Godfather (1972). Crime, Drama", "😀 猫の本", "x", "word " * 300]
    cosine = (load_encoder(precision=precision).encode(texts) * load_encoder(precision="f32").encode(texts)).sum(axis=1)
    assert cosine.min() > {"f32": 0.99999, "bf16": 0.999, "int8": 0.99}[precision]
