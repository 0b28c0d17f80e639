"""virt-handler: starts guests on their nodes and reports what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import system_of
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.events import HANDLER
from kvtui.demo.controllers.instance import absent_interfaces, enter_phase
from kvtui.demo.controllers.launcher import MACHINE_TYPE, claims_of
from kvtui.demo.controllers.printable import FINAL
from kvtui.demo.controllers.virtualmachineinstance import pod_interface
from kvtui.demo.managers import written_by
from kvtui.demo.objects import condition, deleting, has_condition, remove_condition, set_condition
from kvtui.demo.storage import Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_QEMU_ENDED = (
    "server error. command SyncVMI failed: \"LibvirtError(Code=1, Domain=10, Message='internal error: process exited "
    "while connecting to monitor: qemu-kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory')\""
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Handler(Controller):
    """virt-handler on all nodes together."""

    kinds = (kinds.VMI,)
    latency = 0.02

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._booted: dict[str, float] = {}

    def reconcile(self, namespace: str, name: str) -> None:
        """Start a guest that was handed over, and wait for its agent."""
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        if vmi is None or not self.world.nodes.is_handled(vmi["status"].get("nodeName", "")):
            return
        phase = vmi["status"].get("phase")
        if deleting(vmi):
            if phase == "Running":
                self._event(vmi, "ShuttingDown", "Signaled Graceful Shutdown")
        elif phase == "Scheduled":
            self._start(vmi)
        elif phase == "Running":
            self._await_agent(vmi)

    def _start(self, vmi: Object) -> None:
        meta = vmi["metadata"]
        key = (meta["namespace"], meta["name"])
        if not self.elapsed(key, meta["uid"], "start", self.random.uniform(1.5, 4.0)):
            return
        guest = self.world.guest(*key)
        if not guest.starts:
            self._event(vmi, "SyncFailed", _QEMU_ENDED, severity="Warning")
            self.end_guest(*key, crashed=True)
            return
        now = self.clock.stamp()
        pod = self._launcher(vmi)
        found_claims = {name: self.storage.find(kinds.PVC, key[0], name) for _, name in claims_of(vmi)}
        claims = {name: claim for name, claim in found_claims.items() if claim}
        self.storage.modify(kinds.VMI, *key, lambda found: run_guest(claims, found, pod, now, lease=guest.lease))
        self._event(vmi, "Created", "VirtualMachineInstance defined.")
        self._event(vmi, "Started", "VirtualMachineInstance started.")
        self._write_to_disks(*key)
        self._warn_of_drains(*key)
        if vmi["spec"].get("startStrategy") == "Paused":
            self.pause_guest(*key, "PausedByUser", "VMI was paused by user")

    def _warn_of_drains(self, namespace: str, name: str) -> None:
        """Tell of an instance that is to be moved and cannot be (virt-handler ``vm.go``)."""
        vmi = self.storage.get(kinds.VMI, namespace, name)
        obstacle = condition(vmi, "LiveMigratable")
        if vmi["spec"].get("evictionStrategy") == "LiveMigrate" and obstacle and obstacle["status"] == "False":
            told = f"EvictionStrategy is set but vmi is not migratable; {obstacle['message']}"
            self._event(vmi, "Migrated", told, severity="Warning")

    def _await_agent(self, vmi: Object) -> None:
        meta = vmi["metadata"]
        key = (meta["namespace"], meta["name"])
        if has_condition(vmi, "AgentConnected", "True") or has_condition(vmi, "Paused", "True"):
            return
        if not self.world.guest(*key).agent:
            return
        boot = f"agent {self._booted.get(meta['uid'], 0.0)}"
        if not self.elapsed(key, meta["uid"], boot, self.random.uniform(5.0, 14.0)):
            return
        now = self.clock.stamp()

        def connect(found: Object) -> None:
            set_condition(found, "AgentConnected", "True", now)
            report_agent(found)

        self.storage.modify(kinds.VMI, *key, connect)

    # What happens to guests

    def end_guest(self, namespace: str, name: str, *, crashed: bool) -> None:
        """The guest powers off by itself, or crashes; its pod ends too."""
        vmi = self.storage.find(kinds.VMI, namespace, name)
        if vmi is None or vmi["status"].get("phase") in FINAL:
            return
        now = self.clock.stamp()
        phase = "Failed" if crashed else "Succeeded"
        self.storage.modify(kinds.VMI, namespace, name, lambda found: enter_phase(found, phase, now))
        told = "The VirtualMachineInstance crashed." if crashed else "The VirtualMachineInstance was shut down."
        self._event(vmi, "Stopped", told, severity="Warning" if crashed else "Normal")
        pod = self._launcher(vmi)
        if pod:
            self.world.kubelet.complete(namespace, pod["metadata"]["name"], failed=crashed)

    def reboot_guest(self, namespace: str, name: str) -> None:
        """The guest boots anew in the same QEMU: its agent goes and comes back."""

        def disconnect(found: Object) -> None:
            remove_condition(found, "AgentConnected")
            for interface in found["status"].get("interfaces", ()):
                interface["infoSource"] = interface.get("infoSource", "domain").replace(", guest-agent", "")

        noted = written_by(kinds.VMI, "virt-handler", self.clock.stamp(), disconnect)
        vmi = self.storage.modify(kinds.VMI, namespace, name, noted)
        if vmi:
            self._booted[vmi["metadata"]["uid"]] = self.clock.elapsed
            self.enqueue((namespace, name))

    def pause_guest(self, namespace: str, name: str, reason: str, message: str) -> None:
        """The guest's CPUs stand still, for the reason of the condition Paused."""
        now = self.clock.stamp()
        self._edit(namespace, name, lambda found: set_condition(found, "Paused", "True", now, reason, message))

    def unpause_guest(self, namespace: str, name: str) -> None:
        """The guest runs again."""
        self._edit(namespace, name, lambda found: remove_condition(found, "Paused"))
        self._write_to_disks(namespace, name)

    def fail_disk(self, namespace: str, name: str, volume: str) -> None:
        """A write to a disk of the guest comes back with an error: QEMU pauses it."""
        vmi = self.storage.find(kinds.VMI, namespace, name)
        if vmi is None or deleting(vmi) or vmi["status"].get("phase") in FINAL or has_condition(vmi, "Paused", "True"):
            return
        self.pause_guest(namespace, name, "PausedIOError", "VMI was paused, low-level IO error detected")
        self._event(vmi, "IOerror", f"VM Paused due to IO error at the volume: {volume}", severity="Warning")

    def _write_to_disks(self, namespace: str, name: str) -> None:
        """A guest that begins to write finds out soon whether its Ceph takes that."""
        vmi = self.storage.find(kinds.VMI, namespace, name)
        if vmi is None or not self.world.ceph.is_full:
            return

        def write(volume: str) -> None:
            if self.world.ceph.is_full:
                self.fail_disk(namespace, name, volume)

        for volume, claim in claims_of(vmi):
            if self.world.ceph.serves(namespace, claim):
                self.clock.call_later(self.random.uniform(3.0, 12.0), partial(write, volume))

    def _edit(self, namespace: str, name: str, change: Callable[[Object], None]) -> None:
        self.storage.modify(kinds.VMI, namespace, name, change)

    def _launcher(self, vmi: Object) -> Object | None:
        node = vmi["status"].get("nodeName")
        for kind, namespace, name in self.storage.owned(vmi["metadata"]["uid"]):
            pod = self.storage.find(kind, namespace, name) if kind is kinds.POD else None
            if pod and pod["spec"].get("nodeName") == node and pod["status"]["phase"] == "Running":
                return pod
        return None

    def _event(self, vmi: Object, reason: str, message: str, severity: str = "Normal") -> None:
        host = vmi["status"].get("nodeName", "")
        self.world.events.record(kinds.VMI, vmi, severity, HANDLER, reason, message, host=host)


