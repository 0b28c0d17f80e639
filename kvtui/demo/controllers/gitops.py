"""What takes its machines from Git and puts them back when somebody else changes them: Argo CD and Flux."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, ClassVar

from kvtui.demo import kinds
from kvtui.demo.admission import admit
from kvtui.demo.apply import apply
from kvtui.demo.catalog.owners import declared_machine, owner_of, sync_of
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.durations import seconds_of
from kvtui.demo.managers import note_writer
from kvtui.demo.objects import copy_of, deleting
from kvtui.demo.storage import Change, Kind, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

_INTERVAL = 60.0
"""Seconds, where an owner names none that can be read."""


class Declarations(Controller):
    """Compares each machine with its manifest. Subclasses say whose machines, and when they are put back."""

    kinds = (kinds.VM,)
    latency = 1.0
    owner: ClassVar[Kind]

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._drifted: dict[Key, set[Key]] = {}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The machine, when it is one that is declared."""
        key = (change.namespace, change.name)
        owner = owner_of(*key)
        return (key,) if key in self.world.declared and owner is not None and owner.kind is self.owner else ()

    def reconcile(self, namespace: str, name: str) -> None:
        """Put the machine back once its time has come, or make it anew."""
        identity, key = owner_of(namespace, name), (namespace, name)
        declared = declared_machine(namespace, name)
        owner = None if identity is None else self.storage.find(self.owner, identity.namespace, identity.name)
        if owner is None or declared is None:
            return
        vm = self.storage.find(kinds.VM, namespace, name)
        if vm is not None and (deleting(vm) or applied(vm, declared) == vm):
            if not deleting(vm):
                self.restart_stage(f"{namespace}/{name}", "drift")
                self._settle(owner, key)
            return
        self._drift(owner, key)
        due = self.due(owner)
        if due is None or not self.elapsed(key, f"{namespace}/{name}", "drift", due):
            return
        self.restart_stage(f"{namespace}/{name}", "drift")
        if vm is None:
            self.storage.create(kinds.VM, admit(self.world, kinds.VM, declared, None, "CREATE"))
        else:
            self.storage.modify(kinds.VM, namespace, name, lambda found: self.apply(found, declared))
        self.note(owner, key, "created" if vm is None else "configured")

    def due(self, owner: Object) -> float | None:
        """Seconds until a machine that differs is put back; None when nobody does that."""
        raise NotImplementedError

    def apply(self, found: Object, manifest: Object) -> None:
        """Make a machine what its manifest says, and note who did."""
        raise NotImplementedError

    def note(self, owner: Object, key: Key, result: str) -> None:
        """Say on the owner that a machine was put back: ``configured``, or ``created`` anew."""

    def tell(self, owner: Object, drifted: Collection[Key]) -> None:
        """Say on the owner which of its machines are not as declared."""

    def _drift(self, owner: Object, key: Key) -> None:
        meta = owner["metadata"]
        drifted = self._drifted.setdefault((meta["namespace"], meta["name"]), set())
        if key not in drifted:
            drifted.add(key)
            self.tell(owner, drifted)

    def _settle(self, owner: Object, key: Key) -> None:
        meta = owner["metadata"]
        drifted = self._drifted.get((meta["namespace"], meta["name"]), set())
        if key in drifted:
            drifted.remove(key)
            self.tell(owner, drifted)


