"""
Reads the settings: TOML files in order, then the environment, each over the one before.

Tables are merged key by key; a list (such as all ``[[rule]]``) is replaced as a whole. Every value
keeps its origin, and every error names the file, the key and the fix.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from hedged.errors import SettingsError
from hedged.settings.model import Settings
from hedged.settings.venues import Venue

PREFIX = "HEDGED__"
FILE_SUFFIX = "_FILE"
DEFAULT_FILE = Path("hedged.toml")

# Keys whose relative paths are meant from the file that states them.
_PATHS = (("service", "state_dir"), ("venue", "data"))  # and holdings_file of each portfolio

# Files that only the owner may read: what a variable with one of these words in its name points to,
# and a settings file that states one of these keys (of a proxy: with somebody who signs on).
_SECRET_VARIABLES = ("__ACCOUNT__", "__ALERTS__", "__VENUE__HTTPS_PROXY", "__VENUE__SOCKS_PROXY")
_SECRET_KEYS = re.compile(
    r"account\.[^.]+\.(api_key|api_secret)\b|alerts\.urls\b|venue\.(?P<proxy>https_proxy|socks_proxy)\b"
)
_OTHERS = 0o077

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One source of settings: where it comes from, and what it says."""

    origin: str
    values: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and for every key that was set the layer it came from."""

    settings: Settings
    origins: dict[str, str]


def load(files: Sequence[Path], environ: Mapping[str, str]) -> Loaded:
    """
    The settings of *files* (default: ``hedged.toml`` here) and *environ*.

    Raises
    ------
    SettingsError
        When anything is missing, unknown or out of bounds; all faults are told at once.
    """
    named = list(files) or [DEFAULT_FILE]
    layers = [_beside(named[0]), *(_from_file(path) for path in named)]
    layers.append(_from_environment(environ))
    origins = {key: layer.origin for layer in layers[1:] for key, _ in _leaves(layer.values)}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_defaults: PydanticBaseSettingsSource,
            **_named_defaults: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Source(settings_cls, layer) for layer in reversed(layers))

    try:
        return Loaded(settings=Layered(), origins=origins)
    except ValidationError as error:
        faults = _without_echoes(error.errors())
        raise SettingsError("\n".join(_told(fault, origins) for fault in faults)) from None


def load_venue(files: Sequence[Path], environ: Mapping[str, str]) -> Venue:
    """
    Where to ask for public data: ``[venue]`` as `load` has it; with no file at all, Binance and what
    *environ* says of the way there.

    Raises
    ------
    SettingsError
        As `load`.
    """
    if files or DEFAULT_FILE.exists():
        return load(files, environ).settings.venue
    layer = _from_environment(environ)
    table = layer.values.get("venue", {})
    if not isinstance(table, dict):
        raise SettingsError("environment: venue is a table; set keys of it")
    try:
        return Venue(**{"kind": "binance", **table})
    except ValidationError as error:
        origins = {key: layer.origin for key, _ in _leaves(layer.values)}
        faults = ({**fault, "loc": ("venue", *fault["loc"])} for fault in error.errors())
        raise SettingsError("\n".join(_told(fault, origins) for fault in faults)) from None


class _Source(PydanticBaseSettingsSource):
    """A layer as pydantic-settings takes it."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self.layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self.layer.values.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self.layer.values


def _beside(path: Path) -> Layer:
    """The default folder of the state lies beside the first settings file, wherever one starts."""
    return Layer(origin="default", values={"service": {"state_dir": str(path.parent / "state")}})


