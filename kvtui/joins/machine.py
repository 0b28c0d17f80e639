"""A machine: a VM joined with its instance, launcher pod, node, migration and disks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kvtui.model import Ref, Usage
from kvtui.records.base import Record, find_condition, is_true
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Node, Pod
from kvtui.records.kubevirt import (
    InstanceSpec,
    Migration,
    MigrationState,
    VirtualMachine,
    VirtualMachineInstance,
)
from kvtui.store import View
from kvtui.text import parse_time

_STARTING = frozenset({"Always", "RerunOnFailure", "Once"})
"""Run strategies that start a VM by themselves (kubevirt-api.md 2.1)."""
_INSTANCE_WORDS = {"": "Starting", "Pending": "Starting", "Scheduling": "Starting", "Scheduled": "Starting"}


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM, its instance while it has one, and what both stand on. At least one of `vm` and `vmi` is there."""

    backend: str
    vm: VirtualMachine | None
    vmi: VirtualMachineInstance | None
    launcher: Pod | None = None
    node: Node | None = None
    migration: Migration | None = None
    """The migration that has not ended yet."""
    moved: Migration | None = None
    """The latest migration that has ended."""
    volumes: tuple[DataVolume, ...] = ()
    """The DataVolumes of its disks."""
    claims: tuple[Claim, ...] = ()
    usage: Usage | None = None
    """Of the launcher pod."""
    ahead: float = 0.0
    """By how many seconds its cluster's clock is ahead of ours."""

    @property
    def record(self) -> VirtualMachine | VirtualMachineInstance:
        """The VM, or the instance of one that has no VM."""
        record = self.vm or self.vmi
        assert record is not None
        return record

    @property
    def ref(self) -> Ref:
        """Identity of the row."""
        return self.record.ref(self.backend)

    @property
    def live(self) -> VirtualMachineInstance | None:
        """The instance, unless it has ended."""
        return self.vmi if self.vmi is not None and not self.vmi.is_final else None

    @property
    def ending(self) -> float | None:
        """Since when its instance is to end, by our clock; None while nobody asked for that."""
        asked = self.live.deleted if self.live is not None else None
        return None if asked is None else asked - self.ahead

    @property
    def spec(self) -> InstanceSpec:
        """What runs, or would run."""
        if self.vmi is not None:
            return self.vmi.spec
        return self.vm.spec.template.spec if self.vm is not None else InstanceSpec()

    @property
    def running(self) -> bool:
        """Whether the guest runs or stands paused."""
        return self.vmi is not None and self.vmi.is_running

    @property
    def paused(self) -> bool:
        """Whether its vCPUs stand still."""
        return self.vmi is not None and self.running and is_true(self.vmi.status.conditions, "Paused")

    @property
    def moving(self) -> MigrationState | None:
        """The state of the migration under way; None while none has begun."""
        state = self.vmi.status.migration_state if self.vmi is not None else None
        return state if state is not None and state.in_progress else None

    @property
    def status(self) -> str:
        """The word for its state: that of the VM, or for an instance without VM what a VM would say of it."""
        vm, vmi = self.vm, self.vmi
        if vm is not None:
            return "Terminating" if vm.metadata.deletion_timestamp else vm.status.printable_status or "Unknown"
        assert vmi is not None
        if vmi.metadata.deletion_timestamp and not vmi.is_final:
            return "Stopping"
        if self.moving is not None:
            return "Migrating"
        if self.paused:
            return "Paused"
        return _INSTANCE_WORDS.get(vmi.status.phase, vmi.status.phase)

    @property
    def run_strategy(self) -> str:
        """The strategy in force; empty for an instance without VM."""
        return self.vm.run_strategy if self.vm is not None else ""

    @property
    def starts(self) -> bool:
        """Whether it starts as soon as nothing keeps it from that, or is on its way."""
        requests = self.vm.status.state_change_requests if self.vm is not None else ()
        asked = any(one.action == "Start" for one in requests)
        return self.live is not None or asked or self.run_strategy in _STARTING


