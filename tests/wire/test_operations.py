"""What is done to VMs and nodes, on a cluster that does it: each action as the registry declares it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kvtui.backends.base import Permission, Verdict
from kvtui.demo import kinds
from kvtui.errors import AbsentError, BackendError, ChangedError, ConflictError
from kvtui.fleet import Fleet
from kvtui.joins.machine import Machine
from kvtui.joins.node import NodeRow
from kvtui.model import Ref
from kvtui.resources import node, vm
from kvtui.resources.base import AnyAction
from kvtui.resources.form import Draft
from kvtui.resources.manifest import read_manifest, write_manifest
from tests.actions.preparing import KEY
from tests.cluster import RunningCluster, running_cluster
from tests.wire.support import eventually, kept

VMS = {action.id.removeprefix("vm."): action for action in vm.RESOURCE.actions}
NODES = {action.id.removeprefix("node."): action for action in node.RESOURCE.actions}
KINDS = {kind.kind: kind for kind in kinds.KINDS}
SOURCES = tuple({source.kind: source for source in (*vm.RESOURCE.sources, *node.RESOURCE.sources)}.values())


@dataclass
class Site:
    """A cluster, and what a backend has learnt of it."""

    cluster: RunningCluster
    fleet: Fleet
    name: str

    def machines(self) -> list[Machine]:
        self.fleet.step()
        rows = (vm.RESOURCE.row(self.fleet.view, ref) for ref in vm.RESOURCE.refs(self.fleet.view))
        return [row for row in rows if row is not None]

    def running(self) -> Machine | None:
        """A VM whose guest runs, that could migrate, and has a disk of its own."""
        fitting = (row for row in self.machines() if not VMS["migrate"].when(row) and row.volumes and row.launcher)
        return next(fitting, None)

    def again(self, row: Machine) -> Machine | None:
        self.fleet.step()
        return vm.RESOURCE.row(self.fleet.view, row.ref)

    def object(self, kind: str, row: Machine, name: str = "") -> dict[str, Any] | None:
        """What the cluster has."""
        return self.cluster.world.storage.find(KINDS[kind], row.ref.namespace, name or row.ref.name)

    async def do(self, action: AnyAction, row: Any, **typed: str | bool) -> None:
        """Fill in the form, if there is one, and run."""
        backend = self.fleet.backends[self.name]
        assert action.when(row) == ""
        if action.form is None:
            await action.run(backend, row)
            return
        known = [await action.prepare(self.fleet.backends, self.fleet.view, [row])] if action.prepare else []
        draft = Draft(action.form(self.fleet.view, [row], *known))
        for field, value in typed.items():
            draft.put(field, value)
        assert draft.refusal == ""
        await action.run(backend, row, draft.answers)


@asynccontextmanager
async def site(speed: float = 100.0) -> AsyncIterator[Site]:
    async with running_cluster(speed=speed) as cluster, kept(cluster.kubeconfig, *SOURCES) as state:
        fleet = Fleet([state.backend])
        fleet.store = state.store
        yield Site(cluster, fleet, state.backend.name)


async def some_running(there: Site) -> Machine:
    await eventually(lambda: there.running() is not None)
    row = there.running()
    assert row is not None
    return row


def template(vm_object: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = vm_object["spec"]["template"]["spec"]
    return found


def cpus(found: dict[str, Any]) -> int:
    cpu = template(found)["domain"]["cpu"]
    return int(cpu["sockets"] * cpu.get("cores", 1) * cpu.get("threads", 1))


@pytest.mark.parametrize(
    ("name", "typed", "shows"),
    [
        ("cpus", {"cpus": "32"}, lambda found: cpus(found) == 32),
        ("cpus", {"cpus": "7"}, lambda found: cpus(found) == 7),
        ("memory", {"memory": "3Gi"}, lambda found: template(found)["domain"]["memory"]["guest"] == "3072Mi"),
        ("run_strategy", {"strategy": "Once"}, lambda found: found["spec"]["runStrategy"] == "Once"),
        ("labels", {"labels": "tier=db, team=a"}, lambda found: found["metadata"]["labels"]["tier"] == "db"),
        (
            "attach_nic",
            {"network": "lab/vlan7", "name": "net7"},
            lambda found: (
                {"name": "net7", "bridge": {}} in template(found)["domain"]["devices"]["interfaces"]
                and {"name": "net7", "multus": {"networkName": "lab/vlan7"}} in template(found)["networks"]
            ),
        ),
    ],
)
async def test_a_change_is_in_the_spec_and_seen_on_the_row(
    name: str, typed: dict[str, str | bool], shows: Callable[[dict[str, Any]], bool]
) -> None:
    async with site() as there:
        row = await some_running(there)
        await there.do(VMS[name], row, **typed)
        found = there.object("VirtualMachine", row)
        assert found is not None
        assert shows(found)
        await eventually(lambda: (now := there.again(row)) is not None and VMS[name].settled(row, now))


async def test_a_vm_goes_to_the_node_that_was_chosen() -> None:
    async with site() as there:
        row = await some_running(there)
        action = VMS["migrate"]
        assert action.prepare is not None
        assert action.form is not None
        wants = await action.prepare(there.fleet.backends, there.fleet.view, [row])
        (choice,) = action.form(there.fleet.view, [row], wants).fields
        options = {option.value: option.reason for option in choice.options}  # type: ignore[union-attr]
        assert row.vmi is not None
        assert row.vmi.status.node_name not in options
        assert options["cp-1"] == "no VMs are scheduled there (kubevirt.io/schedulable)"
        wanted = [value for value, reason in options.items() if value and not reason][-1]
        await there.do(action, row, node=wanted)
        await eventually(lambda: (now := there.again(row)) is not None and node_of(now) == wanted)


def node_of(row: Machine) -> str:
    return row.vmi.status.node_name if row.vmi is not None else ""


async def test_a_start_that_is_paused_a_thaw_and_a_forced_restart() -> None:
    async with site() as there:
        row = await some_running(there)
        await there.do(VMS["stop"], row)
        await eventually(lambda: (now := there.again(row)) is not None and now.live is None and now.status == "Stopped")
        off = there.again(row)
        assert off is not None
        await there.do(VMS["start_paused"], off)
        await eventually(lambda: (now := there.again(row)) is not None and now.paused)
        paused = there.again(row)
        assert paused is not None
        assert VMS["start_paused"].settled(off, paused)
        await there.do(VMS["unpause"], paused)
        await eventually(lambda: (now := there.again(row)) is not None and now.running and not now.paused)


async def test_a_guest_is_frozen_rebooted_and_reset() -> None:
    async with site() as there:
        await eventually(lambda: any(not VMS["freeze"].when(row) for row in there.machines()))
        row = next(row for row in there.machines() if not VMS["freeze"].when(row))
        await there.do(VMS["freeze"], row, seconds="60")
        await eventually(lambda: (now := there.again(row)) is not None and VMS["freeze"].settled(row, now))
        frozen = there.again(row)
        assert frozen is not None
        assert VMS["freeze"].when(frozen) == "its file systems are frozen already"
        await there.do(VMS["thaw"], frozen)
        await eventually(lambda: (now := there.again(row)) is not None and VMS["thaw"].settled(row, now))
        for name in ("soft_reboot", "reset"):
            await there.do(VMS[name], row)


async def test_an_interface_is_taken_off_but_not_the_pods_own() -> None:
    async with site() as there:
        row = await some_running(there)
        await there.do(VMS["attach_nic"], row, network="lab/vlan7", name="net7")
        action = VMS["detach_nic"]
        assert "the pod's own network" in action.when(row)
        await eventually(lambda: action.when(there.again(row) or row) == "")
        row = there.again(row) or row
        assert action.prepare is not None
        assert action.form is not None
        whole = await action.prepare(there.fleet.backends, there.fleet.view, [row])
        (choice,) = action.form(there.fleet.view, [row], whole).fields
        reasons = {option.value: option.reason for option in choice.options}  # type: ignore[union-attr]
        assert reasons["net7"] == ""
        assert "the pod's own network stays" in reasons.values()
        await there.do(action, row, name="net7")
        found = there.object("VirtualMachine", row)
        assert found is not None
        assert {"name": "net7", "bridge": {}, "state": "absent"} in template(found)["domain"]["devices"]["interfaces"]


async def test_a_service_leads_to_the_vm_alone() -> None:
    async with site() as there:
        row = await some_running(there)
        await there.do(VMS["expose"], row, port="80", target_port="8080", name="shop-front")
        service = there.object("Service", row, "shop-front")
        assert service is not None
        assert service["spec"]["selector"] == {"vm.kubevirt.io/name": row.ref.name}
        assert service["spec"]["ports"][0] | {"targetPort": 8080, "port": 80} == service["spec"]["ports"][0]


async def name_secret(there: Site, row: Machine, credential: str, name: str) -> Ref:
    """Have the VM name a Secret, which is not made."""
    means = {credential: {"source": {"secret": {"secretName": name}}, "propagationMethod": {"qemuGuestAgent": {}}}}
    backend: Any = there.fleet.backends[there.name]
    await backend.patch(row.ref, {"spec": {"template": {"spec": {"accessCredentials": [means]}}}}, verb="edit")
    return Ref(there.name, "Secret", row.ref.namespace, name)


async def with_credentials(there: Site, row: Machine) -> Machine:
    """The VM once it is seen to have credentials."""

    def seen() -> Machine | None:
        again = there.again(row)
        vm = again.vm if again is not None else None
        return again if vm is not None and vm.spec.template.spec.access_credentials else None

    await eventually(lambda: seen() is not None)
    found = seen()
    assert found is not None
    return found


async def prepare(there: Site, action: AnyAction, row: Machine) -> Draft:
    """The form of an action, as it comes."""
    assert action.prepare is not None
    assert action.form is not None
    known = await action.prepare(there.fleet.backends, there.fleet.view, [row])
    return Draft(action.form(there.fleet.view, [row], known))


async def test_a_password_goes_into_the_secret_that_the_vm_names() -> None:
    async with site() as there:
        row = await some_running(there)
        backend: Any = there.fleet.backends[there.name]
        with pytest.raises(ConflictError, match="no access credentials"):
            await prepare(there, VMS["set_password"], row)
        secret = await name_secret(there, row, "userPassword", "passwords")
        await backend.create(secret, {"data": {}})
        await there.do(VMS["set_password"], await with_credentials(there, row), user="ada", password="s3cret")
        found = there.object("Secret", row, "passwords")
        assert found is not None
        assert base64.b64decode(found["data"]["ada"]) == b"s3cret"


async def test_a_secret_that_does_not_exist_is_told_of_and_made_only_if_that_is_wanted() -> None:
    async with site() as there:
        row = await some_running(there)
        secret = await name_secret(there, row, "sshPublicKey", "cat-keys")
        draft = await prepare(there, VMS["add_key"], row)
        draft.put("key", KEY)
        command = f"kubectl create secret generic cat-keys -n {secret.namespace}"
        assert draft.refusal == f"make the Secret: cat-keys does not exist: say yes, or {command}"
        await there.do(VMS["add_key"], await with_credentials(there, row), make=True, key=KEY)
        made = there.object("Secret", row, "cat-keys")
        assert made is not None
        assert [base64.b64decode(value).decode() for value in made["data"].values()] == [KEY]
        again = await prepare(there, VMS["add_key"], row)
        assert [field.name for field in again.asked] == ["secret", "key"]


async def test_who_may_not_make_a_secret_that_does_not_exist_is_told_who_has_to() -> None:
    async with site() as there:
        row = await some_running(there)
        secret = await name_secret(there, row, "sshPublicKey", "cat-keys")
        backend: Any = there.fleet.backends[there.name]

        async def may(_permission: Permission, _namespace: str) -> Verdict:
            return Verdict(False)

        backend.may = may
        draft = await prepare(there, VMS["add_key"], row)
        draft.put("key", KEY)
        assert draft.refusal == (
            "credential: it does not exist, and needs create on secrets: "
            f"kubectl create secret generic cat-keys -n {secret.namespace}"
        )


async def test_a_secret_that_goes_meanwhile_is_named_and_not_taken_for_the_vm() -> None:
    async with site() as there:
        row = await some_running(there)
        backend: Any = there.fleet.backends[there.name]
        secret = await name_secret(there, row, "sshPublicKey", "cat-keys")
        await backend.create(secret, {"data": {}})
        draft = await prepare(there, VMS["add_key"], row)
        draft.put("key", KEY)
        await backend.delete(secret)
        with pytest.raises(AbsentError) as caught:
            await VMS["add_key"].run(backend, row, draft.answers)
        assert str(caught.value) == (
            f"the Secret {secret.path} does not exist (kubectl create secret generic cat-keys -n {secret.namespace})"
        )


async def test_a_private_key_is_called_so() -> None:
    async with site() as there:
        row = await some_running(there)
        backend: Any = there.fleet.backends[there.name]
        await backend.create(await name_secret(there, row, "sshPublicKey", "cat-keys"), {"data": {}})
        draft = await prepare(there, VMS["add_key"], row)
        draft.put("key", "-----BEGIN OPENSSH PRIVATE KEY-----")
        told = "that is a private key; the public one is in the file that ends in .pub"
        assert draft.troubles == {"key": told}


# Deleting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticked", [False, True])
async def test_a_deleted_vm_takes_only_the_disks_that_were_ticked(ticked: bool) -> None:
    async with site() as there:
        row = await some_running(there)
        disk = row.volumes[0].metadata.name
        await there.do(VMS["delete"], row, **({f"disk_{disk}": True} if ticked else {}))
        await eventually(lambda: there.again(row) is None)
        await eventually(lambda: there.object("VirtualMachineInstance", row) is None)
        if ticked:
            await eventually(lambda: there.object("DataVolume", row, disk) is None)
            await eventually(lambda: there.object("PersistentVolumeClaim", row, disk) is None)
        else:
            there.cluster.advance(600)
            assert there.object("DataVolume", row, disk) is not None
            assert there.object("PersistentVolumeClaim", row, disk) is not None


async def test_nothing_is_ticked_to_begin_with() -> None:
    async with site() as there:
        row = await some_running(there)
        form = VMS["delete"].form
        assert form is not None
        draft = Draft(form(there.fleet.view, [row]))
        shown = [field.name for field in draft.asked if field.shown]
        assert shown == [f"disk_{volume.metadata.name}" for volume in row.volumes]
        assert not any(draft.answers.flag(field.name) for field in draft.asked)
        assert any("stay" in words for words in draft.warnings)


# Editing -------------------------------------------------------------------------------------------------------------


async def test_an_edited_definition_is_stored_and_its_secrets_are_as_they_were() -> None:
    async with site() as there:
        row = await some_running(there)
        backend = there.fleet.backends[there.name]
        text = await read_manifest(backend, row.ref)
        assert "managedFields" not in text
        assert "\nstatus:" not in text
        before = there.object("VirtualMachine", row)
        edited = text.replace("\n  labels:\n", "\n  labels:\n    note: x\n", 1)
        await write_manifest(backend, row.ref, edited, text)
        after = there.object("VirtualMachine", row)
        assert before is not None
        assert after is not None
        assert after["metadata"]["labels"] == {**before["metadata"]["labels"], "note": "x"}
        assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
        assert after["spec"] == before["spec"]


async def test_what_somebody_else_changed_meanwhile_comes_back_to_be_looked_at() -> None:
    async with site() as there:
        row = await some_running(there)
        backend = there.fleet.backends[there.name]
        text = await read_manifest(backend, row.ref)
        await there.do(VMS["labels"], row, labels="seen=yes")
        with pytest.raises(ChangedError) as caught:
            await write_manifest(backend, row.ref, text.replace("runStrategy: Always", "runStrategy: Manual"), text)
        assert "seen: 'yes'" in caught.value.found
        await write_manifest(backend, row.ref, caught.value.found, caught.value.found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("kind: VirtualMachine", "kind: Pod"), "kind cannot be changed"),
        (lambda text: text + "  bad: [\n", "no YAML"),
        (lambda _text: "just words", "no object"),
        (lambda text: text.replace("runStrategy: ", "runStrategy: X"), "Invalid RunStrategy"),
        (
            lambda text: text.replace(" domain:\n", " domain:\n        memori: 4Gi\n"),
            'strict decoding error: unknown field "spec.template.spec.domain.memori"',
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_stored(change: Callable[[str], str], words: str) -> None:
    async with site() as there:
        row = await some_running(there)
        backend = there.fleet.backends[there.name]
        text = await read_manifest(backend, row.ref)
        before = there.object("VirtualMachine", row)
        with pytest.raises(BackendError, match=words):
            await write_manifest(backend, row.ref, change(text), text)
        after = there.object("VirtualMachine", row)
        assert before is not None
        assert after is not None
        assert after["spec"] == before["spec"]


# Nodes ---------------------------------------------------------------------------------------------------------------


async def test_a_node_is_cordoned_labelled_and_freed_again() -> None:
    async with site() as there:

        def worker() -> NodeRow | None:
            there.fleet.step()
            rows = (node.RESOURCE.row(there.fleet.view, ref) for ref in node.RESOURCE.refs(there.fleet.view))
            return next((row for row in rows if row is not None and row.node.metadata.name == "worker-01"), None)

        await eventually(lambda: worker() is not None)
        for name, typed in (("cordon", {}), ("uncordon", {}), ("labels", {"labels": "rack=7"})):
            before = worker()
            assert before is not None
            await there.do(NODES[name], before, **typed)
            action = NODES[name]
            await eventually(lambda: (now := worker()) is not None and action.settled(before, now))  # noqa: B023
