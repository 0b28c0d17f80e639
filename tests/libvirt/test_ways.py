"""What is told of a domain that somebody looks at, on libvirt's test driver; and where its console is."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtui.backends.base import Located
from kvtui.console.sight import Stage, explain_cut
from kvtui.errors import BackendError, ReadOnlyError, UnconnectedError
from kvtui.fleet import Fleet
from kvtui.model import Feed, FeedState, Ref
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.store import Delta, Put, Store
from kvtui.ui.consoles.domains import explain_log, find_running, is_domain_paused, lines_of, look_at_domain
from kvtui.ui.pictures.shots import explain_absence
from tests.libvirt.conftest import host_file, live, make_backend, until

UUID = "00000000-0000-4000-8000-000000000001"


# On the test driver


async def test_a_screen_is_shown_also_while_nobody_keeps_the_host_live(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1")
    assert (await backend.take_screenshot(Ref("kvm1", Domain.KIND, "", "web"))).startswith(b"\x89PNG")
    await backend.close()


async def test_a_screen_is_shown_to_who_may_only_look(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1", read_only=True)
    assert (await backend.take_screenshot(Ref("kvm1", Domain.KIND, "", "web", UUID))).startswith(b"\x89PNG")
    with pytest.raises(ReadOnlyError, match="read-only"):
        await backend.open_line(Ref("kvm1", Domain.KIND, "", "web"))
    await backend.close()


async def test_a_domain_is_found_by_its_name_or_uuid(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web", "db"), tmp_path, name="kvm1")
    found = Located(Ref("kvm1", Domain.KIND, "", "web", UUID))
    assert [await backend.locate(name) for name in ("web", UUID, "nothing")] == [found, found, None]
    await backend.close()


async def test_what_the_driver_cannot_is_a_sentence(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1")
    ref = Ref("kvm1", Domain.KIND, "", "web")
    with pytest.raises(BackendError, match="asks no agents"):
        await backend.ask_agent(ref)
    with pytest.raises(BackendError, match="has no consoles"):
        await backend.open_line(ref)
    await backend.close()


async def test_the_xml_of_all_that_a_host_has_is_shown(tmp_path: Path) -> None:
    backend = make_backend("test:///default", tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        for kind, name, words in (
            ("Domain", "test", "<domain"),
            ("Host", "kvm1", "<capabilities>"),
            ("StoragePool", "default-pool", "<pool"),
            ("VirtualNetwork", "default", "<network"),
        ):
            (document,) = await backend.fetch_documents(Ref("kvm1", kind, "", name))
            assert document.text.startswith(words)
        with pytest.raises(BackendError, match="libvirt has no XML"):
            await backend.fetch_documents(Ref("kvm1", "DomainJob", "", "test"))


async def test_what_happens_to_a_domain_is_remembered(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1")
    async with live(backend) as fleet:
        await until(fleet, lambda: fleet.view.count(Domain) == 1)
        await backend.call(lambda connection: connection.lookupByName("web").suspend() and None, "pause")
        ref = Ref("kvm1", Domain.KIND, "", "web", UUID)
        await until(fleet, lambda: _state(fleet) is DomainState.PAUSED)
        assert [(one.what, one.detail) for one in backend.tell_happenings(ref)] == [("paused", "user")]
        assert [one.what for one in backend.tell_happenings(Ref("kvm1", Host.KIND, "", "kvm1"))] == ["connected"]


async def test_a_host_is_one_row_before_and_after_it_is_known(tmp_path: Path) -> None:
    backend = make_backend(host_file(tmp_path, "web"), tmp_path, name="kvm1")
    rows: set[Ref] = set()

    def follow(delta: Delta) -> None:
        for change in delta.changes:
            if change.ref.kind == Host.KIND:
                (rows.discard if change.new is None else rows.add)(change.ref)

    async with live(backend) as fleet:
        fleet.listen(follow)
        await until(fleet, lambda: any(host.connected for _, host in fleet.view.items(Host)))
        old = Ref("kvm1", Host.KIND, "", "kvm1", backend.place.uri)
        assert fleet.view.find(Host, old) is None
        assert len(rows) == 1


def _state(fleet: Fleet) -> DomainState | None:
    domain = fleet.view.get(Domain, "kvm1", "", "web")
    return domain.state if domain is not None else None


# Where a console is


class Field:
    """Hosts a and b, both live, and domains on them."""

    def __init__(self) -> None:
        self.store = Store()
        for backend in "ab":
            self.feed(backend, FeedState.LIVE)

    def feed(self, backend: str, state: FeedState) -> None:
        self.store.post(Feed(backend, Domain.KIND, state, 0.0))
        self.store.drain()

    def put(
        self, backend: str, state: DomainState, reason: str = "", *, number: int | None = 1, **more: object
    ) -> None:
        record = Domain(metadata=Meta(name="web", uid=UUID), state=state, reason=reason, id=number, **more)  # type: ignore[arg-type]
        self.store.post(Put(backend, record))
        self.store.drain()


REF = Ref("a", Domain.KIND, "", "web", UUID)


@pytest.mark.parametrize(
    ("state", "reason", "number", "stage", "words"),
    [
        (DomainState.RUNNING, "booted", 1, Stage.RUNNING, "Running"),
        (DomainState.PAUSED, "user", 1, Stage.RUNNING, "Paused (user)"),
        (DomainState.PAUSED, "starting up", 1, Stage.PLACED, "Paused (starting up)"),
        (DomainState.SHUTDOWN, "user", 1, Stage.GOING, "Stopping (user)"),
        (DomainState.SHUTOFF, "shutdown", None, Stage.OFF, "Stopped (shutdown)"),
        (DomainState.SHUTOFF, "crashed", None, Stage.OFF, "Crashed"),
        (DomainState.CRASHED, "panicked", 1, Stage.ENDED, "Crashed (panicked)"),
    ],
)
def test_each_state_says_whether_a_console_is_to_be_had(
    state: DomainState, reason: str, number: int | None, stage: Stage, words: str
) -> None:
    field = Field()
    field.put("a", state, reason, number=number)
    sight = look_at_domain(field.store, REF)
    assert (sight.stage, sight.words) == (stage, words)


def test_a_domain_that_left_is_looked_at_where_it_is() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING, number=3)
    before = look_at_domain(field.store, REF).place
    field.put("b", DomainState.PAUSED, "migrating", number=7)
    assert find_running(field.store, REF).backend == "a"
    field.put("a", DomainState.SHUTOFF, "migrated", number=None)
    assert look_at_domain(field.store, REF).stage is Stage.OFF
    field.put("b", DomainState.RUNNING, "migrated", number=7)
    assert explain_cut(before, look_at_domain(field.store, REF)) == "the VM moved to b"
    assert find_running(field.store, REF).backend == "b"


def test_a_domain_that_was_started_anew_is_another_boot() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING, number=3)
    before = look_at_domain(field.store, REF).place
    field.put("a", DomainState.RUNNING, number=4)
    assert explain_cut(before, look_at_domain(field.store, REF)) == "the VM was restarted"


def test_a_domain_that_crashed_is_told_so() -> None:
    field = Field()
    field.put("a", DomainState.SHUTOFF, "crashed", number=None)
    assert explain_cut(None, look_at_domain(field.store, REF)) == "the VM failed"


def test_a_host_that_is_lost_hides_its_domains_unless_another_has_them() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING)
    field.feed("a", FeedState.STALE)
    assert look_at_domain(field.store, REF).stage is Stage.UNREACHABLE
    field.put("b", DomainState.RUNNING)
    assert look_at_domain(field.store, REF).place == (UUID, "b", 1)


def test_a_domain_under_migration_is_about_to_go() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING)
    job = DomainJob(metadata=Meta(name="web"), domain="web", domain_uid=UUID, operation="outgoing migration")
    field.store.post(Put("a", job))
    field.store.drain()
    assert look_at_domain(field.store, REF).stage is Stage.GOING


def test_serial_lines_are_known_while_it_runs() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING, serials=("serial0", "serial1"))
    assert lines_of(field.store, REF) == ("serial0", "serial1")
    field.put("a", DomainState.SHUTOFF, number=None, serials=("", ""))
    assert lines_of(field.store, REF) == ()


async def test_a_console_of_a_host_that_cannot_be_reached_names_the_host_and_the_way_out(tmp_path: Path) -> None:
    backend = make_backend("qemu+unix:///system?socket=/nowhere/sock", tmp_path, name="kvm1")
    with pytest.raises(UnconnectedError) as caught:
        await backend.open_line(Ref("kvm1", Domain.KIND, "", "web"))
    assert caught.value.title == "kvm1 cannot be reached"
    assert "/nowhere/sock" in caught.value.detail
    assert caught.value.hint == "does the daemon run there?"
    await backend.close()


def test_a_boot_log_is_where_libvirt_cannot_give_it() -> None:
    field = Field()
    field.put("a", DomainState.RUNNING, serial_log="/var/log/web.log")
    assert "/var/log/web.log on a" in explain_log(field.store, REF)
    field.put("a", DomainState.RUNNING)
    assert "no <log>" in explain_log(field.store, REF)


def test_why_there_is_no_screen_is_known_without_asking() -> None:
    field = Field()
    field.put("a", DomainState.SHUTOFF, number=None)
    assert "does not run" in explain_absence(field.store, REF)
    field.put("a", DomainState.RUNNING)
    assert "no video card" in explain_absence(field.store, REF)
    field.put("a", DomainState.RUNNING, screen=True, hung=True)
    assert "does not answer" in explain_absence(field.store, REF)
    field.put("a", DomainState.PAUSED, "user", screen=True)
    assert explain_absence(field.store, REF) == ""
    assert is_domain_paused(field.store, REF)
