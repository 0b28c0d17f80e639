"""Hops as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.hops import Hop, parse_route, write_route

NAMES = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}", fullmatch=True)
ADDRESSES = st.ip_addresses().map(str)
HOPS = st.builds(Hop, NAMES | ADDRESSES, st.just("") | NAMES, st.just(0) | st.integers(1, 65_535))


@given(st.lists(HOPS.filter(lambda hop: hop.host.lower() != "none"), min_size=1, max_size=5).map(tuple))
def test_a_route_that_is_written_is_read_again(route: tuple[Hop, ...]) -> None:
    assert parse_route(write_route(route)) == route


@given(st.text())
def test_any_text_is_a_route_or_a_sentence(text: str) -> None:
    try:
        route = parse_route(text)
    except ValueError:
        return
    assert all(hop.host and hop.host.isprintable() and not hop.host.startswith("-") for hop in route)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("bastion", (Hop("bastion"),)),
        ("ops@bastion", (Hop("bastion", "ops"),)),
        ("ops@bastion:2222,root@10.0.0.7", (Hop("bastion", "ops", 2222), Hop("10.0.0.7", "root"))),
        ("ops@[fd00::1]:2222", (Hop("fd00::1", "ops", 2222),)),
        ("[fe80::1%eth0]", (Hop("fe80::1%eth0"),)),
        ("ssh://ops@bastion:22", (Hop("bastion", "ops", 22),)),
        ("ops@example.com@bastion", (Hop("bastion", "ops@example.com"),)),
        (" a , b ", (Hop("a"), Hop("b"))),
        ("none", ()),
    ],
)
def test_what_is_meant(text: str, route: tuple[Hop, ...]) -> None:
    assert parse_route(text) == route


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the jump host has no name; none means that there is none"),
        ("a,,b", "a jump host between the commas has no name"),
        ("@bastion", "'@bastion' has no user before the @ that one could log in as"),
        ("fd00::1", "'fd00::1' is no jump host: write an IPv6 address in brackets, as in [fd00::1]:22"),
        ("[bastion]:22", "'[bastion]:22' is no jump host: in brackets stands an IPv6 address, as in [fd00::1]:22"),
        ("bastion:", "'bastion:' has no port from 1 to 65535 behind the colon"),
        ("bastion:65536", "'bastion:65536' has no port from 1 to 65535 behind the colon"),
        ("-oProxyCommand=x", "'-oProxyCommand=x' is no jump host: write USER@HOST or USER@HOST:PORT"),
        ("two words", "'two words' is no jump host: write USER@HOST or USER@HOST:PORT"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"jump host|user|port") as failure:
        parse_route(text)
    assert str(failure.value) == words