def join_machine(view: View, ref: Ref) -> Machine | None:
    """The machine that `ref` means: a VM, or an instance without VM. None where there is no such row."""
    known = view.memo.get(ref, _UNKNOWN)
    if known is None or isinstance(known, Machine):
        return known
    machine = view.memo[ref] = _join(view, ref)
    return machine


_UNKNOWN = object()


def _join(view: View, ref: Ref) -> Machine | None:
    backend, _, namespace, name, _ = ref
    vm = view.get(VirtualMachine, backend, namespace, name)
    if ref.kind == VirtualMachine.KIND:
        if vm is None or (ref.uid and vm.metadata.uid != ref.uid):
            return None
        vmi = view.get(VirtualMachineInstance, backend, namespace, name)
    else:
        vmi = view.find(VirtualMachineInstance, ref) if vm is None else None
        if vmi is None:
            return None
    volumes, claims = _disks(view, backend, vm, vmi)
    if vmi is None:
        return Machine(backend, vm, None, volumes=volumes, claims=claims)
    launcher = current_launcher(view, backend, vmi)
    return Machine(
        backend,
        vm,
        vmi,
        launcher,
        view.get(Node, backend, "", vmi.status.node_name) if vmi.status.node_name else None,
        *newest_migrations(view, backend, namespace, name),
        volumes,
        claims,
        view.usage(backend, Pod.KIND, namespace, launcher.metadata.name)
        if launcher is not None and vmi.is_running
        else None,
        view.ahead(backend),
    )


def _disks(
    view: View, backend: str, vm: VirtualMachine | None, vmi: VirtualMachineInstance | None
) -> tuple[tuple[DataVolume, ...], tuple[Claim, ...]]:
    """The DataVolumes and claims behind the disks; the claim of a DataVolume bears its name (kubevirt-api.md 2.10)."""
    record = vmi or vm
    if record is None:
        return (), ()
    spec = vmi.spec if vmi is not None else vm.spec.template.spec if vm is not None else InstanceSpec()
    namespace = record.metadata.namespace
    volumes: list[DataVolume] = []
    claims: list[Claim] = []
    for volume in spec.volumes:
        name = volume.claim
        if not name:
            continue
        data_volume = view.get(DataVolume, backend, namespace, name)
        if data_volume is not None:
            volumes.append(data_volume)
        claim = view.get(Claim, backend, namespace, name)
        if claim is not None:
            claims.append(claim)
    return tuple(volumes), tuple(claims)


def current_launcher(view: View, backend: str, vmi: VirtualMachineInstance) -> Pod | None:
    """The pod in which the instance runs: on its node when it has one, the newest wins (kubevirt-api.md 2.10)."""
    node = vmi.status.node_name
    found: Pod | None = None
    for _, pod in view.linked(Pod, backend, "vmi", vmi.metadata.uid):
        if (node and pod.spec.node_name != node) or pod.metadata.annotations.provisioning:
            continue
        if found is None or (pod.metadata.creation_timestamp or "") > (found.metadata.creation_timestamp or ""):
            found = pod
    return found


def newest_migrations(
    view: View, backend: str, namespace: str, vmi_name: str
) -> tuple[Migration | None, Migration | None]:
    """The newest migration of an instance that has not ended, and the newest that has."""
    newest: dict[bool, Migration] = {}
    for _, migration in view.linked(Migration, backend, "vmi", f"{namespace}/{vmi_name}"):
        other = newest.get(migration.is_final)
        if other is None or _age_order(migration) > _age_order(other):
            newest[migration.is_final] = migration
    return newest.get(False), newest.get(True)


def _age_order(migration: Migration) -> tuple[str, str]:
    """Second by second; names tell migrations of the same second apart."""
    return migration.metadata.creation_timestamp or "", migration.metadata.name


