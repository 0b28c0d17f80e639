"""Records of Argo CD: what an application keeps as git has it, and what was done last to that end.

Fields: argo-cd ``pkg/apis/application/v1alpha1/types.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from kvtui.records.base import Record, Struct
from kvtui.text import parse_time

_HERE: Final = frozenset({"https://kubernetes.default.svc", "in-cluster"})
"""The address and the name of the cluster that Argo CD itself runs in (argo-cd, ``common/common.go``)."""


class Automated(Struct):
    """``spec.syncPolicy.automated``."""

    enabled: bool | None = None
    self_heal: bool = False


class SyncPolicy(Struct):
    """``spec.syncPolicy``."""

    automated: Automated | None = None


class GitSource(Struct):
    """Where the manifests are: a path in a repository of git, or a chart in one of Helm."""

    repo_url: str = msgspec.field(default="", name="repoURL")
    path: str = ""
    chart: str = ""

    @property
    def words(self) -> str:
        """``https://git.example.org/fleet.git, path web``."""
        place = f"chart {self.chart}" if self.chart else f"path {self.path}" if self.path else ""
        return ", ".join(filter(None, (self.repo_url, place)))


class Destination(Struct):
    """``spec.destination``: the cluster, by its address or by its name."""

    server: str = ""
    name: str = ""


class ApplicationSpec(Struct):
    """``spec`` of an application."""

    destination: Destination = msgspec.field(default_factory=Destination)
    source: GitSource | None = None
    sources: tuple[GitSource, ...] = ()
    sync_policy: SyncPolicy = msgspec.field(default_factory=SyncPolicy)


class Kept(Struct):
    """An object that an operation names: SyncOperationResource and ResourceResult alike."""

    group: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    status: str = ""
    message: str = ""


class Initiator(Struct):
    """``initiatedBy`` of an operation."""

    automated: bool = False


class Sync(Struct):
    """``sync`` of an operation."""

    resources: tuple[Kept, ...] = ()
    """The objects that alone are to be synced; empty for all."""


class Operation(Struct):
    """What was asked of the application's controller."""

    initiated_by: Initiator = msgspec.field(default_factory=Initiator)
    sync: Sync | None = None


class SyncResult(Struct):
    """What came of it, object by object."""

    resources: tuple[Kept, ...] = ()


class OperationState(Struct):
    """``status.operationState``: the operation that goes on, or the last one."""

    operation: Operation = msgspec.field(default_factory=Operation)
    phase: str = ""
    finished_at: str | None = None
    sync_result: SyncResult | None = None

    @property
    def healed(self) -> tuple[Kept, ...]:
        """The objects that it put back, when it was a self-heal that went through.

        Of what Argo CD syncs by itself only a self-heal names objects, and those without their namespaces
        (``autoSync`` in ``controller/appcontroller.go``); what came of each, ``kubectl apply`` says at its end.
        """
        asked, result = self.operation, self.sync_result
        by_itself = asked.initiated_by.automated and asked.sync is not None and asked.sync.resources
        if not by_itself or self.phase != "Succeeded" or result is None:
            return ()
        return tuple(one for one in result.resources if one.status == "Synced" and not one.message.endswith(_SAME))


_SAME: Final = " unchanged"


class SyncStatus(Struct):
    """``status.sync``."""

    status: str = ""


class ApplicationHealth(Struct):
    """``status.health``."""

    status: str = ""
    message: str = ""


class ApplicationStatus(Struct):
    """``status`` of an application."""

    sync: SyncStatus = msgspec.field(default_factory=SyncStatus)
    health: ApplicationHealth = msgspec.field(default_factory=ApplicationHealth)
    operation_state: OperationState | None = None


class Application(Record):
    """An application of Argo CD: objects of a cluster that are to be as git has them."""

    KIND: ClassVar[str] = "Application"

    spec: ApplicationSpec = msgspec.field(default_factory=ApplicationSpec)
    status: ApplicationStatus = msgspec.field(default_factory=ApplicationStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To each VM that it put back last."""
        for one in self.put_back:
            yield "put back", f"{one.namespace}/{one.name}"

    @property
    def heals(self) -> bool:
        """Whether it puts back by itself what differs from git."""
        automated = self.spec.sync_policy.automated
        return automated is not None and automated.enabled is not False and automated.self_heal

    @property
    def is_here(self) -> bool:
        """Whether its objects are of the cluster that it is in itself: others may have some of the same names."""
        destination = self.spec.destination
        return destination.server in _HERE or destination.name in _HERE

    @property
    def put_back(self) -> tuple[Kept, ...]:
        """The VMs of this cluster that it put back last, if that was the last thing it did."""
        state = self.status.operation_state
        if state is None or not self.is_here:
            return ()
        return tuple(one for one in state.healed if (one.group, one.kind) == ("kubevirt.io", "VirtualMachine"))

    @property
    def finished(self) -> float | None:
        """When its last operation ended, in seconds since the epoch."""
        state = self.status.operation_state
        return None if state is None else parse_time(state.finished_at)

    @property
    def origin(self) -> str:
        """Where its manifests are."""
        sources = self.spec.sources or ((self.spec.source,) if self.spec.source is not None else ())
        return "; ".join(filter(None, (one.words for one in sources)))
