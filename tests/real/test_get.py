"""``kvtui get`` on real hosts: one call shows what the screen shows, and waits for nothing that hangs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kvtui.cli import lists, main
from tests.real.conftest import import_libvirt
from tests.real.domains import Guest, network_xml, running_guest
from tests.real.hosts import Host, wait_until
from tests.real.image import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

import_libvirt()

Get = Callable[..., tuple[int, list[dict[str, Any]], str]]
Run = Callable[..., tuple[int, str, str]]
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def kvtui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> Run:
    """Runs a command: its exit code, and what it printed on both streams."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", os.devnull)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def get(kvtui: Run) -> Get:
    """Runs the command: its exit code, the rows, and what it complains of."""

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        code, out, err = kvtui("get", *arguments, "-o", "json")
        return code, json.loads(out), err

    return run


@pytest.fixture(scope="module")
def other(host: Host, image: Image) -> Iterator[Guest]:
    """A second machine on `host`."""
    with running_guest(host, "other", image) as guest:
        yield guest


def test_figures_of_running_guests_and_of_their_host_are_shown_at_once(get: Get, host: Host, guest: Guest) -> None:
    code, rows, complaint = get("vms", guest.name, "--host", host.uri)
    assert (code, complaint) == (0, "")
    columns = rows[0]["columns"]
    assert columns["cpu_use"].endswith("%")
    assert columns["disk"].endswith("/s")
    assert columns["net"].endswith("/s")
    code, rows, complaint = get("nodes", "--host", host.uri)
    assert (code, complaint) == (0, "")
    assert rows[0]["columns"]["cpu"].endswith("%")
    assert rows[0]["columns"]["memory"].endswith("%")


def test_a_qemu_that_hangs_is_told_with_the_figures_of_the_others(
    get: Get, host: Host, guest: Guest, other: Guest
) -> None:
    host.freeze_guest(guest.name)
    try:
        code, rows, complaint = get("vms", guest.name, other.name, "--host", host.uri)
    finally:
        host.thaw_guest(guest.name)
    assert (code, complaint) == (0, "")
    told = {row["name"]: row for row in rows}
    assert told[guest.name]["health"]["word"] == "Running,hung"
    assert told[other.name]["health"]["word"] == "Running"
    assert told[other.name]["columns"]["cpu_use"].endswith("%")


def test_figures_that_do_not_come_cost_the_bound_and_are_told(
    get: Get, host: Host, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_FIGURES_WAIT", 1.0)
    host.freeze_guest(guest.name)
    try:
        code, rows, complaint = get("vms", guest.name, "--host", host.uri)
    finally:
        host.thaw_guest(guest.name)
    assert code == 0
    assert rows[0]["columns"]["cpu_use"] == "-"
    assert complaint == f"kvtui: {rows[0]['backend']}: figures of 1 VM not answered in time\n"


def test_a_host_that_hangs_costs_the_time_limit_and_is_told(
    get: Get, make_host: Callable[..., Host], host: Host, guest: Guest
) -> None:
    hanging = make_host("kvm-c")
    hanging.freeze()
    begun = time.monotonic()
    try:
        code, rows, complaint = get("vms", "--host", hanging.uri, "--host", host.uri, "--timeout", "4")
    finally:
        hanging.thaw()
    assert time.monotonic() - begun < 4 + lists._FIGURES_WAIT
    assert code == 3
    assert guest.name in [row["name"] for row in rows]
    assert rows[0]["columns"]["cpu_use"].endswith("%")
    assert complaint.endswith(": domains, hosts, jobs not answered in time\n")
    assert not complaint.startswith(f"kvtui: {rows[0]['backend']}:")


def test_a_qemu_that_hangs_is_a_problem(kvtui: Run, host: Host, guest: Guest) -> None:
    host.freeze_guest(guest.name)
    try:
        code, out, err = kvtui("problems", "--host", host.uri, "--fail-on", "warn")
        reasons = kvtui("why", guest.name, "--host", host.uri)
    finally:
        host.thaw_guest(guest.name)
    assert (code, err) == (1, "")
    assert f"!   vm   {guest.name}   hangs   " in out
    assert reasons[0] == 0
    assert reasons[1].startswith(f"vm {guest.name} hangs\n  its QEMU does not answer: ")


def test_a_host_that_hangs_is_a_problem(kvtui: Run, make_host: Callable[..., Host], host: Host, guest: Guest) -> None:
    hanging = make_host("kvm-e")
    hanging.freeze()
    both = ("--host", hanging.uri, "--host", host.uri, "--timeout", "4")
    try:
        code, out, err = kvtui("problems", *both, "--fail-on", "bad", "-o", "json")
        reasons = kvtui("why", guest.name, *both)
    finally:
        hanging.thaw()
    assert code == 1
    (problem,) = json.loads(out)
    assert (problem["label"], problem["trouble"], problem["severity"]) == ("host", "does not answer", "bad")
    assert "not answered in time" in err
    assert reasons[0] == 3
    assert "nothing is known to be wrong" in reasons[1]
    assert "not answered in time" in reasons[2]


def test_addresses_are_shown_at_once(get: Get, make_host: Callable[..., Host], image: Image) -> None:
    host = make_host("kvm-d", network=True)
    connection = host.open()
    connection.networkCreateXML(network_xml("lan"))
    with running_guest(host, "leased", image, network="lan"), running_guest(host, "bare", image):
        wait_until(lambda: connection.networkLookupByName("lan").DHCPLeases(), "a lease")
        code, rows, complaint = get("vms", "--host", host.uri)
        assert (code, complaint) == (0, "")
        shown = {row["name"]: row["columns"]["ip"] for row in rows}
        assert shown["leased"].startswith("192.0.2.")
        assert shown["bare"] in ("", "-")
