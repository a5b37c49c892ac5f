"""The house stands as drawn: imports point down, importing is cheap, nothing pickles, no part tells where it was made."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import recloop

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "recloop"
# bottom to top; the same list stands in docs/explanation/architecture.md
FLOORS = [
    "errors",
    "types",
    "progress",
    "wire",
    "client",
    "charts",
    "data",
    "stats",
    "bandits",
    "metrics",
    "neural",
    "language",
    "strategies",
    "compose",
    "evaluate",
    "store",
    "experiments",
    "experience",
    "simulate",
    "loop",
    "report",
    "testing",
    "app",
    "dashboard",
    "service",
    "cli",
]
GROUND = {"errors", "types", "progress"}


def floor(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "recloop" and len(parts) > 1 else None


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found += [(node.lineno, node.module or "")]
    return found


def test_imports_point_down() -> None:
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        here = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if here in {"__init__", "__main__"}:
            continue
        assert here in FLOORS, f"{path} stands on no floor: add it to FLOORS and to the architecture page"
        for line, module in imports(path):
            there = floor(module)
            if there and there != here and FLOORS.index(there) >= FLOORS.index(here) and there not in GROUND:
                wrong.append(f"{path.relative_to(ROOT)}:{line} ({here}) imports {module} ({there})")
    assert not wrong, "imports that point up:\n" + "\n".join(wrong)


def test_every_floor_is_drawn_and_filled() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    for name in FLOORS:
        assert (SOURCE / name).is_dir() or (SOURCE / f"{name}.py").is_file(), f"floor {name} is empty"
        assert f"`{name}`" in page, f"the architecture page does not name the floor {name}"


def test_import_is_light() -> None:
    code = (
        "import sys, recloop; heavy = {'torch', 'polars', 'scipy', 'numpy', 'sqlalchemy', 'numba', 'openvino'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [n for n in recloop.__all__ if n != "__version__"])
def test_public_names_load(name: str) -> None:
    assert getattr(recloop, name) is not None
    assert name in dir(recloop)


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Stragety'"):
        recloop.Stragety


def test_nothing_pickles() -> None:
    for path in SOURCE.rglob("*.py"):
        modules = {module.split(".")[0] for _, module in imports(path)}
        assert not modules & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}, path
        assert "allow_pickle=True" not in path.read_text(), path


def test_the_project_speaks_of_itself_only() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    words = re.compile(r"/work/|\bfresh-check\b|claude|anthropic|\bsubagent\b|/opt/pypi", re.IGNORECASE)
    for name in listed:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".html", ".css", ".js", ".json", ".svg"} and path.is_file():
            if path == Path(__file__):
                continue
            found = words.search(path.read_text(errors="replace"))
            assert not found, f"{name}: {found.group(0) if found else ''}"
