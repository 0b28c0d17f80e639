"""DaemonSets: what runs on every node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar, Final

import msgspec

from kvtui.records.base import Record, Struct

_SOCKET_FLAG: Final = "--kubelet-registration-path"


class DaemonContainer(Struct):
    """One container of its pods."""

    args: tuple[str, ...] = ()


class DaemonPodSpec(Struct):
    """``spec.template.spec``."""

    containers: tuple[DaemonContainer, ...] = ()


class DaemonTemplate(Struct):
    """``spec.template``."""

    spec: DaemonPodSpec = msgspec.field(default_factory=DaemonPodSpec)


class DaemonSetSpec(Struct):
    """``spec`` of a DaemonSet."""

    template: DaemonTemplate = msgspec.field(default_factory=DaemonTemplate)


class DaemonSetStatus(Struct):
    """``status`` of a DaemonSet."""

    desired_number_scheduled: int = 0
    number_ready: int = 0


class DaemonSet(Record):
    """A DaemonSet."""

    KIND: ClassVar[str] = "DaemonSet"

    spec: DaemonSetSpec = msgspec.field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)

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
