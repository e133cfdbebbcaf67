"""
Faults on demand: a script says which call goes wrong, and how.

A fault has three parts that do not depend on each other: when it strikes (method, path, parameters, the
n-th matching call), what becomes of the request (done now, never, or late), and what the client gets to
see. `CATALOGUE` names the usual ones; `fault("landed_then_reset", path="*/order")` makes one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal

from exchange.wire import Call, Manner, Reply

Edit = Sequence[Any]
HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One fault. It strikes matching calls number *first* to *first + count - 1* (None: all from *first*).

    *processing* late: the order lands *late_s* seconds later, or when its id has been looked up in vain
    *late_lookups* times; with *window* its timestamp is then checked, and it may never land.
    *refusal* answers with the venue's error of that word; *echo* with an error that tells the whole
    request back, headers and all; *stale_s* answers the state of then; *edits* change the JSON:
    ``("set", path, value)``, ``("remove", path)``, ``("repeat", path)``, ``("reverse", path)``, where a
    path is ``body.result.list.0.size`` and ``*`` is every element.
    """

    name: str = "fault"
    method: str = "*"
    path: str = "*"
    where: Mapping[str, str] = field(default_factory=dict)
    first: int = 1
    count: int | None = 1
    delay_s: float = 0.0
    processing: Literal["now", "never", "late"] = "now"
    late_s: float = 0.0
    late_lookups: int = 0
    window: bool = False
    manner: Manner = "whole"
    status: int | None = None
    body: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    echo: bool = False
    stale_s: float = 0.0
    edits: tuple[Edit, ...] = ()

    def matches(self, call: Call) -> bool:
        params = call.params if self.where else {}
        return (
            self.method in ("*", call.method)
            and fnmatchcase(call.place, self.path)
            and all(params.get(name) == value for name, value in self.where.items())
        )


NO_FAULT = Fault(name="")
_BROKEN = (500, 502, 503, 504, 520, 524, 529)
_NEVER = {"processing": "never"}
_HTML = {"content_type": "text/html", "body": HTML}

CATALOGUE: dict[str, dict[str, Any]] = {
    "slow": {"delay_s": 1.0},
    "lost": _NEVER | {"manner": "none"},
    "landed_then_silent": {"manner": "none"},
    "reset": _NEVER | {"manner": "reset"},
    "close": _NEVER | {"manner": "close"},
    "landed_then_reset": {"manner": "reset"},
    "landed_then_close": {"manner": "close"},
    "half_header": {"manner": "half_header"},
    "truncated": {"manner": "truncated"},
    "html": {"status": 200} | _HTML,
    "empty": {"status": 200, "body": ""},
    "null": {"status": 200, "body": "null"},
    "object": {"status": 200, "body": "{}"},
    "waf": _NEVER | {"status": 403} | _HTML,
    **{f"http_{code}": _NEVER | {"status": code} | _HTML for code in _BROKEN},
    **{f"landed_{code}": {"status": code} | _HTML for code in _BROKEN},
    "rate_limited": _NEVER | {"refusal": "rate_limited", "headers": {"Retry-After": "30"}},
    "banned": _NEVER | {"refusal": "banned", "headers": {"Retry-After": "120"}},
    "maintenance": _NEVER | {"refusal": "maintenance"},
    "unknown_status": {"refusal": "unknown_status"},
    "overloaded": _NEVER | {"refusal": "overloaded"},
    "echo": _NEVER | {"echo": True, "status": 500},
    "landed_echo": {"echo": True, "status": 500},
    "stale": {"stale_s": 5.0},
    "late": {"processing": "late", "late_s": 10.0, "manner": "none"},
    "late_after_lookup": {"processing": "late", "late_lookups": 1, "manner": "none"},
    "hidden": {"refusal": "order_unknown"},
    "mutated": {"edits": (("set", "body", None),)},
}  # fmt: skip
"""Fault by name; every one can be narrowed and changed by keywords of `Fault`."""