def all_machines(view: View) -> Iterator[Ref]:
    """Every VM, and every instance without VM."""
    for ref, _ in view.items(VirtualMachine):
        yield ref
    for ref, _ in view.items(VirtualMachineInstance):
        if view.get(VirtualMachine, ref.backend, ref.namespace, ref.name) is None:
            yield ref


def has_row(view: View, ref: Ref) -> bool:
    """Whether an object is a row of its own, as all are but the instances of VMs."""
    return (
        ref.kind != VirtualMachineInstance.KIND
        or view.ref_of(VirtualMachine, ref.backend, ref.namespace, ref.name) is None
    )


def machines_named(view: View, backend: str, namespace: str, name: str) -> tuple[Ref, ...]:
    """The VM of that name, or the instance that has none."""
    found = view.ref_of(VirtualMachine, backend, namespace, name) or view.ref_of(
        VirtualMachineInstance, backend, namespace, name
    )
    return () if found is None else (found,)


def machines_of_vm(view: View, ref: Ref, _record: Record) -> tuple[Ref, ...]:
    """For `related`: the VM, and the instance that has or loses its own row because of it."""
    instance = view.ref_of(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
    return (ref,) if instance is None else (ref, instance)


def machines_of_instance(view: View, ref: Ref, _record: Record) -> tuple[Ref]:
    """For `related`: its VM, or the instance that has none."""
    return (view.ref_of(VirtualMachine, ref.backend, ref.namespace, ref.name) or ref,)


def machines_of_pod(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
    """For `related`: the machine that a launcher carries."""
    owner = pod.controller
    if owner is None or owner.kind != VirtualMachineInstance.KIND:
        return ()
    return machines_named(view, ref.backend, ref.namespace, owner.name)


def machines_of_migration(view: View, ref: Ref, migration: Migration) -> Iterable[Ref]:
    """For `related`: the machine that a migration moves."""
    return machines_named(view, ref.backend, ref.namespace, migration.spec.vmi_name)


def machines_of_node(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    """For `related`: the machines on a node."""
    for instance, vmi in view.linked(VirtualMachineInstance, ref.backend, "node", ref.name):
        yield from machines_of_instance(view, instance, vmi)


def machines_of_volume(view: View, ref: Ref, _record: Record) -> list[Ref]:
    """For `related`: the machines that use a DataVolume or the claim of that name."""
    path = ref.path
    vms = [machine for machine, _ in view.linked(VirtualMachine, ref.backend, "disk", path)]
    instances = view.linked(VirtualMachineInstance, ref.backend, "disk", path)
    return vms + [machine for instance, vmi in instances for machine in machines_of_instance(view, instance, vmi)]


def phase_since(vmi: VirtualMachineInstance) -> float | None:
    """When the present phase of an instance began, in seconds since the epoch."""
    steps = vmi.status.phase_transition_timestamps
    return next((parse_time(one.phase_transition_timestamp) for one in steps if one.phase == vmi.status.phase), None)


def running_since(vmi: VirtualMachineInstance | None) -> float | None:
    """When the guest began to run, in seconds since the epoch; None for one that does not run."""
    if vmi is None or not vmi.is_running:
        return None
    steps = vmi.status.phase_transition_timestamps
    began = next((step.phase_transition_timestamp for step in steps if step.phase == "Running"), None)
    return parse_time(began) if began is not None else vmi.created


def migratable(machine: Machine) -> tuple[bool | None, str]:
    """Whether a running machine can be moved, and why not; None while nobody has said."""
    vmi = machine.vmi
    condition = find_condition(vmi.status.conditions, "LiveMigratable") if vmi is not None else None
    if condition is None or condition.status not in {"True", "False"}:
        return None, ""
    if condition.status == "True":
        return True, ""
    return False, f"{condition.reason}: {condition.message}" if condition.message else condition.reason