def run_guest(claims: Mapping[str, Object], vmi: Object, pod: Object | None, now: str, *, lease: bool = True) -> None:
    """Write into an instance what virt-handler reports once its guest runs; `claims` are those of its disks by name.

    Without a `lease` the guest has no address on networks beside the pod's.
    """
    status = vmi["status"]
    cpu = vmi["spec"]["domain"].get("cpu", {})
    status["currentCPUTopology"] = {key: cpu.get(key, 1) for key in ("cores", "sockets", "threads")}
    status["machine"] = {"type": MACHINE_TYPE}
    status["selinuxContext"] = "none"
    report_interfaces(vmi, pod, lease=lease)
    report_volumes(claims, vmi)
    judge_migratable(claims, vmi, now)
    enter_phase(vmi, "Running", now)


def report_interfaces(vmi: Object, pod: Object | None, *, lease: bool = True) -> None:
    """``status.interfaces``: the pod's address, and one of its own for each further network."""
    address = (pod or {}).get("status", {}).get("podIP", "")
    interfaces = []
    old = {item["name"]: item for item in vmi["status"].get("interfaces", ())}
    detached = absent_interfaces(vmi["spec"])
    runs = vmi["status"].get("phase") == "Running"
    for position, network in enumerate(vmi["spec"].get("networks", ())):
        name = network["name"]
        if name in detached:
            continue
        if runs and name not in old:
            # A running guest gets it once its new pod has it.
            pod_name = pod_interface(name, position)
            interfaces.append({"infoSource": "multus-status", "name": name, "podInterfaceName": pod_name})
            continue
        interfaces.append(_interface(vmi, position, old.get(name, {}), address, lease=lease))
    vmi["status"]["interfaces"] = interfaces


