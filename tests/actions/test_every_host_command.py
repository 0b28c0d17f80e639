"""Every action that has a verb, from the command line on libvirt's test driver: done, refused where kvtui may only
read, and told where there is no such thing.

The driver forgets between two commands what was done, so each begins with the same host. An action that is new needs a
`Case` here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import pytest

from kvtui.actions.commands import Deed, find_verbs, kind_of
from kvtui.audit import Act, AuditLog
from kvtui.backends.libvirt.client import LibvirtBackend
from kvtui.backends.libvirt.link import Lane
from kvtui.cli import codes
from kvtui.errors import UnreachableError
from kvtui.model import Platform
from kvtui.resources import resources_for
from tests.actions.conftest import call_main

pytest.importorskip("libvirt")

HOSTS: Final = [deed for verb in find_verbs(resources_for({Platform.LIBVIRT})).values() for deed in verb.deeds]
ROOT: Final = "/var/lib/libvirt/images"
SNAPSHOT: Final = """<test:domainsnapshot><name>before</name><creationTime>1700000000</creationTime>
<state>running</state><domain type='test'><name>mail-1</name><uuid>{uuid}</uuid><memory>1048576</memory>
<os><type arch='x86_64'>hvm</type></os></domain><active>1</active></test:domainsnapshot>"""
DRIVE: Final = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"


@dataclass(frozen=True)
class Case:
    """To what an action can be done on the driver, and how."""

    name: str
    fields: Sequence[str] = ()
    refusal: str = ""
    """What is told where the driver, or what stands on its host, does not let it be done."""
    already: bool = False
    """Whether that is because it is so already."""


UNSUPPORTED: Final = "this function is not supported by the connection driver: "
NO_JOB: Final = "no job named build-1 in kvm-1"
NO_MOVE: Final = "no migration named build-1 in kvm-1"

CASES: Final[dict[str, Case]] = {
    "vm.attach_disk": Case("build-1", ("--from", "file", "--path", f"{ROOT}/spare.qcow2"), UNSUPPORTED),
    "vm.attach_nic": Case("build-1", ("--kind", "network", "--network", "default"), UNSUPPORTED),
    "vm.autostart": Case("build-1", ("--autostart",)),
    "pool.autostart": Case("images", ("--no-autostart",)),
    "network.autostart": Case("default", ("--no-autostart",)),
    "migration.bandwidth": Case("build-1", ("--bandwidth", "10"), NO_MOVE),
    "migration.cancel": Case("build-1", refusal=NO_MOVE),
    "migration.post_copy": Case("build-1", refusal=NO_MOVE),
    "job.cancel": Case("build-1", refusal=NO_JOB),
    "vm.cancel_migration": Case("build-1", refusal="nothing is under way", already=True),
    "vm.medium": Case("git-1", ("--medium", "file", "--path", f"{ROOT}/setup.iso"), UNSUPPORTED),
    "vm.clone": Case("old-erp-1"),
    "snapshot.delete": Case("mail-1/before"),
    "vm.delete_snapshot": Case("mail-1", ("--snapshot", "before")),
    "vm.detach_disk": Case("build-1", ("--target", "vda"), UNSUPPORTED),
    "vm.detach_nic": Case("build-1", ("--mac", "52:54:00:0a:0b:05"), UNSUPPORTED),
    "vm.drop_save": Case("template-debian-1"),
    "vm.kill": Case("build-1"),
    "vm.migrate": Case("build-1", refusal="there is no other host to move to"),
    "vm.pause": Case("build-1"),
    "pool.refresh": Case("images"),
    "vm.reset": Case("build-1"),
    "vm.restart": Case("build-1"),
    "vm.revert": Case("mail-1", ("--snapshot", "before")),
    "snapshot.revert": Case("mail-1/before"),
    "vm.save": Case("build-1"),
    "vm.nmi": Case("build-1"),
    "vm.cpus": Case("build-1", ("--cpus", "2")),
    "vm.memory": Case("build-1", ("--memory", "1Gi")),
    "vm.snapshot": Case("build-1"),
    "vm.start": Case("old-erp-1"),
    "pool.start": Case("images", refusal="it is running"),
    "network.start": Case("default", refusal="it is active"),
    "vm.start_afresh": Case("template-debian-1"),
    "vm.stop": Case("build-1"),
    "vm.undefine": Case("old-erp-1", ("--volume-vda",)),
    "volume.delete": Case("images/old-erp-1.qcow2", refusal="old-erp-1 needs it"),
    "vm.unpause": Case("backup-1"),
}

VERBLESS: Final = {
    "vm.edit": "in an editor: tests/ui/test_editing.py, tests/libvirt/test_definitions.py",
    "pool.upload": "kvtui upload: tests/resources/test_pool_upload.py, tests/real/test_uploads.py",
}
"""Actions that are no verbs of the command line, and where they are tried."""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    from kvtui.demo.pool import host_xml

    xml = host_xml("kvm-1", 0)
    for name, part in (
        ("mail-1", SNAPSHOT.format(uuid=uuid5(NAMESPACE_URL, "kvm-1/mail"))),
        ("template-debian-1", "<test:hasmanagedsave>1</test:hasmanagedsave>"),
    ):
        at = xml.index("<test:runstate>", xml.index(f"<name>{name}</name>"))
        xml = xml[:at] + part + xml[at:]
    at = xml.index("<interface", xml.index("<name>git-1</name>"))
    path = tmp_path / "kvm-1.xml"
    path.write_text(xml[:at] + DRIVE + xml[at:], encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = call_main(["--host", f"test://{path}", *words])
        return code, *capfd.readouterr()

    return call


def words_of(deed: Deed, name: str, *fields: str) -> list[str]:
    return [deed.action.command, kind_of(deed), name, *fields]


def log(tmp_path: Path) -> str:
    path = tmp_path / "state/kvtui/audit.jsonl"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_every_action_with_a_verb_has_a_case() -> None:
    missing = {deed.action.id for deed in HOSTS} - CASES.keys()
    assert not missing, f"{sorted(missing)} are not tried from the command line"


def test_what_has_no_verb_is_named() -> None:
    all_ids = {action.id for resource in resources_for({Platform.LIBVIRT}) for action in resource.verbs}
    assert all_ids - {deed.action.id for deed in HOSTS} == VERBLESS.keys()


@pytest.mark.parametrize("deed", HOSTS, ids=lambda deed: deed.action.id)
def test_it_is_done_and_seen_or_its_refusal_is_told(run: Run, tmp_path: Path, deed: Deed) -> None:
    case = CASES[deed.action.id]
    words = words_of(deed, case.name, *case.fields)
    code, out, err = run(*words, "--yes", "--wait", "--timeout", "10", "-o", "json")
    if case.refusal:
        assert code == (codes.OK if case.already else codes.FAILED)
        assert case.refusal in out + err
        assert '"accepted"' not in log(tmp_path)
        return
    assert code == codes.OK, (out, err)
    told = json.loads(out)
    assert (told["action"], [item["state"] for item in told["items"]]) == (deed.action.id, ["done"])
    assert '"result":"accepted"' in log(tmp_path)


@pytest.mark.parametrize("deed", HOSTS, ids=lambda deed: deed.action.id)
def test_where_kvtui_may_only_read_nothing_is_sent(run: Run, tmp_path: Path, deed: Deed) -> None:
    case = CASES[deed.action.id]
    code, out, err = run(*words_of(deed, case.name, *case.fields), "--yes", "--read-only")
    assert (code, out) == (codes.FAILED, "")
    assert "is read-only" in err or case.refusal in (NO_JOB, NO_MOVE)
    assert not log(tmp_path)


@pytest.mark.parametrize("deed", HOSTS, ids=lambda deed: deed.action.id)
def test_what_is_not_there_is_told(run: Run, tmp_path: Path, deed: Deed) -> None:
    code, out, err = run(*words_of(deed, "nobody"), "--yes")
    assert (code, out) == (codes.FAILED, "")
    assert f"no {kind_of(deed)} named nobody in kvm-1" in err
    assert not log(tmp_path)


def test_a_snapshot_is_named_with_its_vm_or_alone(run: Run) -> None:
    for words in (
        ("delete", "snapshot", "before"),
        ("delete", "snapshot", "mail-1/before"),
        ("revert", "mail-1/before"),
    ):
        code, out, err = run(*words, "--yes")
        assert code == codes.OK, err
        assert all(line.startswith("! ") for line in err.splitlines()), "nothing but warnings"
        assert "mail-1/before: " in out


@pytest.mark.parametrize("deed", [deed for deed in HOSTS if not CASES[deed.action.id].refusal],
                         ids=lambda deed: deed.action.id)  # fmt: skip
def test_of_a_host_that_is_lost_in_the_middle_nobody_knows_whether_it_was_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: Deed
) -> None:
    call, write, lost = LibvirtBackend.call, AuditLog.write, False

    def note(log: AuditLog, act: Act, result: str, words: str = "") -> None:
        nonlocal lost
        write(log, act, result, words)
        lost = lost or result == "asked"

    async def lose(backend: LibvirtBackend, ask: Any, title: str, lane: Lane = Lane.CALLS) -> Any:
        if lost:
            raise UnreachableError(title, "the server closed the connection")
        return await call(backend, ask, title, lane)

    monkeypatch.setattr(AuditLog, "write", note)
    monkeypatch.setattr(LibvirtBackend, "call", lose)
    case = CASES[deed.action.id]
    code, out, err = run(*words_of(deed, case.name, *case.fields), "--yes")
    assert code == codes.PARTIAL
    assert "nobody knows whether" in out
    assert "the server closed the connection" in out
    assert "is back" in out, err
    assert [json.loads(line)["result"] for line in log(tmp_path).splitlines()] == ["asked", "unknown"]
