"""A pool of plain KVM hosts beside the cluster, on libvirt's own test driver: no daemon, no guest, no network.

The driver reads a file for each host (libvirt's drvtest.html) and keeps what is done to its domains in the memory of
the connection. It knows no consoles and makes its figures up. The cluster's control plane runs in three of its domains.
"""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape

from kvtui.demo.catalog.hosts import CONTROL_PLANES, node_names, system_uuid

HOSTS = 3
MOST = 20
"""Hosts at most."""
_RUNNING, _PAUSED, _OFF = 1, 3, 5
_MACHINES = (
    ("git", "the forge", 4, 8, _RUNNING), ("mail", "mail relay", 2, 4, _RUNNING), ("ldap", "directory", 2, 4, _RUNNING),
    ("dns", "name server", 1, 1, _RUNNING), ("build", "build machine", 16, 32, _RUNNING),
    ("backup", "backup server", 4, 16, _PAUSED), ("win-print", "print server", 2, 8, _RUNNING),
    ("old-erp", "kept for the auditors", 4, 16, _OFF), ("template-debian", "cloned for new machines", 1, 2, _OFF),
)  # fmt: skip
"""Name, title, CPUs, GiB and state of what every host has."""


def write_hosts(folder: Path, count: int = HOSTS) -> list[tuple[str, str]]:
    """Write the file of each host; their names and URIs."""
    found = []
    for number in range(count):
        name = f"kvm-{number + 1}"
        path = folder / f"{name}.xml"
        path.write_text(host_xml(name, number), encoding="utf-8")
        found.append((name, f"test://{path}"))
    return found


def plane_uuids() -> list[str]:
    """The UUIDs of the domains in which the control plane runs."""
    return [system_uuid(number) for number in range(CONTROL_PLANES)]


def host_xml(name: str, number: int) -> str:
    """What the driver reads for one host."""
    domains = [
        _domain(f"{title}-{number + 1}", about, cpus, memory, state, str(uuid5(NAMESPACE_URL, f"{name}/{title}")), at)
        for at, (title, about, cpus, memory, state) in enumerate(_MACHINES, 1)
    ]
    if number < CONTROL_PLANES:
        plane = node_names(CONTROL_PLANES)[number]
        domains.append(_domain(plane, "control plane of the cluster", 32, 125, _RUNNING, system_uuid(number), 0))
    volumes = "".join(_volume(f"{title}-{number + 1}") for title, *_ in _MACHINES)
    return f"""<node>
  {"".join(domains)}
  <network>
    <name>default</name><uuid>{uuid5(NAMESPACE_URL, f"{name}/network")}</uuid>
    <forward mode='nat'/><bridge name='virbr0'/><ip address='192.168.{122 + number}.1' netmask='255.255.255.0'/>
  </network>
  <pool type='dir'>
    <name>images</name><uuid>{uuid5(NAMESPACE_URL, f"{name}/pool")}</uuid>
    <target><path>/var/lib/libvirt/images</path></target>{volumes}
  </pool>
  <cpu><mhz>2600</mhz><model>x86_64</model><nodes>2</nodes><sockets>1</sockets><cores>16</cores><threads>2</threads></cpu>
  <memory>268435456</memory>
</node>
"""


def _domain(name: str, about: str, cpus: int, memory: int, state: int, uuid: str, number: int) -> str:
    return f"""
  <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <name>{escape(name)}</name><uuid>{uuid}</uuid><title>{escape(about)}</title>
    <memory unit='GiB'>{memory}</memory><vcpu>{cpus}</vcpu>
    <os><type arch='x86_64'>hvm</type></os>
    <devices>
      <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
        <source file='/var/lib/libvirt/images/{escape(name)}.qcow2'/><target dev='vda' bus='virtio'/></disk>
      <interface type='network'><mac address='52:54:00:0a:0b:{number:02x}'/><source network='default'/></interface>
      <video><model type='vga'/></video>
    </devices>
    <test:runstate>{state}</test:runstate>
  </domain>"""


def _volume(name: str) -> str:
    # All of them have to fit into the 100 GiB that a pool of the driver has, also when they have grown.
    return f"""
    <volume type='file'><name>{escape(name)}.qcow2</name><capacity unit='GiB'>10</capacity>
      <allocation unit='GiB'>6</allocation><target><format type='qcow2'/></target></volume>"""
