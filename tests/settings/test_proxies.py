"""An address of a proxy is refused where what sends through it would not take it as it reads."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from python_socks import ProxyType, parse_proxy_url
from yarl import URL

from hedged.errors import SettingsError
from hedged.settings.load import load_venue
from hedged.settings.proxies import WayOut, check_proxy

HOSTS = st.sampled_from(["proxy.example", "127.0.0.1", "[::1]", "my_proxy-1", "localhost"])
PORTS = st.integers(1, 65535)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("key", "address", "said"),
    [
        (
            "socks_proxy",
            "socks5h://me:canary@h:1",
            "socks5h is written socks5 here: the proxy resolves",
        ),
        ("socks_proxy", "socks4://h:1", "socks4 resolves names on this machine"),
        ("socks_proxy", "socks4a://h:1", "use socks5"),
        ("socks_proxy", "http://me:canary@h:1", "http is for https_proxy"),
        ("socks_proxy", "canary://h:1", "must start with socks5://"),
        ("socks_proxy", "socks5://me:canary@h", "needs a port"),
        ("socks_proxy", "socks5://canary@h:1", "a user without a password"),
        ("socks_proxy", "socks5://:canary@h:1", "a user without a password"),
        ("https_proxy", "socks5://me:canary@h:1", "socks5 is for socks_proxy"),
        ("https_proxy", "socks5h://me:canary@h:1", "socks5h is for socks_proxy"),
        ("https_proxy", "me:canary@h:1", "must start with http:// or https://"),
        ("https_proxy", "http:me:canary@h:1", "must start with http:// or https://"),
        ("https_proxy", "canary", "must start with http:// or https://"),
        ("https_proxy", "http://h", "needs a port"),
        ("https_proxy", "http://h:0", "needs a port"),
        ("https_proxy", "http://h:canary", "host or port can't be read"),
        ("https_proxy", "http://h:65536", "host or port can't be read"),
        ("https_proxy", "http://[canary:1", "host or port can't be read"),
        ("https_proxy", "http://:1", "names no host"),
        ("https_proxy", "http://me:canary@:1", "names no host"),
        ("https_proxy", "http://ho$t:1", "names no host"),
        ("https_proxy", "http://me:ca/nary@h:1", "quoted, as %40"),
        ("https_proxy", "http://me:1/canary@h:1", "something after the port"),
        ("https_proxy", "http://h:1?canary", "something after the port"),
        ("https_proxy", "http://me:can ary@h:1", "a space or a control character"),
        ("https_proxy", "", "is empty"),
        ("socks_proxy", "", "is empty"),
    ],
)
def test_what_would_not_work_is_told_with_an_example_and_without_the_password(
    key: WayOut, address: str, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_venue([], {f"HEDGED__VENUE__{key.upper()}": address})
    told = str(caught.value)

    assert told.startswith(f"environment: venue.{key}: ")
    assert said in told
    assert re.search(r"Write such as '(http|socks5)://proxy\.example:\d+'", told)
    assert "canary" not in told
    assert "nary@" not in told


@given(host=HOSTS, port=PORTS, user=WORDS, password=WORDS)
def test_what_is_taken_the_libraries_read_alike(host: str, port: int, user: str, password: str) -> None:
    signed = f"{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}"
    check_proxy("socks_proxy", f"socks5://{signed}")
    check_proxy("https_proxy", f"http://{signed}")
    sent = URL(f"http://{signed}")
    bare = host.strip("[]")

    assert parse_proxy_url(f"socks5://{signed}") == (ProxyType.SOCKS5, bare, port, user, password)
    assert (sent.host, sent.port, sent.user, sent.password) == (bare, port, user, password)


@pytest.mark.parametrize(("key", "scheme"), [("socks_proxy", "socks5"), ("https_proxy", "http")])
@given(text=st.text(st.sampled_from("socks5htp:/@[]?#%.1a "), max_size=24), bare=st.booleans())
def test_whatever_passes_is_taken_by_the_libraries(
    key: WayOut, scheme: str, text: str, bare: bool
) -> None:
    address = text if bare else f"{scheme}://{text}"
    try:
        check_proxy(key, address)
    except ValueError as error:  # most are
        event(str(error).partition(";")[0])
        return

    assert URL(address).explicit_port
    if key == "socks_proxy":
        assert parse_proxy_url(address)[0] is ProxyType.SOCKS5


@pytest.mark.parametrize("address", ["http://h:1", "HTTP://h:1/", "https://h:1", "http://me@h:1"])
def test_a_usual_address_is_taken(address: str) -> None:
    venue = load_venue([], {"HEDGED__VENUE__HTTPS_PROXY": address})

    assert venue.way_out("https_proxy") == address