def report_plugged(vmi: Object, name: str, *, lease: bool) -> None:
    """A running guest was given an interface that its pod has already."""
    statuses = vmi["status"]["interfaces"]
    address = next((item.get("ipAddress", "") for item in statuses if item.get("podInterfaceName") == "eth0"), "")
    position = next(at for at, network in enumerate(vmi["spec"]["networks"]) if network["name"] == name)
    agent = ", guest-agent" if has_condition(vmi, "AgentConnected", "True") else ""
    for at, item in enumerate(statuses):
        if item["name"] == name:
            plugged = _interface(vmi, position, item, address, lease=lease)
            statuses[at] = plugged | {"infoSource": f"domain{agent}, multus-status"}


def report_unplugged(vmi: Object, name: str) -> None:
    """A running guest has lost an interface; its pod keeps it until a migration."""
    for item in vmi["status"]["interfaces"]:
        if item["name"] == name:
            kept = {"infoSource": "multus-status", "name": name, "podInterfaceName": item["podInterfaceName"]}
            item.clear()
            item.update(kept)


def _interface(vmi: Object, position: int, present: Object, address: str, *, lease: bool) -> Object:
    """What is reported of an interface that the guest has; `address` is that of its pod."""
    network, uid = vmi["spec"]["networks"][position], vmi["metadata"]["uid"].replace("-", "")
    own = address if "pod" in network else present.get("ipAddress", "")
    if not own and lease:
        own = _secondary(address, position)
    item: Object = {
        "infoSource": present.get("infoSource", "domain"),
        "interfaceName": f"eth{position}",
        "linkState": "up",
        "mac": present.get("mac") or f"02:{uid[0:2]}:{uid[2:4]}:{uid[4:6]}:{uid[6:8]}:{position:02x}",
        "name": network["name"],
        "podInterfaceName": present.get("podInterfaceName", "eth0"),
        "queueCount": 1,
    }
    if own:
        item |= {"ipAddress": own, "ipAddresses": [own]}
    return item


