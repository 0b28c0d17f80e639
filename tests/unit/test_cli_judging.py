"""``kvtui problems``, ``why`` and ``stack`` where a backend, or the figures of a VM, do not come in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest

from kvtui.backends.base import Inbox, Permission, Source, Verdict
from kvtui.cli import main
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Feed, FeedState, Platform
from kvtui.records.base import Meta
from kvtui.records.kubernetes import Namespace
from kvtui.records.libvirt import Domain, DomainState, Host
from kvtui.store import Put

Run = Callable[..., tuple[int, str, str]]


class Place:
    """A host or cluster that says what it is told to say, of all kinds that it is asked for; some of it later."""

    def __init__(
        self, name: str, platform: Platform, state: FeedState, *puts: Put, later: Sequence[Put] = (), detail: str = ""
    ) -> None:
        self.name = name
        self.info = BackendInfo(name, platform=platform)
        self._state = state
        self._puts = puts
        self._later = later
        self._detail = detail

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        for message in self._puts:
            inbox(message)
        for source in sources:
            inbox(Feed(self.name, source.kind, self._state, 0.0, self._detail))
        await asyncio.sleep(0.3)
        for message in self._later:
            inbox(message)
        await asyncio.Event().wait()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        return Verdict(allowed=True)

    async def close(self) -> None:
        pass


def host(name: str, link: str = "connected") -> Put:
    return Put(name, Host(metadata=Meta(name=name), uri=f"qemu+ssh://{name}/system", link=link, measured=True))


def domain(backend: str, name: str, *, measured: bool = True, hung: bool = False) -> Put:
    meta = Meta(name=name, uid=f"uid-{name}")
    return Put(backend, Domain(metadata=meta, id=1, state=DomainState.RUNNING, measured=measured, hung=hung))


WELL = Place("kvm-a", Platform.LIBVIRT, FeedState.LIVE, host("kvm-a"), domain("kvm-a", "web"))
FROZEN = Place("kvm-b", Platform.LIBVIRT, FeedState.LOADING, host("kvm-b", "connecting"))
UNMEASURED = domain("kvm-c", "db", measured=False)
AWAITED = Place("kvm-c", Platform.LIBVIRT, FeedState.LIVE, host("kvm-c"), domain("kvm-c", "web"), UNMEASURED)
HUNG = Place(
    "kvm-c", Platform.LIBVIRT, FeedState.LIVE, host("kvm-c"), UNMEASURED, later=[domain("kvm-c", "db", hung=True)]
)
CLUSTER = Place("demo", Platform.KUBERNETES, FeedState.LOADING)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on some places: its exit code, and what it printed on both streams."""

    def call(places: Sequence[Place], *words: str) -> tuple[int, str, str]:
        for module in ("problems", "why", "stack"):
            monkeypatch.setattr(f"kvtui.cli.{module}.make_fleet", lambda *_: Fleet(places))
            monkeypatch.setattr(f"kvtui.cli.{module}.read_settings", lambda *_: None)
        code = main([*words, "--timeout", "1"])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_qemu_that_is_known_to_hang_only_after_a_while_is_waited_for(run: Run) -> None:
    code, out, err = run([HUNG], "problems")
    assert (code, err) == (0, "")
    assert out.startswith("!   vm   db   hangs   ")
    code, out, err = run([HUNG], "why", "db")
    assert (code, err) == (0, "")
    assert out.startswith("vm db hangs\n  its QEMU does not answer: ")
    code, out, err = run([HUNG], "stack", "db")
    assert (code, err) == (0, "")
    assert "hangs" in out


def test_figures_that_do_not_come_leave_open_whether_something_is_wrong(run: Run) -> None:
    complaint = "kvtui: kvm-c: figures of 1 VM not answered in time\n"
    assert run([AWAITED], "problems") == (3, "", f"{complaint}no problems found in what could be looked at\n")
    code, out, err = run([AWAITED], "why", "db")
    assert (code, err) == (3, complaint)
    assert out == (
        "vm db is Running: whether something is wrong with it is not known, for its figures did not come in time\n"
    )
    code, out, err = run([AWAITED], "why", "web")
    assert (code, err) == (3, complaint)
    assert out == "vm web is Running: nothing is known to be wrong with it; looked at: Domain, Host\n"
    assert json.loads(run([AWAITED], "why", "db", "-o", "json")[1])["not_checked"] == [
        "kvm-c: figures of 1 VM not answered in time"
    ]


