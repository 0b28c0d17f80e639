"""Hosts on libvirt's own test driver: as many domains as wanted, and no QEMU.

Reached in this process (`test:///FILE`), or through a real libvirtd (`test+unix:///FILE?socket=SOCKET`), over which
calls and events travel as they do from a host; the daemon of tests.real.hosts serves. Each connection has its own copy
of what its file says. The driver knows no consoles, jobs or migrations, and makes its figures up.
"""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

CONNECTIONS = 20
DOMAINS = 50
_STATES = (1, 1, 1, 1, 1, 1, 1, 3, 5, 5)
"""Of ten domains seven run, one is paused and two are off."""


def make_uris(
    folder: Path, connections: int = CONNECTIONS, domains: int = DOMAINS, socket: Path | None = None
) -> list[str]:
    """Write a file for each host, and say how it is reached: through the libvirtd behind `socket` if there is one."""
    uris = []
    for number in range(connections):
        file = folder / f"host-{number}.xml"
        file.write_text(host_xml(f"host-{number}", domains))
        uris.append(f"test+unix://{file}?socket={socket}" if socket else f"test://{file}")
    return uris


def host_xml(name: str, domains: int = DOMAINS) -> str:
    """What the test driver reads: a host with domains, a network and a pool with their disks."""
    return f"""<node>
  {"".join(_domain(name, number) for number in range(domains))}
  <network>
    <name>default</name><uuid>{_uuid(f"{name}/network")}</uuid><bridge name='virbr0'/>
    <ip address='192.0.2.1' netmask='255.255.255.0'/>
  </network>
  <pool type='dir'>
    <name>default</name><uuid>{_uuid(f"{name}/pool")}</uuid><target><path>/var/lib/libvirt/images</path></target>
    {"".join(_volume(number) for number in range(domains))}
  </pool>
  <cpu><mhz>3000</mhz><model>x86_64</model><nodes>2</nodes><sockets>2</sockets><cores>16</cores></cpu>
  <memory>268435456</memory>
</node>
"""


def _uuid(what: str) -> str:
    return str(uuid5(NAMESPACE_URL, what))


def _domain(host: str, number: int) -> str:
    return f"""
  <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <name>vm-{number}</name><uuid>{_uuid(f"{host}/vm-{number}")}</uuid>
    <memory unit='MiB'>{1024 * (1 + number % 4)}</memory><vcpu>{1 + number % 4}</vcpu>
    <os><type arch='x86_64'>hvm</type></os>
    <devices>
      <disk type='file' device='disk'>
        <driver name='qemu' type='qcow2'/><source file='/var/lib/libvirt/images/vm-{number}.qcow2'/>
        <target dev='vda' bus='virtio'/>
      </disk>
      <interface type='network'>
        <mac address='52:54:00:00:00:{number % 256:02x}'/><source network='default'/><target dev='tap{number}'/>
      </interface>
    </devices>
    <test:runstate>{_STATES[number % len(_STATES)]}</test:runstate>
  </domain>"""


def _volume(number: int) -> str:
    return f"""
    <volume type='file'>
      <name>vm-{number}.qcow2</name>
      <capacity unit='GiB'>1</capacity><allocation unit='MiB'>{number % 20 * 50}</allocation>
      <target><format type='qcow2'/></target>
    </volume>"""