def read_toml(path: Path) -> Tree:
    """What *path* says, its fractions as `Decimal`. Raises `SettingsError` where it can't be read."""
    try:
        return tomllib.loads(path.read_text(), parse_float=_number)
    except FileNotFoundError:
        raise SettingsError(f"{path} is not there; name a settings file with -c FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from None
    except ValueError as error:  # TOMLDecodeError, or a number beyond all bounds
        raise SettingsError(f"{path} is not TOML: {error}") from None


def _from_file(path: Path) -> Layer:
    values = read_toml(path)
    for section, key in _PATHS:
        table = values.get(section)
        if not isinstance(table, dict) or not isinstance(table.get(key), str):
            continue
        if (section, key, table[key]) != ("venue", "data", "demo"):
            table[key] = str(path.parent / Path(table[key]).expanduser())
    portfolios = values.get("portfolio")
    for portfolio in portfolios if isinstance(portfolios, list) else ():
        if isinstance(portfolio, dict) and isinstance(portfolio.get("holdings_file"), str):
            listed = Path(portfolio["holdings_file"]).expanduser()
            portfolio["holdings_file"] = str(path.parent / listed)
    _refuse_readable(path, values)
    return Layer(origin=str(path), values=values)


def _refuse_readable(path: Path, values: Tree) -> None:
    """Secrets stand in a settings file only where nobody else can read it."""
    secret = [key for key, value in _leaves(values) if value and _is_secret(key, value)]
    if secret and path.stat().st_mode & _OTHERS:
        keys = ", ".join(secret)
        raise SettingsError(f"{path}: {keys}: others can read {path}; run chmod 600 on it")


def _is_secret(key: str, value: Any) -> bool:
    found = _SECRET_KEYS.match(key)
    return found is not None and (found["proxy"] is None or "@" in str(value))


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text} is not a number") from None


def _from_environment(environ: Mapping[str, str]) -> Layer:
    """``HEDGED__HEDGE__BAND=0.1``; with ``_FILE`` appended, the value is what that file holds."""
    values: Tree = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        if name.endswith(FILE_SUFFIX):
            handed = environ.get("CREDENTIALS_DIRECTORY", "")
            key, given = name.removesuffix(FILE_SUFFIX), _from_secret_file(name, text, handed)
            if key in environ:
                raise SettingsError(f"{name} and {key} are both set; keep one of them")
        else:
            key, given = name, _parsed(text)
        *parents, leaf = key.removeprefix(PREFIX).lower().split("__")
        table = values
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise SettingsError(f"environment: {name} is below a key that is set to a value")
        if isinstance(table.get(leaf), dict):
            raise SettingsError(f"environment: {name} is a table, other variables set keys of it")
        table[leaf] = given
    return Layer(origin="environment", values=values)


def _from_secret_file(name: str, path: str, handed: str) -> str:
    """
    What a file holds, as it stands; keys and addresses of alerts and proxies must not be readable by
    others.

    In the folder *handed* to this service by systemd a file may look readable by its group: that is
    how the right of the service's own user shows, which it has by an access list.
    """
    others = 0o037 if handed and Path(path).parent == Path(handed) else _OTHERS
    try:
        secret = any(word in name.upper() for word in _SECRET_VARIABLES)
        if secret and Path(path).stat().st_mode & others:
            raise SettingsError(f"{name}: others can read {path}; run chmod 600 on it")
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {path} can't be read: {error}") from None


def _parsed(text: str) -> Any:
    """Lists and tables are written as JSON; anything else is taken as it stands."""
    if text[:1] in "[{" and text:
        try:
            return json.loads(text, parse_float=Decimal)
        except ValueError:
            return text
    return text


def _leaves(values: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _without_echoes(faults: Sequence[Any]) -> list[Any]:
    """A list whose every entry is at fault is told as empty by pydantic too; that is left out."""
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(
            len(other["loc"]) > len(fault["loc"]) and other["loc"][: len(fault["loc"])] == fault["loc"]
            for other in faults
        )
    ]


def _told(fault: Any, origins: Mapping[str, str]) -> str:
    """One fault as a sentence: the origin, the key, what is wrong, and the nearest valid key."""
    loc = [part for part in fault["loc"] if not str(part).startswith("function-")]
    key = ".".join(str(part) for part in loc)
    names = [str(part) for part in loc if not isinstance(part, int)]
    paths = [".".join(names[:i]) for i in range(len(names), 0, -1)]
    origin = next(filter(None, (_stated(path, origins) for path in paths)), "settings")
    if fault["type"] == "extra_forbidden":
        known = _known_keys(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
        return f"{origin}: {key}: unknown key; {hint}"
    said = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
    return f"{origin}: {key}: {said}" if key else f"{origin}: {said}"


def _stated(path: str, origins: Mapping[str, str]) -> str:
    """Who states *path*, or else all who state a key below it."""
    if path in origins:
        return origins[path]
    below = [origin for key, origin in origins.items() if key.startswith(f"{path}.")]
    return ", ".join(dict.fromkeys(below))


def _known_keys(loc: Sequence[Any]) -> list[str]:
    """The keys of the table at *loc*."""
    model: Any = Settings
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _section_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_section_in(part) for part in get_args(annotation))
    return next((found for found in inner if found is not None), None)
