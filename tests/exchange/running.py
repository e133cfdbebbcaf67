"""An exchange that runs as a process of its own, as a command meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent


@dataclass(frozen=True)
class Running:
    """The process, and its door for tests; *door* is the name of a venue beside the first."""

    name: str
    url: str
    door: str = ""

    def beside(self, door: str) -> Running:
        """The venue of that name in the same process."""
        return replace(self, name=door, door=door)

    def control(self, action: str, **asked: Any) -> Any:
        """What `exchange.control.Control` answers."""
        door = f"{self.door}/" if self.door else ""
        request = urllib.request.Request(
            f"{self.url}/_control/{door}{action}", data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"}, method="POST",
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read())

    def orders(self) -> int:
        """How many requests to place an order it has seen."""
        asked = [one["request"] for one in self.control("requests", method="POST")]
        return sum("/order" in one for one in asked)


@contextmanager
def running(name: str, *args: str) -> Iterator[Running]:
    """The exchange *name*, started with *args* of ``python -m exchange``."""
    command = [sys.executable, "-m", "exchange", "--venue", name, *args]
    environ = os.environ | {"PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    try:
        yield Running(name, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