def test_a_host_that_does_not_answer_is_a_problem(run: Run) -> None:
    code, out, err = run([WELL, FROZEN], "problems")
    assert code == 3
    assert out == "x   host   kvm-b   kvm-b   does not answer   -   nothing was answered within 1 s\n"
    assert err.startswith("kvtui: kvm-b: ")
    assert "not answered in time" in err
    assert "no problems" not in err
    code, out, _ = run([WELL, FROZEN], "problems", "-o", "json", "--fail-on", "bad")
    assert code == 1
    (problem,) = json.loads(out)
    assert (problem["subject"]["kind"], problem["subject"]["name"]) == ("Host", "kvm-b")
    assert run([WELL, FROZEN], "why", "nodes/kvm-b")[1].startswith("host kvm-b does not answer\n")


def test_of_a_cluster_that_does_not_answer_no_kinds_are_counted(run: Run) -> None:
    assert run([CLUSTER], "problems")[2] == "kvtui: demo: all kinds not answered in time\n"
    code, _, err = run([CLUSTER], "why", "shop/db-1")
    assert (code, err) == (3, "kvtui: no object named shop/db-1 is known: demo: all kinds not answered in time\n")


def test_a_cluster_that_does_not_answer_is_a_problem(run: Run) -> None:
    code, out, _ = run([CLUSTER], "problems", "--fail-on", "bad")
    assert code == 1
    assert out == "x   cluster   demo   does not answer   -   nothing was answered within 1 s\n"


def test_a_cluster_or_host_that_does_not_answer_is_a_problem_of_every_namespace(run: Run) -> None:
    code, out, _ = run([CLUSTER], "problems", "-n", "shop", "--fail-on", "bad")
    assert code == 1
    assert out == "x   cluster   demo   does not answer   -   nothing was answered within 1 s\n"
    assert run([WELL, FROZEN], "problems", "-n", "shop")[1].startswith("x   host   kvm-b   kvm-b   does not answer")


@pytest.mark.parametrize("words", [("problems",), ("why", "db-1"), ("stack", "db-1")])
def test_a_namespace_that_is_not_there_is_told_with_the_one_that_is_meant(run: Run, words: tuple[str, ...]) -> None:
    cluster = Place("demo", Platform.KUBERNETES, FeedState.LIVE, Put("demo", Namespace(metadata=Meta(name="shop"))))
    code, out, err = run([cluster], *words, "-n", "shp")
    assert (code, out, err) == (1, "", "kvtui: there is no namespace shp in demo: there is shop\n")
    code, _, err = run([cluster], *words, "-n", "shop")
    assert "namespace" not in err


def test_where_namespaces_may_not_be_listed_none_is_said_to_be_missing(run: Run) -> None:
    code, _, err = run([Place("demo", Platform.KUBERNETES, FeedState.FORBIDDEN)], "problems", "-n", "shp")
    assert (code, "there is no namespace" in err) == (3, False)


def test_words_of_a_server_that_puts_us_off_are_its_cause(run: Run) -> None:
    busy = Place("demo", Platform.KUBERNETES, FeedState.LOADING, detail="too many requests")
    assert run([busy], "problems")[1].endswith("   does not answer   -   too many requests\n")


def test_why_of_a_vm_says_which_other_host_was_not_looked_at(run: Run) -> None:
    code, out, err = run([WELL, FROZEN], "why", "web")
    assert code == 3
    assert out == "vm web on kvm-a is Running: nothing is known to be wrong with it; looked at: Domain, Host\n"
    assert err.startswith("kvtui: kvm-b: ")


def test_a_note_of_its_host_is_no_trouble_of_a_vm_and_why_says_so_first(run: Run) -> None:
    web, db = domain("kvm1", "web"), domain("kvm1", "db")
    for put, starts in ((web, False), (db, True)):
        assert isinstance(put.record, Domain)
        put.record.autostart = starts
    code, out, _ = run([Place("kvm1", Platform.LIBVIRT, FeedState.LIVE, host("kvm1"), web, db)], "why", "web")
    lead, _, note = out.partition("\n\n")
    assert code == 0
    assert lead.startswith("vm web is Running: nothing is known to be wrong with it; looked at: ")
    assert lead.endswith("; worth knowing:")
    assert note.startswith("host kvm1 boots without some VMs")
