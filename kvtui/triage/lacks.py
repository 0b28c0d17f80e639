"""What a VM needs for its next launcher pod and does not have, be it that it runs well without it now.

A launcher pod is made at a start and at a migration. Evidence: kubevirt-api.md 9.1, rows 8, 11 and 13; pkg/network/
multus/nad.go:66.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kvtui.joins.machine import Machine
from kvtui.model import FeedState, Ref
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import InstanceSpec
from kvtui.records.networks import Network, NetworkAttachment
from kvtui.store import View
from kvtui.triage.storage import explain_claim

RESTORE: Final = "bring back its volume, or restore it from a backup"
"""What to do about a disk that is lost: an empty new one is of no use."""


def list_lacks(view: View, machine: Machine, spec: InstanceSpec) -> Iterator[str]:
    """In a sentence each, what a launcher pod for `spec` would lack; nothing of what cannot be seen."""
    yield from _list_disks(view, machine, spec)
    backend, namespace = machine.backend, machine.record.metadata.namespace
    for network in spec.networks:
        path = network.attachment(namespace)
        if path and is_attachment_missing(view, backend, path, namespace):
            yield f"there is no NetworkAttachmentDefinition {path}"


def _list_disks(view: View, machine: Machine, spec: InstanceSpec) -> Iterator[str]:
    backend, namespace = machine.backend, machine.record.metadata.namespace
    if view.feed(backend, Claim.KIND).state is not FeedState.LIVE:
        return
    for name in filter(None, (volume.claim for volume in spec.volumes)):
        claim = view.get(Claim, backend, namespace, name)
        if claim is None:
            if find_lost(view, backend, namespace, name) is not None:
                yield f"its PVC {name} is gone, and DataVolume {name} is Succeeded: CDI does not make it again"
            elif view.get(DataVolume, backend, namespace, name) is None and not _makes(machine, name):
                yield f"there is no PVC {name}"
        elif claim.metadata.deletion_timestamp:
            yield f"its PVC {name} is being deleted, and goes once nothing uses it"
        elif (cause := explain_claim(view, backend, claim)) is not None:
            yield f"its PVC {name}: {cause.sentence}"


def find_lost(view: View, backend: str, namespace: str, claim: str) -> DataVolume | None:
    """The DataVolume that filled a claim which is gone: CDI makes it once (kubevirt-api.md 2.5)."""
    volume = view.get(DataVolume, backend, namespace, claim)
    filled = volume is not None and volume.status.phase == "Succeeded"
    return volume if filled and view.get(Claim, backend, namespace, claim) is None else None


def is_of_lost_claim(view: View, backend: str, volume: DataVolume) -> bool:
    """Whether a DataVolume has Failed as its claim is Lost, which no import mends (kubevirt-api.md 9.3, row 56)."""
    name = volume.status.claim_name or volume.metadata.name
    claim = view.get(Claim, backend, volume.metadata.namespace, name) if volume.status.phase == "Failed" else None
    return claim is not None and claim.status.phase == "Lost"


def _makes(machine: Machine, claim: str) -> bool:
    """Whether the VM makes that disk by itself."""
    templates = machine.vm.spec.data_volume_templates if machine.vm is not None else ()
    return any(template.metadata.name == claim for template in templates)


def is_attachment_missing(view: View, backend: str, path: str, namespace: str) -> bool:
    """Whether a network (``namespace/name``) that a VM of a namespace names certainly does not exist."""
    space, _, name = path.partition("/")
    if view.get(NetworkAttachment, backend, space, name) is not None:
        return False
    feed = view.feed(backend, NetworkAttachment.KIND)
    if feed.state is not FeedState.LIVE:
        return False
    spaces = {ref.namespace for ref, _ in view.items(NetworkAttachment, backend)}
    # Whoever looks into one namespace, or may see no other, knows nothing of the rest.
    return space in spaces or (not feed.detail and (space == namespace or bool(spaces - {namespace})))


def attachment_refs(backend: str, namespace: str, networks: Iterable[Network]) -> Iterator[Ref]:
    """What a VM of a namespace names as its networks, each without a uid: it need not exist."""
    for network in networks:
        if path := network.attachment(namespace):
            space, _, name = path.partition("/")
            yield Ref(backend, NetworkAttachment.KIND, space, name)
