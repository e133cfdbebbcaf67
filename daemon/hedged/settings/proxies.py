"""
The address of a proxy on the way out, looked at before anything is sent through it.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

WayOut = Literal["https_proxy", "socks_proxy"]

EXAMPLES: dict[WayOut, str] = {
    "https_proxy": "'http://proxy.example:8080' or 'http://user:password@proxy.example:8080'",
    "socks_proxy": "'socks5://proxy.example:1080' or 'socks5://user:password@proxy.example:1080'",
}
_SCHEMES: dict[WayOut, tuple[str, ...]] = {
    "https_proxy": ("http", "https"),
    "socks_proxy": ("socks5",),
}
_OTHERS = {
    "socks5h": "socks5h is written socks5 here: the proxy resolves the names of the exchange, "
    "nothing is resolved on this machine",
    "socks4": "socks4 resolves names on this machine and knows no password; use socks5",
    "socks4a": "socks4a knows no password; use socks5",
}
_QUOTE = "a password with one of @ : / ? # % in it has it quoted, as %40 %3A %2F %3F %23 %25"
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")  # a name, or an address of IPv6 without brackets
_INVISIBLE = re.compile(r"[\s\x00-\x1f\x7f]")


def check_proxy(key: WayOut, address: str) -> None:
    """
    Refuse an *address* that what sends through it would not take, or take otherwise than it reads.

    Raises
    ------
    ValueError
        With what is wrong and an example; nothing of the address is told but a scheme that is known,
        for a password that is not quoted may be taken for any part of it.
    """
    fault = _fault(key, address)
    if fault is not None:
        raise ValueError(f"{fault}. Write such as {EXAMPLES[key]} (what is set is not shown here)")


def _fault(key: WayOut, address: str) -> str | None:
    if not address:
        return "is empty, and without a proxy the exchange would be asked directly; leave the key out"
    if _INVISIBLE.search(address):
        return "has a space or a control character in it"
    try:
        found = urlsplit(address)
        port = found.port
    except ValueError:  # its text may hold the password
        return f"host or port can't be read; {_QUOTE}"
    if "://" not in address or found.scheme not in _SCHEMES[key]:
        return _of_scheme(key, found.scheme)
    if not found.hostname or not _HOST.fullmatch(found.hostname):
        return f"names no host; {_QUOTE}"
    if not port:
        return "needs a port, from 1 to 65535, after the host"
    return _of_rest(key, found)


def _of_scheme(key: WayOut, scheme: str) -> str:
    if key == "socks_proxy" and scheme in _OTHERS:
        return _OTHERS[scheme]
    for other, schemes in _SCHEMES.items():
        if other != key and (scheme in schemes or (other == "socks_proxy" and scheme in _OTHERS)):
            return f"{scheme} is for {other}"
    return f"must start with {' or '.join(f'{one}://' for one in _SCHEMES[key])}"


def _of_rest(key: WayOut, found: SplitResult) -> str | None:
    if found.path not in ("", "/") or found.query or found.fragment:
        return f"has something after the port; {_QUOTE}"
    if key == "socks_proxy" and found.username is not None and not (found.username and found.password):
        return "has a user without a password, or the reverse, and it would not sign on at all"
    return None