class Applications(Declarations):
    """argocd-application-controller: an application that heals itself is synced seconds after it differs."""

    owner = kinds.APPLICATION
    _PAUSE = 5.0
    """``--self-heal-timeout-seconds``."""

    def due(self, owner: Object) -> float | None:
        """At once, but for the pause between two attempts."""
        policy = owner["spec"].get("syncPolicy") or {}
        return self._PAUSE if (policy.get("automated") or {}).get("selfHeal") else None

    def apply(self, found: Object, manifest: Object) -> None:
        """As ``kubectl apply`` does on the client's side, under the name of Argo CD (``common/common.go``)."""
        before = copy_of(found)
        found.update(applied(found, manifest))
        note_writer(kinds.VM, before, found, "argocd-controller", self.clock.stamp())

    def note(self, owner: Object, key: Key, result: str) -> None:
        """Set the operation that a self-heal is: of the objects that differ, which it names without their namespaces
        (``autoSync`` and ``setOperationState`` in ``controller/appcontroller.go``).
        """
        meta, now = owner["metadata"], self.clock.stamp()
        state = heal(owner, key, result, now)
        revision = state["syncResult"]["revision"]
        self._tell_event(owner, "OperationStarted", f"Initiated automated sync to '{revision}'")
        self._tell_event(owner, "OperationCompleted", f"Partial sync operation to {revision} succeeded")
        self.storage.modify(
            self.owner, meta["namespace"], meta["name"], lambda found: found["status"].update(operationState=state)
        )

    def tell(self, owner: Object, drifted: Collection[Key]) -> None:
        """Set the sync status of the application and of each of its machines."""
        meta, before = owner["metadata"], owner["status"]["sync"]["status"]
        now = "OutOfSync" if drifted else "Synced"
        if now != before:
            self._tell_event(owner, "ResourceUpdated", f"Updated sync status: {before} -> {now}")

        def write(found: Object) -> None:
            found["status"]["sync"]["status"] = now
            for one in found["status"]["resources"]:
                one["status"] = "OutOfSync" if (one["namespace"], one["name"]) in drifted else "Synced"

        self.storage.modify(self.owner, meta["namespace"], meta["name"], write)

    def _tell_event(self, owner: Object, reason: str, words: str) -> None:
        self.world.events.normal(self.owner, owner, "argocd-application-controller", reason, words)


class Kustomizations(Declarations):
    """kustomize-controller: what differs is applied again at the next interval."""

    owner = kinds.KUSTOMIZATION
    component = "kustomize-controller"

    def apply(self, found: Object, manifest: Object) -> None:
        """On the server's side and by force, under the name of the controller (fluxcd/pkg ``ssa/manager_apply.go``)."""
        moment = self.clock.stamp()
        found.update(apply(kinds.VM, found, manifest, manager=self.component, moment=moment, force=True))

    def due(self, owner: Object) -> float | None:
        """When its interval is over."""
        if owner["spec"].get("suspend"):
            return None
        try:
            interval = seconds_of(owner["spec"].get("interval", "")) or _INTERVAL
        except ValueError:
            interval = _INTERVAL
        return interval - self.clock.elapsed % interval


class HelmReleases(Kustomizations):
    """helm-controller: what differs is corrected at the next interval, where drift detection is enabled."""

    owner = kinds.HELM_RELEASE
    component = "helm-controller"

    def due(self, owner: Object) -> float | None:
        """When its interval is over; never without drift detection."""
        mode = (owner["spec"].get("driftDetection") or {}).get("mode")
        return super().due(owner) if mode == "enabled" else None


def heal(owner: Object, key: Key, result: str, now: str) -> Object:
    """``status.operationState`` once a machine was put back: one operation names all that differed together."""
    namespace, name = key
    last = owner["status"].get("operationState") or {}
    before = last.get("operation", {}).get("sync", {})
    same = "resources" in before and last.get("finishedAt") == now
    state = sync_of(owner["spec"], namespace, {name: result}, now)
    state["operation"]["sync"] |= {
        "resources": [
            *(before["resources"] if same else ()),
            {"group": "kubevirt.io", "kind": kinds.VM.kind, "name": name},
        ],
        "autoHealAttemptsCount": before.get("autoHealAttemptsCount", 0) + (not same),
    }
    if same:
        state["syncResult"]["resources"][:0] = last["syncResult"]["resources"]
    return state


def applied(live: Object, manifest: Object) -> Object:
    """The live object with all that the manifest says; what the manifest does not name stays."""
    found: Object = copy_of(live)
    _merge(found, manifest)
    return found


def _merge(target: Object, wanted: Object) -> None:
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = copy_of(value)
