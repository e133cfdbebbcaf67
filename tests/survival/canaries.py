"""
Canary secrets, and a look for them in whatever the daemon leaves behind.

`scan` reads files, folders and texts, and finds every canary in every form it may have been written in.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""So many characters of a canary in a row count as a hit: a secret that is cut short is still told."""

CANARIES = (
    "CanaryPlainKey7Q4xV2mZ8rT1",
    "canary-with-dashes-93af0c7be2",
    "canary_with_under_5d41c09fe8",
    "canary.dots.2f6e81b9d04a7c",
    "CANARYUPPER8F3B6A1D9E04C7",
    "canary+plus/and=64DkL0w9Qz==",
    "canary%2Fpercent%41=7c1e90",
    'canary"quote\\back8e2d5f0a91',
    "canary&amp;<tag>'b7d30f64ac",
    "canary key of words 4b9e17c2",
    "canäry-ümläut-ß-e51c8a07d3",
    "canary$var${HOME}`x`0a6f93d2",
)
"""Twelve, each awkward to another encoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A canary that was found, in which form, and where."""

    canary: str
    form: str
    where: str


def forms(secret: str) -> dict[str, bytes]:
    """*secret* as it may be written: raw, in a URL, base64, hexadecimal, as JSON, as Python has it."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    found = {
        "raw": raw,
        "url": quote(secret, safe="").encode(),
        "url form": quote_plus(secret).encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "json": escaped.encode(),
        "json in json": json.dumps(escaped)[1:-1].encode(),
        "json, as it is": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
    }
    for name, encode in (("base64", base64.b64encode), ("base64 url", base64.urlsafe_b64encode)):
        found |= {
            f"{name}, {skip} before": _aligned(encode(bytes(skip) + raw), skip) for skip in range(3)
        }
    return found


def _aligned(encoded: bytes, skip: int) -> bytes:
    """What of *encoded* depends on the secret alone, whatever stands before and after it."""
    first = (0, 2, 3)[skip]
    return encoded.rstrip(b"=")[first:-1]


def scan(
    places: Iterable[Path], canaries: Iterable[str], texts: Mapping[str, str] | None = None
) -> list[Hit]:
    """Every canary in the files at *places* (folders: all files below) and in the *texts*, by name."""
    wanted = [(canary, name, form) for canary in canaries for name, form in forms(canary).items()]
    return [
        Hit(canary=canary, form=name, where=where)
        for where, content in _contents(places, texts or {})
        for canary, name, form in wanted
        if form in content
    ]


def _contents(places: Iterable[Path], texts: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for place in places:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                yield str(file), file.read_bytes()
    for name, text in texts.items():
        yield name, text.encode(errors="surrogateescape")
