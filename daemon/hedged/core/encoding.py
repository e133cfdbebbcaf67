"""
Values as bytes that can be compared, and as their difference from others.

Enters a value; leaves canonical JSON and its digest. A quiet pass is stored as what changed since the
last full record, with a digest of the whole.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

Json = dict[str, Any]


def encode(value: object) -> bytes:
    """Canonical JSON: the same value gives the same bytes; decimals are text, as they stand."""
    return msgspec.json.encode(value, order="sorted")


def digest(body: bytes) -> str:
    """SHA-256 of *body*, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def pack(full: bytes, base: bytes, base_id: int) -> bytes:
    """*full* as its difference from *base*, the body of the record *base_id*."""
    changes = _difference(base, full)
    return encode({"base": base_id, "changes": changes, "digest": digest(full)})


def base_of(body: bytes) -> int | None:
    """The id of the record that *body* differs from, or None when it stands alone."""
    head = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return int(msgspec.json.decode(head["base"])) if "base" in head else None


def unpack(body: bytes, base: bytes) -> bytes:
    """
    The full body of a packed record.

    Raises
    ------
    ValueError
        When the result does not have the digest that was packed with it.
    """
    packed = json.loads(body)
    full = encode(_applied(json.loads(base), packed["changes"]))
    if digest(full) != packed["digest"]:
        raise ValueError("the record does not unpack to what was recorded")
    return full


def _difference(before: bytes, after: bytes) -> Json:
    """
    What turns *before* into *after*: values set, keys dropped, tables and lists changed inside.

    Values are told apart by their text: JSON's 1 and 1.0 and true are three.
    """
    old, new = _parts(before), _parts(after)
    dropped = sorted(old.keys() - new.keys())
    inside: Json = {}
    values: Json = {}
    for key, value in new.items():
        was, now = bytes(old.get(key, b"")), bytes(value)
        if was == now:
            continue
        if _shape(was) == _shape(now) != 0:
            inside[key] = _difference(was, now)
        else:
            values[key] = value
    parts = (("drop", dropped), ("in", inside), ("set", values))
    return {name: part for name, part in parts if part}


def _parts(body: bytes) -> dict[str, msgspec.Raw]:
    """A table as it is, a list as a table by place; the values as they are written."""
    if body.startswith(b"["):
        places = msgspec.json.decode(body, type=list[msgspec.Raw])
        return {str(place): item for place, item in enumerate(places)}
    return msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def _table(value: object) -> Json | None:
    """A table as it is, a list as a table by place, anything else as None."""
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return value if isinstance(value, dict) else None


def _shape(body: bytes) -> int:
    """What must be equal for two values to be compared inside: -1 for a table, else the length."""
    if body.startswith(b"["):
        return len(msgspec.json.decode(body, type=list[msgspec.Raw]))
    return -1 if body.startswith(b"{") else 0


def _applied(before: Any, changes: Json) -> Any:
    table = _table(before) or {}
    after = {key: value for key, value in table.items() if key not in changes.get("drop", ())}
    after |= changes.get("set", {})
    for key, inner in changes.get("in", {}).items():
        after[key] = _applied(after[key], inner)
    return list(after.values()) if isinstance(before, list) else after
