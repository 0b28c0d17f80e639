"""Where each kind is listed and watched; versions: kubevirt-api.md 1.

Pods are limited to those that carry the label ``kubevirt.io``: launchers of VMs, hot-plug pods and KubeVirt's own
components. A fleet may have ten times as many other pods, and no VM row or rule needs them.
"""

from __future__ import annotations

from typing import Final

from kvtui.backends.base import Source
from kvtui.records.cdi import Cdi, DataVolume
from kvtui.records.kubernetes import Claim, Event, Namespace, Node, Pod
from kvtui.records.kubevirt import KubeVirt, Migration, VirtualMachine, VirtualMachineInstance

_KUBEVIRT: Final = ("v1", "v1alpha3")

NODES: Final = Source(Node, "", ("v1",), "nodes", namespaced=False)
NAMESPACES: Final = Source(Namespace, "", ("v1",), "namespaces", namespaced=False)
PODS: Final = Source(Pod, "", ("v1",), "pods", label_selector="kubevirt.io")
CLAIMS: Final = Source(Claim, "", ("v1",), "persistentvolumeclaims")
EVENTS: Final = Source(Event, "", ("v1",), "events")
MACHINES: Final = Source(VirtualMachine, "kubevirt.io", _KUBEVIRT, "virtualmachines")
INSTANCES: Final = Source(VirtualMachineInstance, "kubevirt.io", _KUBEVIRT, "virtualmachineinstances")
MIGRATIONS: Final = Source(Migration, "kubevirt.io", _KUBEVIRT, "virtualmachineinstancemigrations")
# In a namespace of its own, whichever namespace the user looks at.
KUBEVIRTS: Final = Source(KubeVirt, "kubevirt.io", _KUBEVIRT, "kubevirts", namespaced=False, polled=True)
DATA_VOLUMES: Final = Source(DataVolume, "cdi.kubevirt.io", ("v1beta1",), "datavolumes")
CDIS: Final = Source(Cdi, "cdi.kubevirt.io", ("v1beta1",), "cdis", namespaced=False, polled=True)