def report_agent(vmi: Object) -> None:
    """What the guest agent adds: the operating system, and its word on the interfaces."""
    vmi["status"]["guestOSInfo"] = system_of(vmi).info
    for interface in vmi["status"].get("interfaces", ()):
        told = interface.get("infoSource", "")
        if "domain" in told and "guest-agent" not in told:
            interface["infoSource"] = told.replace("domain", "domain, guest-agent")


def report_volumes(claims: Mapping[str, Object], vmi: Object) -> None:
    """``status.volumeStatus`` with targets in the order of names, and the claims behind them."""
    names = dict(claims_of(vmi))
    found = []
    for position, volume in enumerate(sorted(vmi["spec"].get("volumes", ()), key=lambda item: str(item["name"]))):
        item: Object = {"name": volume["name"], "target": f"vd{_LETTERS[position % 26]}"}
        bound = claims.get(names.get(volume["name"], ""))
        if bound:
            item["persistentVolumeClaimInfo"] = claim_info(bound)
        found.append(item)
    vmi["status"]["volumeStatus"] = found


def claim_info(claim: Object) -> Object:
    """``persistentVolumeClaimInfo`` of a bound claim."""
    found: Object = {
        "accessModes": claim["spec"]["accessModes"],
        "capacity": claim.get("status", {}).get("capacity", {}),
        "claimName": claim["metadata"]["name"],
        "requests": claim["spec"]["resources"]["requests"],
        "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
    }
    if found["volumeMode"] == "Filesystem":
        found["filesystemOverhead"] = "0.06"
    return found


def judge_migratable(claims: Mapping[str, Object], vmi: Object, now: str) -> None:
    """The conditions LiveMigratable and StorageLiveMigratable: only the first obstacle is told."""
    used = [claims[name] for _, name in claims_of(vmi) if name in claims]
    private = [claim for claim in used if "ReadWriteMany" not in claim["spec"]["accessModes"]]
    interfaces = vmi["spec"]["domain"].get("devices", {}).get("interfaces", ())
    pod_networks = {network["name"] for network in vmi["spec"].get("networks", ()) if "pod" in network}
    bridged = any("bridge" in item and item["name"] in pod_networks for item in interfaces)
    local = [volume for volume in vmi["spec"].get("volumes", ()) if "hostDisk" in volume or "containerDisk" in volume]
    vmi["status"]["migrationMethod"] = "BlockMigration" if local else "LiveMigration"
    if bridged:
        told = (
            "InterfaceNotLiveMigratable",
            "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network",
        )
        set_condition(vmi, "LiveMigratable", "False", now, *told)
    elif private:
        name = private[0]["metadata"]["name"]
        told = (
            "DisksNotLiveMigratable",
            f"cannot migrate VMI: PVC {name} is not shared, live migration requires that all PVCs must be shared "
            "(using ReadWriteMany access mode)",
        )
        set_condition(vmi, "LiveMigratable", "False", now, *told)
    else:
        set_condition(vmi, "LiveMigratable", "True", now)
    if bridged:
        set_condition(
            vmi, "StorageLiveMigratable", "False", now, "NotMigratable",
            "InterfaceNotLiveMigratable: cannot migrate VMI which does not use masquerade or a migratable plugin to "
            "connect to the pod network",
        )  # fmt: skip
    else:
        set_condition(vmi, "StorageLiveMigratable", "True", now)


def is_migratable(vmi: Object) -> bool:
    """Whether the instance may be migrated."""
    found = condition(vmi, "LiveMigratable")
    return found is not None and found["status"] == "True"


def _secondary(address: str, position: int) -> str:
    """The address in a network beside the pod's: as unique as that of the pod in which the guest started."""
    if not address:
        return ""
    _, second, *rest = address.split(".")
    return ".".join(["10", str((int(second) + position * 8) % 128), *rest])
