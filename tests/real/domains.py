"""Domains for real hosts: QEMU's emulation always, a serial console, and a kernel that boots to a login in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tests.real.hosts import Host
from tests.real.image import Image
from tests.real.line import Line

# Without the check for its timer, which the kernel would find too late on a busy machine.
# What follows it is for speed.
_COMMAND_LINE = (
    "console=ttyS0 no_timer_check quiet loglevel=0 nokaslr mitigations=off audit=0 apparmor=0 cryptomgr.notests"
)


def domain_xml(
    name: str,
    kernel: str,
    initramfs: str,
    *,
    mebibytes: int = 128,
    cpus: int = 1,
    machine: str = "pc",
    disks: Sequence[str] = (),
    medium: str | None = None,
    network: str = "",
    agent: bool = False,
    on_crash: str = "destroy",
    command_line: str = _COMMAND_LINE,
) -> str:
    """A domain whose kernel calls itself `name`.

    `disks` are paths of qcow2 images as the host sees them, the first one vda; `medium` is what is in its CD drive
    sda, which has none if that is empty; None is no drive. `network` is one of libvirt's, and "user" is QEMU's own;
    `agent` is the channel of the guest agent.
    """
    drives = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file={quoteattr(path)}/>"
        f"<target dev='vd{letter}' bus='virtio'/></disk>"
        for letter, path in zip("abcdefgh", disks, strict=False)
    )
    if medium is not None:
        source = f"<source file={quoteattr(medium)}/>" if medium else ""
        drives += (
            f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}"
            "<target dev='sda' bus='scsi'/><readonly/></disk><controller type='scsi' model='virtio-scsi'/>"
        )
    card = ""
    if network:
        source = f"<source network={quoteattr(network)}/>" if network != "user" else ""
        kind = "network" if source else "user"
        card = f"<interface type='{kind}'>{source}<model type='virtio'/></interface>"
    channel = ""
    if agent:
        channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    return f"""<domain type='qemu'>
  <name>{escape(name)}</name>
  <memory unit='MiB'>{mebibytes}</memory>
  <vcpu>{cpus}</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{escape(kernel)}</kernel>
    <initrd>{escape(initramfs)}</initrd>
    <cmdline>{escape(command_line)} hostname={escape(name)}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <on_crash>{on_crash}</on_crash>
  <devices>
    {drives}{card}{channel}
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <video><model type='vga'/></video>
    <memballoon model='virtio'><stats period='1'/></memballoon>
    <panic model='isa'/>
  </devices>
</domain>"""


def network_xml(name: str, bridge: str = "virbr0") -> str:
    """A network of a host's own with addresses for guests; the host needs a network of its own for it."""
    return f"""<network>
  <name>{escape(name)}</name>
  <bridge name='{bridge}' stp='off' delay='0'/>
  <ip address='192.0.2.1' netmask='255.255.255.0'><dhcp><range start='192.0.2.10' end='192.0.2.99'/></dhcp></ip>
</network>"""


def define_domain(connection: Any, host: Host, name: str, image: Image, **details: Any) -> Any:
    """Define a domain over a connection to its host, off: libvirt-python's object. `details` are domain_xml's."""
    kernel, initramfs = (str(host.lend(path)) for path in (image.kernel, image.small))
    return connection.defineXML(domain_xml(name, kernel, initramfs, **details))


@dataclass(frozen=True, slots=True)
class Guest:
    """A domain that runs on a host."""

    host: Host
    name: str


@contextmanager
def running_guest(host: Host, name: str, image: Image, **details: Any) -> Iterator[Guest]:
    """A domain that has booted, somebody logged in at its console, which is free; after the block it is gone.

    `details` are domain_xml's.
    """
    import libvirt

    connection, own = host.open(), host.open()
    domain = define_domain(connection, host, name, image, **details)
    try:
        domain.create()
        with Line(own, name) as line:
            line.log_in()
        own.close()
        yield Guest(host, name)
    finally:
        snapshots_too = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        for end in (domain.destroy, lambda: domain.undefineFlags(snapshots_too), connection.close):
            # It may have migrated, or its host may have died.
            with suppress(libvirt.libvirtError):
                end()


@contextmanager
def open_shell(connection: Any, name: str) -> Iterator[Line]:
    """At the prompt of a guest where somebody is logged in; `connection` should be one of its own."""
    with Line(connection, name) as line:
        # The prompt came before the line was open, and none would come by itself.
        line.type("\r")
        line.wake()
        yield line
