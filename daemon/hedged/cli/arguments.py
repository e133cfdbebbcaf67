"""
Arguments that many commands take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    list[Path] | None,
    typer.Option(
        "-c", "--config", metavar="FILE",
        help="Settings file; may be given again, later ones win. Default: hedged.toml",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Portfolio = Annotated[
    str | None, typer.Option("--portfolio", metavar="NAME", help="Only this portfolio.")
]
