"""
The settings as a person or an editor may see them: secrets hidden, each value with its origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from hedged.logs import HIDDEN, secrets_in
from hedged.settings.load import Loaded
from hedged.settings.model import Settings

_UNITS = (
    ("w", timedelta(weeks=1)),
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)


def lines_of(loaded: Loaded) -> list[tuple[str, str, str]]:
    """Every value in force as (key, value, origin); the origin of a default is ``default``."""
    return [
        (
            key,
            HIDDEN if isinstance(value, SecretStr) else _text(value),
            _origin(key, loaded.origins) if stated else "default",
        )
        for key, value, stated in _walk(loaded.settings)
    ]


def secrets_of(settings: Settings) -> list[str]:
    """The plain text of every secret that is set, for the log to hide; of a proxy the password too."""
    values = (value for _, value, _ in _walk(settings))
    plain = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    return [*plain, *(part for text in plain if "://" in text for part in secrets_in(text))]


def schema() -> dict[str, Any]:
    """The JSON schema of the settings."""
    return Settings.model_json_schema()


def _walk(value: Any, prefix: str = "", *, stated: bool = True) -> Iterator[tuple[str, Any, bool]]:
    """Every leaf as (key, value, whether anyone stated it)."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            key = f"{prefix}.{name}" if prefix else name
            yield from _walk(getattr(value, name), key, stated=name in value.model_fields_set)
    elif isinstance(value, tuple) and any(isinstance(item, BaseModel | SecretStr) for item in value):
        for i, item in enumerate(value):
            yield from _walk(item, f"{prefix}.{i}", stated=stated)
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _walk(item, f"{prefix}.{name}", stated=stated)
    else:
        yield prefix, value, stated


def _origin(key: str, origins: dict[str, str]) -> str:
    """The layer that set *key*; an entry of a list comes from wherever the list does."""
    parts = key.split(".")
    paths = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
    return next((origins[path] for path in paths if path in origins), "default")


def _text(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        return ", ".join(sorted(str(item) for item in value))
    if isinstance(value, timedelta):
        return next(f"{value // unit}{name}" for name, unit in _UNITS if not value % unit)
    return "" if value is None else str(value)
