"""Put one bug into a copy of the daemon and run the tests that must see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sabotage.bugs import Bug

TESTS = Path(__file__).parent.parent
DAEMON = TESTS.parent / "daemon"
FAILED = 1
"""pytest's exit code when tests ran and some of them failed."""


def spoiled(bug: Bug, folder: Path) -> Path:
    """A copy of the daemon with the bug in it. Raises `AssertionError` when the bug does not apply."""
    copy = folder / "daemon"
    shutil.copytree(DAEMON, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "hedged" / bug.file
    text = file.read_text()
    assert text.count(bug.before) == 1, f"{bug.what}: its place in {bug.file} is not there once"
    file.write_text(text.replace(bug.before, bug.after))
    return copy


def is_seen(bug: Bug, folder: Path) -> bool:
    """Whether a test fails with the bug; an error of the tests themselves does not count."""
    path = os.pathsep.join((str(spoiled(bug, folder)), str(TESTS)))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:randomly",
         str(TESTS / bug.seen_by)],
        cwd=TESTS.parent,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return ran.returncode == FAILED and " failed" in ran.stdout.splitlines()[-1]
