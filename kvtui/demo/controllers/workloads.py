"""What the controllers of the platform's Deployments and DaemonSets share: which of its workloads a change concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from kvtui.demo.catalog.workloads import WORKLOADS, Workload, selector_of
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.storage import Change, Kind


class WorkloadController(Controller):
    """Keeps the pods of workloads of one kind."""

    kind: ClassVar[Kind]
    """Of what owns the pods."""
    workloads: ClassVar[Mapping[Key, Workload]]
    """Those that are of this kind."""
    _by_label: ClassVar[Mapping[tuple[str, str], Workload]]
    latency = 0.2

    def __init_subclass__(cls, *, replicated: bool) -> None:
        """`replicated`: a stated number of pods, or one on each node."""
        super().__init_subclass__()
        items = [item for item in WORKLOADS if bool(item.replicas) is replicated]
        cls.workloads = {(item.namespace, item.name): item for item in items}
        cls._by_label = {pair: item for item in items for pair in selector_of(item).items()}

    def keys_for(self, change: Change) -> Iterable[Key]:
        """The workload, or that of a pod."""
        if change.kind is self.kind and (change.namespace, change.name) in self.workloads:
            yield (change.namespace, change.name)
        for pair in change.labels.items():
            found = self._by_label.get(pair)
            if found is not None and found.namespace == change.namespace:
                yield (found.namespace, found.name)
