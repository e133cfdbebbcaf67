"""
Change one thing at a time in the modules that decide and send, and count the changes that tests see::

    make mutants
    PYTHONPATH=tests python -m mutation core/gate.py execute.py

mutmut names a change by the path of its file, so it works on a copy in which the package stands at the
top, as it is imported. All changes of a module are tried again whenever it is named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from mutation.score import MODULES, README, keep, kept, scored, table, written

ROOT = Path(__file__).parent.parent.parent
STAGE = ROOT / ".mutants"


def main() -> int:
    asked = argparse.ArgumentParser(prog="mutation", description=__doc__)
    asked.add_argument("module", nargs="*", help="those of which the score is wanted; default: all")
    modules = asked.parse_args().module or list(MODULES)
    stage()
    patterns = [pattern for module in modules for pattern in MODULES[module]]
    ran = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *patterns],
        cwd=STAGE,
        check=False,
    )
    date, whole = f"{datetime.now(UTC):%Y-%m-%d}", True
    for module in modules:
        score = scored(codes(module), date)
        if score is None:
            whole = False
            print(f"{module}: not all was tried, its score stays as it was")
        else:
            keep(module, score)
            print(f"{module}: {', '.join(score.lived) or 'nothing lived'}")
    README.write_text(written(README.read_text(), table(kept())))
    return ran.returncode or not whole


def stage() -> None:
    """The package, its tests and what they read, as mutmut wants them."""
    for folder, under in (("daemon/hedged", "hedged"), ("tests", "tests"), ("config", "config")):
        shutil.rmtree(STAGE / under, ignore_errors=True)
        shutil.copytree(ROOT / folder, STAGE / under, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", STAGE)


def codes(module: str) -> dict[str, int | None]:
    """mutmut's exit code by change, of those that count for *module*."""
    meta = json.loads((STAGE / "mutants" / "hedged" / f"{module}.meta").read_text())
    return {
        name: code
        for name, code in meta["exit_code_by_key"].items()
        if any(fnmatch(name, pattern) for pattern in MODULES[module])
    }


if __name__ == "__main__":
    sys.exit(main())
