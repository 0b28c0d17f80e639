"""The simulated cluster: its state, its clock, and the control loops that keep it going."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

from kvtui.demo import kinds
from kvtui.demo.behaviour import Guest, Outside
from kvtui.demo.catalog.applications import APPLICATIONS
from kvtui.demo.clock import Clock
from kvtui.demo.controllers.attachments import Attachments
from kvtui.demo.controllers.base import Controller
from kvtui.demo.controllers.binder import VolumeBinder
from kvtui.demo.controllers.ceph import Ceph
from kvtui.demo.controllers.claimcopies import ClaimCopies
from kvtui.demo.controllers.clone import Clones
from kvtui.demo.controllers.clustermachines import ControlPlanes, Deployments, Machines, Pauses
from kvtui.demo.controllers.clusters import Clusters, KubeadmConfigs, KubevirtClusters, LoadBalancers
from kvtui.demo.controllers.components import Components
from kvtui.demo.controllers.credentials import AccessCredentials
from kvtui.demo.controllers.customizing import CdiOperator, VirtOperator
from kvtui.demo.controllers.daemons import Daemons
from kvtui.demo.controllers.datavolume import DataVolumes
from kvtui.demo.controllers.evacuation import Evacuation
from kvtui.demo.controllers.events import Recorder
from kvtui.demo.controllers.export import Exports
from kvtui.demo.controllers.gitops import Applications, HelmReleases, Kustomizations
from kvtui.demo.controllers.handler import Handler
from kvtui.demo.controllers.importer import Importer
from kvtui.demo.controllers.interfaces import Interfaces
from kvtui.demo.controllers.kubelet import Kubelet
from kvtui.demo.controllers.kubevirtmachine import KubevirtMachines
from kvtui.demo.controllers.liveupdate import LiveUpdates
from kvtui.demo.controllers.memorydump import MemoryDumps
from kvtui.demo.controllers.migration import Migrations
from kvtui.demo.controllers.namespaces import Namespaces
from kvtui.demo.controllers.nodes import Nodes
from kvtui.demo.controllers.operator import Operator
from kvtui.demo.controllers.pool import Pools
from kvtui.demo.controllers.protection import Protection
from kvtui.demo.controllers.quota import QuotaUsage
from kvtui.demo.controllers.resizer import Resizer
from kvtui.demo.controllers.restore import Restores
from kvtui.demo.controllers.scheduler import Scheduler
from kvtui.demo.controllers.snapshot import Snapshots
from kvtui.demo.controllers.transfer import Transfers
from kvtui.demo.controllers.uploader import Uploader
from kvtui.demo.controllers.virtualmachine import VirtualMachines
from kvtui.demo.controllers.virtualmachineinstance import VirtualMachineInstances
from kvtui.demo.failures import Failures
from kvtui.demo.seed import populate
from kvtui.demo.storage import Change, Kind, Object, Storage, StorageError

DEFAULT_SIZE = 60
WARM_UP = 900.0
"""Virtual seconds that pass before the world is handed out, so that its troubles have developed."""


class World:
    """A cluster of `size` virtual machines, the same for the same `seed`.

    Time passes by `advance` alone. Whatever is written to `storage`, by the server or by a test, is taken up by the
    controllers as a real cluster would.
    """

    def __init__(
        self,
        size: int = DEFAULT_SIZE,
        seed: int = 0,
        start: datetime | None = None,
        *,
        troubles: bool = True,
        drill: str = "",
    ) -> None:
        """`start` is the moment at which the world is handed out (now by default); without `troubles` all is well and
        nothing happens by itself; with the name of a `drill` that incident alone has happened. Raises KeyError for an
        unknown one.
        """
        # Drills use the world that is being made here.
        from kvtui.demo.drills import DRILLS, begin

        incident = DRILLS[drill] if drill else None
        if incident is not None:
            # Some happen to machines that are there from the start.
            size = max(size, len(APPLICATIONS))
        warm_up = incident.develops if incident is not None else WARM_UP if troubles else 0.0
        self.clock = Clock((start or datetime.now(UTC)) - timedelta(seconds=warm_up))
        # Its own sequence: the storage draws uids from one that begins with the seed itself.
        self.random = Random(f"world {seed}")
        self.storage = Storage(self.clock.stamp, seed=seed)
        self.failures = Failures()
        self.events = Recorder(self)
        self.outside = Outside()
        self.guests: dict[tuple[str, str], Guest] = {}
        self.declared: set[tuple[str, str]] = set()
        """Namespace and name of the machines that are declared in Git."""
        self.down: set[str] = set()
        """The platform's Deployments without a ready pod: what runs in them stands still."""
        self._addresses = 0

        self.scheduler = Scheduler(self)
        self.kubelet = Kubelet(self)
        self.handler = Handler(self)
        self.transfers = Transfers(self)
        self.nodes = Nodes(self)
        self.importer = Importer(self)
        self.uploader = Uploader(self)
        self.control_planes = ControlPlanes(self)
        self.ceph = Ceph(self)
        controllers: tuple[Controller, ...] = (
            self.scheduler,
            self.kubelet,
            VolumeBinder(self),
            Protection(self),
            QuotaUsage(self),
            VirtualMachines(self),
            VirtualMachineInstances(self),
            self.handler,
            Migrations(self),
            self.transfers,
            Evacuation(self),
            Interfaces(self),
            AccessCredentials(self),
            LiveUpdates(self),
            DataVolumes(self),
            self.importer,
            self.uploader,
            ClaimCopies(self),
            Resizer(self),
            Attachments(self),
            self.nodes,
            Components(self),
            Daemons(self),
            Operator(self),
            Namespaces(self),
            Snapshots(self),
            Restores(self),
            Clones(self),
            Exports(self),
            MemoryDumps(self),
            Pools(self),
            KubevirtMachines(self),
            KubevirtClusters(self),
            KubeadmConfigs(self),
            Clusters(self),
            Machines(self),
            self.control_planes,
            Pauses(self),
            Deployments(self),
            VirtOperator(self),
            CdiOperator(self),
            LoadBalancers(self),
            self.ceph,
            Applications(self),
            Kustomizations(self),
            HelmReleases(self),
        )
        self._observers: dict[Kind, list[Controller]] = defaultdict(list)
        for controller in controllers:
            for kind in controller.kinds:
                self._observers[kind].append(controller)

        populate(self, size)
        self.storage.subscribe(self._dispatch)
        self.scheduler.start()
        self.nodes.start()
        if incident is not None:
            incident.play(self)
        elif troubles:
            begin(self)
        self.advance(warm_up)

    def advance(self, seconds: float) -> None:
        """Let virtual time pass; everything that falls due happens at its own moment."""
        self.clock.advance(seconds)

    def load(self, kind: Kind, objects: Iterable[Object]) -> None:
        """Store objects of the seed without telling anyone, but for what the scheduler must know of pods."""
        loaded = list(objects)
        self.storage.load(kind, loaded)
        if kind is kinds.POD:
            self.scheduler.account(loaded)

    def guest(self, namespace: str, name: str) -> Guest:
        """How the guest of that machine behaves."""
        return self.guests.setdefault((namespace, name), Guest(shutdown=self.random.uniform(3.0, 8.0)))

    def next_address(self) -> str:
        """A pod address that nobody has yet."""
        self._addresses += 1
        number = self._addresses + 10
        return f"10.{128 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def tell_component(self, name: str, *, runs: bool) -> None:
        """Say whether a Deployment of the platform has a ready pod."""
        if runs:
            self.down.discard(name)
        else:
            self.down.add(name)

    def delete_pod(self, namespace: str, name: str, grace: int | None = None) -> None:
        """Delete a pod as the API server does: the kubelet gets the grace period to stop it. `grace` in seconds, the
        pod's own by default; 0 removes it at once. A pod that is gone already is no error.
        """
        pod = self.storage.find(kinds.POD, namespace, name)
        if pod is None:
            return
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        if not pod["spec"].get("nodeName"):
            seconds = 0
        try:
            self.storage.delete(kinds.POD, namespace, name, grace=seconds)
        except StorageError as error:
            if error.code != 404:
                raise

    def _dispatch(self, change: Change) -> None:
        for controller in self._observers.get(change.kind, ()):
            try:
                controller.observe(change)
            except Exception as error:  # noqa: BLE001 - boundary: one object stops neither its writer nor the others
                place = "/".join(filter(None, (change.namespace, change.name)))
                self.failures.tell(f"{type(controller).__name__} {change.kind.kind} {place}", error)
