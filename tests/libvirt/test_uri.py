"""URIs of libvirt: how hosts are called by them, and what is said of those that would be misread."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.libvirt.uri import check_uri, is_uri, name_hosts
from kvtui.errors import ConfigError

HERE = socket.gethostname().partition(".")[0]
_URIS = st.builds(
    "{}{}://{}{}{}".format,
    st.sampled_from(["qemu", "test", "lxc"]),
    st.sampled_from(["", "+ssh", "+tls", "+unix"]),
    st.sampled_from(["", "kvm1", "root@kvm1.fra", "kvm1.ber", "[fd00::1]", "["]),
    st.sampled_from(["", "/", "/system", "/session", "/run/kvm1.xml"]),
    st.sampled_from(["", "?socket=/run/a", "?socket=/run/b"]),
)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+ssh://root@kvm1.example.com/system", "kvm1"),
        ("qemu+ssh://root@10.0.0.7:2222/system", "10.0.0.7"),
        ("qemu+tls://[fd00::7]/system", "fd00::7"),
        ("qemu:///system", HERE),
        ("test:///default", "test"),
        ("test:///tmp/demo/kvm-3.xml", "kvm-3"),
    ],
)
def test_a_host_is_called_as_its_machine(uri: str, name: str) -> None:
    assert name_hosts([uri]) == {uri: name}


def test_hosts_that_would_have_one_name_have_longer_ones() -> None:
    there = ["qemu+ssh://kvm1.fra/system", "qemu+ssh://kvm1.ber/system", "qemu+ssh://kvm2.ber/system"]
    assert list(name_hosts(there).values()) == ["kvm1.fra", "kvm1.ber", "kvm2"]
    assert list(name_hosts(["qemu://kvm1/system", "lxc://kvm1/"], ["kvm2"]).values()) == ["kvm1-1", "kvm1-system"][::-1]
    assert list(name_hosts(["qemu+ssh://kvm1.fra/system"], ["kvm1"]).values()) == ["kvm1.fra"]
    sockets = [f"qemu+unix://kvm1/system?socket=/run/{name}" for name in "ab"]
    assert list(name_hosts(sockets).values()) == ["kvm1-1", "kvm1-2"]


@given(st.lists(_URIS), st.sets(st.sampled_from(["kvm1", "kvm1-1", "test", HERE])))
def test_no_two_hosts_have_one_name(uris: list[str], taken: set[str]) -> None:
    names = name_hosts(uris, taken)
    assert names.keys() == set(uris)
    assert len(set(names.values())) == len(names)
    assert taken.isdisjoint(names.values())
    assert all(name.isprintable() and name for name in names.values())


@pytest.mark.parametrize("text", ["kvm9", "root@kvm9", "kvm9:22", "kvm9/system", "", "/system", "//kvm9"])
def test_a_name_is_no_uri(text: str) -> None:
    assert not is_uri(text)
    assert is_uri(f"qemu+ssh://{text}/system")


@pytest.mark.parametrize("option", ["keyfile=/home/me/key", "no_verify=1", "known_hosts=/dev/null", "command=/bin/nc"])
def test_what_is_meant_for_the_ssh_of_libvirt_is_refused_with_the_place_for_it(option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_uri(f"qemu+ssh://root@kvm1/system?{option}")
    assert option.partition("=")[0] in caught.value.title
    assert caught.value.hint
    check_uri(f"qemu+tls://kvm1/system?{option}")


@pytest.mark.parametrize("uri", ["qemu+ssh:///system", "qemu+ssh://root@kvm1:ssh/system", "qemu+ssh://[kvm1/system"])
def test_a_uri_that_leads_nowhere_is_refused_before_anybody_goes_there(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_uri(uri)
    assert uri in caught.value.title
    check_uri("qemu:///system")
