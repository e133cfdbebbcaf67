"""
The settings as a person or an editor may see them: secrets hidden, each value with its origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from hedged.settings.load import Loaded
from hedged.settings.model import Settings

HIDDEN = "[hidden]"


def lines_of(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Every value in force as (key, value, origin); the origin of a default is ``default``."""
    return [
        (
            key,
            HIDDEN if isinstance(value, SecretStr) else _text(value),
            _origin(key, loaded.origins),
        )
        for key, value in _walk(loaded.settings)
    ]


def secrets_of(settings: Settings) -> list[str]:
    """The plain text of every secret that is set, for the log to hide."""
    values = (value for _, value in _walk(settings))
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def schema() -> dict[str, Any]:
    """The JSON schema of the settings."""
    return Settings.model_json_schema()


def _walk(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _walk(getattr(value, name), f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, dict) and any(isinstance(item, BaseModel) for item in value.values()):
        for name, item in value.items():
            yield from _walk(item, f"{prefix}.{name}")
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        for i, item in enumerate(value):
            yield from _walk(item, f"{prefix}.{i}")
    else:
        yield prefix, value


def _origin(key: str, origins: dict[str, str]) -> str:
    """The layer that set *key*; an entry of a list comes from wherever the list does."""
    parts = key.split(".")
    paths = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
    return next((origins[path] for path in paths if path in origins), "default")


def _text(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        return ", ".join(sorted(str(item) for item in value))
    return "" if value is None else str(value)
