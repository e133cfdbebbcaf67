"""``hedged`` called in the tests' own process, and settings files for it to read."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from hedged.cli.app import main

DATA = Path(str(resources.files("hedged") / "demo_data"))


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Hedged = Callable[..., Answer]
Config = Callable[..., Path]


def answer(monkeypatch: pytest.MonkeyPatch, *args: object) -> Answer:
    """``hedged *args*``, from `main` to its exit code."""
    monkeypatch.setattr(sys, "argv", ["hedged", *map(str, args)])
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
    return Answer(code, out.getvalue(), err.getvalue())


def armed(monkeypatch: pytest.MonkeyPatch, config: Path) -> Path:
    """*config*, with its accounts, limits, legs and rules armed for live."""
    told = answer(monkeypatch, "run", "--arm", "--live", "-c", config)
    assert told.code == 0, told.err
    return config


def written(path: Path, *rules: str, **changed: str) -> Path:
    """The shipped demo's settings at *path*, with other rules if any are given."""
    text = (DATA / "demo.toml").read_text()
    head, _, _ = text.partition("[[rule]]")
    text = head + "".join(f"[[rule]]\n{rule}\n" for rule in rules) if rules else text
    for before, after in changed.items():
        assert f"{before} = " in text
        text = text.replace(f"{before} = ", f"{before} = {after}  # ", 1)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def rule(name: str, when: str, action: str, extra: str = "") -> str:
    """A rule as a settings file has it."""
    return f'name = "{name}"\nwhen = "{when}"\n{action}\n{extra}'
