"""What VMs are networked by, Multus' NetworkAttachmentDefinition among it; kubevirt-api.md 1.6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from kvtui.records.base import Record, Struct


class PodNetwork(Struct):
    """The network that all pods have."""


class Multus(Struct):
    """A network of an attachment."""

    network_name: str = ""
    """``name`` or ``namespace/name``."""


class Network(Struct):
    """One of ``spec.networks``, which an interface of its name is on."""

    name: str = ""
    pod: PodNetwork | None = None
    multus: Multus | None = None

    def attachment(self, namespace: str) -> str:
        """The attachment of a VM in that namespace, as ``namespace/name``; empty for any other network."""
        if self.multus is None or not self.multus.network_name:
            return ""
        name = self.multus.network_name
        return name if "/" in name else f"{namespace}/{name}"


_SHARED_MOST = 1024
_networks: dict[tuple[tuple[str, bool, str], ...], tuple[Network, ...]] = {}


def share_networks(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    """One tuple for all equal ones that came lately: a fleet has few ways of being networked."""
    if len(_networks) >= _SHARED_MOST:
        _networks.clear()
    key = tuple((one.name, one.pod is not None, one.multus.network_name if one.multus else "") for one in networks)
    return _networks.setdefault(key, networks)


def network_links(namespace: str, networks: tuple[Network, ...]) -> Iterator[tuple[str, str]]:
    """For `Record.links` of a VM: to the attachments of its networks."""
    for network in networks:
        if attachment := network.attachment(namespace):
            yield "attachment", attachment


class AttachmentSpec(Struct):
    """``spec`` of an attachment; `config` is JSON in a text, and may be missing."""

    config: str = ""


class CniPlugin(Struct):
    """What is read of a CNI configuration, and of each plugin of a chain."""

    type: str = ""
    bridge: str = ""
    master: str = ""
    vlan: int = 0


class CniConfig(CniPlugin):
    """A CNI configuration: one plugin, or a list of them."""

    plugins: tuple[CniPlugin, ...] = ()


class NetworkAttachment(Record):
    """A network that a VM may have an interface on."""

    KIND: ClassVar[str] = "NetworkAttachmentDefinition"

    spec: AttachmentSpec = msgspec.field(default_factory=AttachmentSpec)

    @property
    def fault_of_config(self) -> str:
        """Why its configuration cannot be read; empty when it can, or when there is none and files of nodes have it."""
        return self._read()[1]

    @property
    def plugin(self) -> CniPlugin:
        """The plugin that makes the interface: the first of a chain."""
        config = self._read()[0]
        return config.plugins[0] if config.plugins else config

    def _read(self) -> tuple[CniConfig, str]:
        if not self.spec.config.strip():
            return CniConfig(), ""
        try:
            return msgspec.json.decode(self.spec.config, type=CniConfig), ""
        except (msgspec.DecodeError, RecursionError) as error:
            return CniConfig(), str(error)
