"""Kinds in the order in which their lack is felt: a sentence that names but a few of them names what matters."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.kubernetes import Claim, Deployment, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance
from kvtui.records.libvirt import Domain, Host, StoragePool
from kvtui.records.storage import CephCluster, PersistentVolume, StorageClass

_MISSED: Final = tuple(
    one.KIND
    for one in (
        VirtualMachine, VirtualMachineInstance, Domain, Host, Node, Pod, Claim, DataVolume, Migration, PersistentVolume,
        StorageClass, StoragePool, CephCluster, KubeVirt, Deployment, Cdi,
    )
)  # fmt: skip
"""Those without which most is dark, the most important one first."""


def by_weight(names: Iterable[str], first: Container[str] = ()) -> list[str]:
    """Names of feeds, each once: those of the kinds in `first`, then what is missed most, the rest by the alphabet."""

    def weigh(name: str) -> tuple[bool, int, str]:
        # A part of a kind, "Pod of CDI", is missed less than the kind.
        return name not in first, _MISSED.index(name) if name in _MISSED else len(_MISSED), name

    return sorted(dict.fromkeys(names), key=weigh)
