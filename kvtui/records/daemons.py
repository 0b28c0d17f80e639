"""DaemonSets: what runs on every node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar, Final

import msgspec

from kvtui.records.base import Record, Struct

_SOCKET_FLAG: Final = "--kubelet-registration-path"
_CNI: Final = "cni"
"""The folder of network plugins and of what configures them: /opt/cni/bin, /etc/cni/net.d, /var/lib/cni (CNI's
conventions, and those of OpenShift and k3s).
"""


class DaemonContainer(Struct):
    """One container of its pods."""

    args: tuple[str, ...] = ()


class HostPath(Struct):
    """``hostPath``: a folder of the node."""

    path: str = ""


class DaemonVolume(Struct):
    """One volume of its pods."""

    host_path: HostPath | None = None


class DaemonPodSpec(Struct):
    """``spec.template.spec``."""

    containers: tuple[DaemonContainer, ...] = ()
    volumes: tuple[DaemonVolume, ...] = ()


class DaemonTemplate(Struct):
    """``spec.template``."""

    spec: DaemonPodSpec = msgspec.field(default_factory=DaemonPodSpec)


class DaemonStrategy(Struct):
    """``spec.updateStrategy``."""

    type: str = ""


class DaemonSelector(Struct):
    """``spec.selector``."""

    match_labels: dict[str, str] = {}


class DaemonSetSpec(Struct):
    """``spec`` of a DaemonSet."""

    selector: DaemonSelector = msgspec.field(default_factory=DaemonSelector)
    template: DaemonTemplate = msgspec.field(default_factory=DaemonTemplate)
    update_strategy: DaemonStrategy = msgspec.field(default_factory=DaemonStrategy)


class DaemonSetStatus(Struct):
    """``status`` of a DaemonSet."""

    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0


class DaemonSet(Record):
    """A DaemonSet."""

    KIND: ClassVar[str] = "DaemonSet"

    spec: DaemonSetSpec = msgspec.field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)

    def links(self) -> Iterator[tuple[str, str]]:
        """To its namespace, where VMs stand on it."""
        if self.bears:
            yield "namespace", self.metadata.namespace

    @property
    def bears(self) -> bool:
        """Whether VMs stand on it: it mounts disks or connects pods to networks."""
        return self.mounts or self.connects

    @property
    def mounts(self) -> bool:
        """Whether its pods register a CSI driver, whichever, with their kubelets."""
        return any(True for _ in self._sockets())

    @property
    def connects(self) -> bool:
        """Whether it keeps the network plugins of the nodes, as far as it says so."""
        volumes = self.spec.template.spec.volumes
        paths = (PurePosixPath(one.host_path.path) for one in volumes if one.host_path is not None)
        return any(_CNI in path.parts for path in paths)

    def registers(self, driver: str) -> bool:
        """Whether its pods register a CSI driver with their kubelets, as far as it says so.

        The socket lies in ``plugins/DRIVER/`` by the convention of kubernetes-csi's node-driver-registrar, which some
        drivers do not keep: of those nothing tells which driver it is.
        """
        return any(PurePosixPath(path).parent.name == driver for path in self._sockets())

    def _sockets(self) -> Iterator[str]:
        for container in self.spec.template.spec.containers:
            for at, argument in enumerate(container.args):
                flag, equals, value = argument.partition("=")
                if flag == _SOCKET_FLAG:
                    yield value if equals else "".join(container.args[at + 1 : at + 2])
