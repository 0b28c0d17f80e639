"""All resources: one kind, one file. What is shown depends on where the machines live."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Final

from kvtui.model import Platform
from kvtui.resources import (
    apiservice,
    application,
    blockjob,
    cdi,
    ceph,
    cluster,
    clustermachine,
    datasource,
    datavolume,
    deployment,
    domain,
    event,
    host,
    job,
    kubevirt,
    lease,
    migration,
    nad,
    namespace,
    network,
    node,
    pod,
    pool,
    pv,
    pvc,
    quota,
    snapshot,
    storageclass,
    vm,
    vm_clone,
    vm_export,
    vm_restore,
    vm_snapshot,
    volume,
)
from kvtui.resources.base import AnyResource
from kvtui.resources.united import unite

_OF: Final[dict[Platform, tuple[AnyResource, ...]]] = {
    Platform.KUBERNETES: (
        node.RESOURCE,
        vm.RESOURCE,
        migration.RESOURCE,
        datavolume.RESOURCE,
        pod.RESOURCE,
        pvc.RESOURCE,
        pv.RESOURCE,
        storageclass.RESOURCE,
        ceph.RESOURCE,
        nad.RESOURCE,
        event.RESOURCE,
        namespace.RESOURCE,
        quota.RESOURCE,
        kubevirt.RESOURCE,
        cdi.RESOURCE,
        datasource.RESOURCE,
        apiservice.RESOURCE,
        deployment.RESOURCE,
        cluster.RESOURCE,
        clustermachine.RESOURCE,
        application.RESOURCE,
        vm_snapshot.RESOURCE,
        vm_restore.RESOURCE,
        vm_clone.RESOURCE,
        vm_export.RESOURCE,
    ),
    Platform.LIBVIRT: (
        host.RESOURCE,
        domain.RESOURCE,
        job.RESOURCE,
        blockjob.RESOURCE,
        pool.RESOURCE,
        volume.RESOURCE,
        network.RESOURCE,
        lease.RESOURCE,
        snapshot.RESOURCE,
        job.JOBS,
    ),
}


def resources_for(platforms: Collection[Platform]) -> tuple[AnyResource, ...]:
    """What there is to see on those platforms; what bears the same name on several is one resource."""
    return _resources_for(frozenset(platforms))


@cache
def _resources_for(platforms: frozenset[Platform]) -> tuple[AnyResource, ...]:
    by_name: dict[str, list[AnyResource]] = {}
    for platform, resources in _OF.items():
        if platform in platforms:
            for resource in resources:
                by_name.setdefault(resource.name, []).append(resource)
    return tuple(several[0] if len(several) == 1 else unite(*several) for several in by_name.values())


RESOURCES: Final = resources_for(tuple(Platform))
"""All that kvtui knows."""


def find(name: str, resources: Collection[AnyResource] = RESOURCES) -> AnyResource | None:
    """The resource of that name or alias, of that label as problems are told by it, or of that kind of the API: in
    whatever case, with or without blanks.
    """
    folded = fold(name)
    named = (one for one in resources if folded in map(fold, (one.name, *one.aliases)))
    labelled = (one for one in resources if folded == fold(one.label))
    own = (one for one in resources if any(folded == fold(source.kind) for source in one.own))
    return next(named, None) or next(labelled, None) or next(own, None)


def find_own(name: str, resources: Collection[AnyResource]) -> AnyResource | None:
    """As `find`; of what several platforms have under one name only the part that the word means: ``domain``."""
    found = find(name, resources)
    parts = [part for platform in Platform if (part := find(name, resources_for([platform]))) is not None]
    return parts[0] if found is not None and len(parts) == 1 and parts[0].name == found.name else found


def fold(word: str) -> str:
    """A word for a kind as it is compared: ``control plane`` and ``ControlPlane`` are one."""
    return word.lower().replace(" ", "")