def fault(name: str, **changed: Any) -> Fault:
    """The fault of that name. Raises `KeyError` for an unknown name, `TypeError` for a keyword."""
    if "edits" in changed:
        changed["edits"] = tuple(tuple(edit) for edit in changed["edits"])
    return Fault(**({"name": name} | CATALOGUE[name] | changed))


class Script:
    """The faults to come, and how often each has been met."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, list[int]]] = []

    def add(self, *faults: Fault) -> None:
        self._faults.extend((fault, [0]) for fault in faults)

    def clear(self) -> None:
        self._faults.clear()

    def match(self, call: Call) -> Fault:
        """Count *call* for every fault it matches; the first that strikes, or `NO_FAULT`."""
        struck = NO_FAULT
        for fault, met in self._faults:
            if fault.matches(call):
                met[0] += 1
                late = fault.count is not None and met[0] >= fault.first + fault.count
                if struck is NO_FAULT and met[0] >= fault.first and not late:
                    struck = fault
        return struck

    @property
    def remember_s(self) -> float:
        """How far back the engine must remember for the stale answers asked for."""
        return max((fault.stale_s for fault, _ in self._faults), default=0.0)

    def told(self) -> list[dict[str, Any]]:
        """The faults as plain values, with how often each has been met."""
        return [
            {f.name: getattr(fault, f.name) for f in fields(fault)} | {"met": met[0]}
            for fault, met in self._faults
        ]


def echoed(call: Call, reply: Reply, status: int | None) -> Reply:
    """An error of a gateway in its debugging mode: the request's line, headers and body in its text."""
    headers = "; ".join(f"{name}: {text}" for name, text in sorted(call.headers.items(), reverse=True))
    said = f"{headers} | {call.method} {call.path}?{call.query} | {call.body.decode(errors='replace')}"
    body = {"code": -1000, "msg": said, "retCode": 10016, "retMsg": said}
    return Reply(status=status or reply.status, body=body)


def disguised(fault: Fault, reply: Reply, call: Call) -> Reply:
    """What the client sees instead of *reply*: another status, another body, or edited JSON."""
    if fault.echo:
        return echoed(call, reply, fault.status)
    if fault.status is not None or fault.body is not None:
        return Reply(
            status=reply.status if fault.status is None else fault.status,
            body=reply.body if fault.body is None else fault.body,
            content_type=fault.content_type,
            headers={**reply.headers, **fault.headers},
        )
    whole = {"body": reply.body}
    if fault.edits:
        whole = copy.deepcopy(whole)
        for edit in fault.edits:
            apply(whole, edit)
    return Reply(
        status=reply.status,
        body=whole["body"],
        headers={**reply.headers, **fault.headers},
        refused=reply.refused,
    )


def apply(answer: Any, edit: Edit) -> None:
    """Change the answer in place, under the key ``body``. A path that is not there changes nothing."""
    kind, path, *values = edit
    *parents, last = path.split(".")
    for target in _targets([answer], parents):
        for key in _keys(target, last):
            _apply_one(target, key, kind, values)


def _targets(nodes: list[Any], parents: list[str]) -> list[Any]:
    for step in parents:
        nodes = [node[key] for node in nodes for key in _keys(node, step)]
    return nodes


def _keys(node: Any, step: str) -> list[Any]:
    if isinstance(node, list):
        if step == "*":
            return list(range(len(node)))
        return [int(step)] if step.isdigit() and int(step) < len(node) else []
    if isinstance(node, dict):
        return list(node) if step == "*" else [step]
    return []


def _apply_one(target: Any, key: Any, kind: str, values: list[Any]) -> None:
    known = isinstance(target, list) or key in target
    if kind == "set":
        target[key] = json.loads(json.dumps(values[0]))
    elif kind == "remove" and known:
        del target[key]
    elif kind == "repeat" and known and isinstance(target[key], list):
        target[key] += copy.deepcopy(target[key])
    elif kind == "reverse" and known and isinstance(target[key], list):
        target[key].reverse()
