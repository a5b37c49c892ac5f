"""Make the README's pictures with the product itself: ``python docs/pictures.py``. Needs Chromium on the PATH."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from recloop.cli import console

STATIC = Path(__file__).resolve().parent / "_static"


def main() -> None:
    """Run a demo, keep its terminal as SVG and its report as PNG."""
    folder = Path("recloop-demo")
    os.chdir(tempfile.mkdtemp())
    terminal = Console(record=True, width=100, highlight=False)
    console.out = terminal
    from recloop.cli.main import main as recloop

    with contextlib.suppress(SystemExit):
        recloop(["demo"])
    (STATIC / "demo.svg").write_text(terminal.export_svg(title="recloop demo"), encoding="utf-8")
    chromium = shutil.which("chromium") or "chromium"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    options += ["--disable-background-networking", f"--user-data-dir={tempfile.mkdtemp()}", "--window-size=1180,1330"]
    picture = STATIC / "report.png"
    subprocess.run(
        [chromium, *options, f"--screenshot={picture}", (folder / "report.html").resolve().as_uri()], check=True
    )


if __name__ == "__main__":
    main()
