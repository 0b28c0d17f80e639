"""Domains of libvirt on the screen: in full, with their XML and what happened to them. The host is a record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from kvtui.backends.base import Document, Happening, Inbox, Permission, Source, Verdict
from kvtui.errors import BackendError, HeldError
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Feed, FeedState, Platform, Ref, Tone
from kvtui.records.base import Meta
from kvtui.records.libvirt import (
    Address,
    Disk,
    Domain,
    DomainJob,
    DomainState,
    Filesystem,
    Guest,
    Host,
    Nic,
)
from kvtui.store import Put
from kvtui.ui.consoles.channels import Channel
from tests.ui.backend import Clock, ConsoleLine
from tests.ui.conftest import Screen, Show

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
AGENT = Guest(
    os="Debian 12",
    hostname="db-1",
    clock=-90.0,
    users=("root",),
    filesystems=(Filesystem("/", "ext4", "vda1", 100, 97),),
)
XML = "<domain type='kvm'>\n  <!-- by hand -->\n  <name>db-1</name>\n</domain>"


class KnownHost:
    """A host on which nothing happens unless a test posts it."""

    def __init__(self, name: str = "kvm1") -> None:
        self.name = name
        self.info = BackendInfo(name, Platform.LIBVIRT, "qemu:///system")
        self.agent: Guest | BackendError = AGENT
        self.asked = 0
        self.held = False
        self.opened: list[tuple[str, bool]] = []
        """Lines, and whether they were to be taken."""
        self.line = ConsoleLine()
        self.happenings: list[Happening] = []

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        await asyncio.Event().wait()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        return Verdict(True)

    async def close(self) -> None:
        pass

    async def ask_agent(self, ref: Ref) -> Guest:
        self.asked += 1
        if isinstance(self.agent, BackendError):
            raise self.agent
        return self.agent

    async def fetch_documents(self, ref: Ref) -> Sequence[Document]:
        return [Document("as it runs", XML), Document("as it is stored", "<domain/>")]

    def tell_happenings(self, ref: Ref) -> Sequence[Happening]:
        return self.happenings

    async def open_line(self, ref: Ref, *, line: str = "", take: bool = False) -> ConsoleLine:
        self.opened.append((line, take))
        if self.held and not take:
            raise HeldError("the console of db-1", "Active console session exists for this domain")
        return self.line


class Place:
    """The fleet of that host, and of others besides."""

    def __init__(self, *others: str) -> None:
        self.backend = KnownHost()
        self.others = [KnownHost(name) for name in others]
        self.clock = Clock("2026-11-21T02:14:07Z")
        self.fleet = Fleet([self.backend, *self.others], clock=self.clock)
        for name in ("kvm1", *others):
            for kind in (Host.KIND, Domain.KIND, DomainJob.KIND):
                self.fleet.store.post(Feed(name, kind, FeedState.LIVE, self.clock.now))
        self.put(Host(metadata=Meta("kvm1", uid="h"), uri="qemu:///system", link="connected", driver="QEMU",
                      libvirt_version="9.0.0", hypervisor_version="7.2.22", hostname="kvm1"))  # fmt: skip
        self.domain = Domain(
            metadata=Meta(name="db-1", uid=UUID),
            state=DomainState.RUNNING,
            id=3,
            agent=True,
            driver="kvm",
            disks=(Disk("vda", source="/pool/db-1.qcow2", format="qcow2", capacity=10 << 30, allocation=2 << 30),),
            nics=(Nic("52:54:00:00:00:01", "network", "default", "virtio", "vnet3"),),
            addresses=(Address("52:54:00:00:00:01", "10.0.0.7", "lease"),),
            serials=("serial0", "serial1"),
            differs=("disk vdb",),
        )
        self.put(self.domain)

    def put(self, record: Host | Domain, host: str = "kvm1") -> None:
        self.fleet.store.post(Put(host, record))
        self.fleet.step()

    async def connect(self, _contexts: Sequence[str] = ()) -> Fleet:
        return self.fleet


@pytest.fixture
def place() -> Place:
    return Place()


async def until(screen: Screen, *words: str, patience: float = 5.0) -> None:
    """Wait until the screen shows them."""
    end = time.monotonic() + patience
    while any(word not in " ".join(screen.text.split()) for word in words):
        assert time.monotonic() < end, f"{words} did not come:\n{screen.text}"
        await screen.look_again()


async def test_a_domain_in_full_has_its_parts_and_what_its_agent_tells(place: Place, show: Show) -> None:
    async with show(place, (120, 50)) as screen:
        await screen.press("enter")
        await until(
            screen,
            "vda /pool/db-1.qcow2 qcow2 10Gi, 2Gi taken",
            "vnet3 52:54:00:00:00:01 network default virtio",
            "10.0.0.7 (lease)",
            "Different after the next start disk vdb",
            "clock 90s behind ours",
            "/ ext4 97 of 100, 97%",
            "users root",
        )
        assert "4 stack" in screen.text
        assert "5 log" not in screen.text
        assert place.backend.asked == 1
        place.put(place.domain)
        await screen.settle()
        assert place.backend.asked == 1, "the agent is asked once, not at each change"
        await screen.press("r")
        await until(screen, "users root")
        assert place.backend.asked == 2


async def test_an_agent_that_does_not_answer_is_a_sentence_in_its_place(place: Place, show: Show) -> None:
    place.backend.agent = BackendError("the guest agent", "no answer within 10 seconds")
    async with show(place, (120, 50)) as screen:
        await screen.press("enter")
        await until(screen, "the guest agent: no answer within 10 seconds", "vda /pool")


async def test_the_third_tab_is_xml_with_both_descriptions(place: Place, show: Show) -> None:
    async with show(place) as screen:
        await screen.press("y")
        await until(screen, "[XML]", "as it runs", "<name>db-1</name>", "as it is stored", "<!-- by hand -->")
        await screen.press("l")
        assert "libvirt keeps no logs" in " ".join(screen.text.split())
        assert "[XML]" in screen.text


async def test_what_happened_is_told_the_newest_first(place: Place, show: Show) -> None:
    now = place.clock.now
    async with show(place) as screen:
        await screen.press("E")
        await until(screen, "nothing happened since kvtui watches")
        place.backend.happenings = [
            Happening(now - 60, "started", "booted"),
            Happening(now - 5, "paused", "I/O error", Tone.BAD, count=2),
        ]
        await until(screen, "paused x2", "started")
        assert screen.text.index("paused x2") < screen.text.index("started")


async def test_a_console_that_somebody_has_is_taken_by_enter_alone(place: Place, show: Show) -> None:
    place.backend.held = True
    async with show(place) as screen:
        await screen.press("c")
        await until(screen, "Held by another client.", "enter takes it and ends their session")
        await screen.press("x", "space")
        assert place.backend.opened == [("", False)]
        end = time.monotonic() + 8
        while len(place.backend.opened) < 2:
            # A key that was pressed a moment ago may have been meant for the guest.
            assert time.monotonic() < end
            place.clock.now += 5
            await screen.press("enter")
        await until(screen, "Connected")
        assert place.backend.opened[1:] == [("", True)]


async def test_another_serial_line_is_chosen_in_the_menu_and_is_a_tab_of_its_own(place: Place, show: Show) -> None:
    async with show(place) as screen:
        await screen.press("c")
        await until(screen, "Connected")
        await screen.press("ctrl+right_square_bracket", "full_stop", "l")
        await until(screen, "serial0", "serial1")
        await screen.press("1")
        await until(screen, "db-1 serial1")
        assert place.backend.opened == [("", False), ("serial1", False)]


async def test_the_tab_of_a_console_names_the_host_that_its_vm_moved_to(show: Show) -> None:
    place = Place("kvm2")
    async with show(place) as screen:
        await screen.press("c")
        await until(screen, "Connected", "db-1 on kvm1")
        place.put(place.domain, "kvm2")
        place.put(replace(place.domain, id=None, state=DomainState.SHUTOFF))
        await until(screen, "db-1 on kvm2")
        assert "db-1 on kvm1" not in screen.text
        # From its row at the target, it is the same console.
        screen.main.consoles.open(Channel(Ref("kvm2", Domain.KIND, "", "db-1", UUID)))
        await screen.look_again()
        assert len(screen.main.consoles.channels) == 1


async def test_a_boot_log_of_a_domain_says_where_it_is(place: Place, show: Show) -> None:
    async with show(place) as screen:
        await screen.press("L")
        assert "libvirt keeps none of this VM" in " ".join(screen.text.split())
        assert not screen.main.consoles.display


async def test_a_host_in_full_tells_how_it_is_reached_and_what_it_is(place: Place, show: Show) -> None:
    async with show(place, (120, 50)) as screen:
        await screen.press("1", "enter")
        await until(screen, "Connection qemu:///system connected", "calls itself kvm1", "QEMU 7.2.22, libvirt 9.0.0")


async def test_the_stack_of_a_domain_is_its_host_disks_and_networks(place: Place, show: Show) -> None:
    async with show(place, (120, 50)) as screen:
        await screen.press("x")
        await until(screen, "[stack]", "> ", "domain", "kvm1/db-1", "host", "vda", "default")
        await screen.press("down", "enter")
        await until(screen, "host kvm1 Ready kvm1 [overview]")
        await screen.press("escape", "o")
        assert screen.app.screen is screen.main
        assert screen.main.current.resource.name == "nodes"
