"""What a machine prints on its serial line from power on to the login prompt, and on its way down."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from kvtui.demo.guests.filesystem import command_line
from kvtui.demo.guests.system import Facts, System, Unit

OK = "[\x1b[0;32m  OK  \x1b[0m]"
FAILED = "[\x1b[0;1;31mFAILED\x1b[0m]"
KERNEL_STARTS = 2.4  # seconds after power on
SYSTEMD_STARTS = 1.62  # on the kernel's clock


@dataclass(frozen=True)
class Line:
    """Text printed `at` seconds after the script began. `source` names who also writes it to its log."""

    at: float
    text: str
    source: Literal["firmware", "kernel", "systemd"]


_FIRMWARE = (
    (0.05, "SeaBIOS (version 1.16.3-4.el9)\n"),
    (0.10, "Machine UUID {uuid}\n"),
    (0.35, "\n\niPXE (http://ipxe.org) 00:02.0 C000 PCI2.10 PnP PMM+7EFCB090+7EF0B090 C000\n\n"),
    (0.60, "\n\nBooting from Hard Disk...\n"),
)
_GRUB = (
    (0.95, "GRUB loading.\nWelcome to GRUB!\n\n"),
    (2.10, "  Booting `{pretty}'\n\n"),
)
_KERNEL = (
    (
        0.0,
        "Linux version {kernel} (mockbuild@builder) (gcc (GCC) 14.2.1, GNU ld version 2.43.1) #1 SMP PREEMPT_DYNAMIC",
    ),
    (0.0, "Command line: {cmdline}"),
    (0.0, "BIOS-provided physical RAM map:"),
    (0.0, "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable"),
    (0.0, "BIOS-e820: [mem 0x0000000000100000-0x{top:016x}] usable"),
    (0.0, "NX (Execute Disable) protection: active"),
    (0.0, "SMBIOS 2.8 present."),
    (0.0, "DMI: KubeVirt None/RHEL, BIOS 1.16.3-4.el9 04/01/2014"),
    (0.0, "Hypervisor detected: KVM"),
    (0.000001, "kvm-clock: Using msrs 4b564d01 and 4b564d00"),
    (0.000003, "kvm-clock: using sched offset of 8371921446 cycles"),
    (0.000009, "tsc: Detected 2099.998 MHz processor"),
    (0.011, "ACPI: RSDP 0x00000000000F5230 000014 (v00 BOCHS )"),
    (0.012, "ACPI: RSDT 0x000000007FFE2A2E 000038 (v01 BOCHS  BXPC     00000001 BXPC 00000001)"),
    (0.021, "Zone ranges:"),
    (0.021, "  DMA      [mem 0x0000000000001000-0x0000000000ffffff]"),
    (0.022, "  DMA32    [mem 0x0000000001000000-0x00000000ffffffff]"),
    (0.035, "smpboot: Allowing {cpus} CPUs, 0 hotplug CPUs"),
    (0.051, "Kernel command line: {cmdline}"),
    (0.088, "Memory: {free}K/{total}K available (20480K kernel code, 4260K rwdata, 14384K rodata, 4856K init)"),
    (0.093, "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs={cpus}, Nodes=1"),
    (0.097, "rcu: Hierarchical RCU implementation."),
    (0.121, "Console: colour VGA+ 80x25"),
    (0.131, "printk: legacy console [tty0] enabled"),
    (0.252, "printk: legacy console [ttyS0] enabled"),
    (0.263, "Calibrating delay loop (skipped) preset value.. 4199.99 BogoMIPS (lpj=2099998)"),
    (0.271, "Mount-cache hash table entries: 8192 (order: 4, 65536 bytes, linear)"),
    (0.280, "Spectre V2 : Mitigation: Enhanced / Automatic IBRS"),
    (0.391, "smpboot: CPU0: Intel Xeon Processor (SapphireRapids) (family: 0x6, model: 0x8f, stepping: 0x4)"),
    (0.410, "smp: Bringing up secondary CPUs ..."),
    (0.446, "smp: Brought up 1 node, {cpus} CPUs"),
    (0.447, "smpboot: Total of {cpus} processors activated"),
    (0.470, "devtmpfs: initialized"),
    (0.491, "NET: Registered PF_NETLINK/PF_ROUTE protocol family"),
    (0.530, "ACPI: bus type PCI registered"),
    (0.561, "PCI: Using configuration type 1 for base access"),
    (0.642, "ACPI: Enabled 2 GPEs in block 00 to 3F"),
    (0.660, "pci 0000:01:00.0: [1af4:1041] type 00 class 0x020000 PCIe Endpoint"),
    (0.667, "pci 0000:04:00.0: [1af4:1042] type 00 class 0x010000 PCIe Endpoint"),
    (0.702, "clocksource: Switched to clocksource kvm-clock"),
    (0.733, "NET: Registered PF_INET protocol family"),
    (0.790, "Unpacking initramfs..."),
    (1.011, "Freeing initrd memory: 36744K"),
    (1.040, "workingset: timestamp_bits=36 max_order=20 bucket_order=0"),
    (1.101, "Serial: 8250/16550 driver, 32 ports, IRQ sharing enabled"),
    (1.122, "00:00: ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A"),
    (1.160, "virtio_blk virtio2: {cpus}/0/0 default/read/poll queues"),
    (1.171, "virtio_blk virtio2: [vda] 41943040 512-byte logical blocks (21.5 GB/20.0 GiB)"),
    (1.190, " vda: vda1 vda2"),
    (1.220, "virtio_net virtio0 enp1s0: renamed from eth0"),
    (1.301, "input: QEMU QEMU USB Tablet as /devices/pci0000:00/usb1/1-1/1-1:1.0/input/input4"),
    (1.388, "Freeing unused kernel image (initmem) memory: 4856K"),
    (1.402, "Write protecting the kernel read-only data: 36864k"),
    (1.431, "Run /init as init process"),
)
_SYSTEMD_BANNER = (
    "systemd[1]: systemd 256 running in system mode (+PAM +AUDIT +SELINUX +SECCOMP +GCRYPT +OPENSSL +ACL)",
    "systemd[1]: Detected virtualization kvm.",
    "systemd[1]: Detected architecture x86-64.",
)
_SYSTEMD = (
    "Created slice \x1b[0;1;39msystem-getty.slice\x1b[0m - Slice /system/getty.",
    "Created slice \x1b[0;1;39msystem-serial\\x2dgetty.slice\x1b[0m - Slice /system/serial-getty.",
    "Started \x1b[0;1;39msystemd-ask-password-wall.path\x1b[0m - Forward Password Requests to Wall.",
    "Reached target \x1b[0;1;39mslices.target\x1b[0m - Slice Units.",
    "Reached target \x1b[0;1;39mswap.target\x1b[0m - Swaps.",
    "Listening on \x1b[0;1;39msystemd-journald.socket\x1b[0m - Journal Sockets.",
    "Listening on \x1b[0;1;39msystemd-udevd-kernel.socket\x1b[0m - udev Kernel Socket.",
    "Mounted \x1b[0;1;39mdev-hugepages.mount\x1b[0m - Huge Pages File System.",
    "Mounted \x1b[0;1;39mdev-mqueue.mount\x1b[0m - POSIX Message Queue File System.",
    "Finished \x1b[0;1;39msystemd-modules-load.service\x1b[0m - Load Kernel Modules.",
    "Finished \x1b[0;1;39msystemd-sysctl.service\x1b[0m - Apply Kernel Variables.",
    "Found device \x1b[0;1;39mdev-ttyS0.device\x1b[0m - /dev/ttyS0.",
    "Finished \x1b[0;1;39msystemd-fsck-root.service\x1b[0m - File System Check on /dev/vda2.",
    "Mounted \x1b[0;1;39mboot.mount\x1b[0m - /boot.",
    "Reached target \x1b[0;1;39mlocal-fs.target\x1b[0m - Local File Systems.",
    "Finished \x1b[0;1;39mcloud-init-local.service\x1b[0m - Initial cloud-init job (pre-networking).",
    "Reached target \x1b[0;1;39msysinit.target\x1b[0m - System Initialization.",
    "Reached target \x1b[0;1;39mtimers.target\x1b[0m - Timer Units.",
    "Reached target \x1b[0;1;39mbasic.target\x1b[0m - Basic System.",
)
_SYSTEMD_LAST = (
    "Reached target \x1b[0;1;39mnetwork-online.target\x1b[0m - Network is Online.",
    "Started \x1b[0;1;39mgetty@tty1.service\x1b[0m - Getty on tty1.",
    "Started \x1b[0;1;39mserial-getty@ttyS0.service\x1b[0m - Serial Getty on ttyS0.",
    "Reached target \x1b[0;1;39mgetty.target\x1b[0m - Login Prompts.",
    "Reached target \x1b[0;1;39mmulti-user.target\x1b[0m - Multi-User System.",
)


def boot_lines(system: System) -> list[Line]:
    """The whole boot of a guest. Windows says nothing on a serial line once the firmware is done."""
    facts = system.facts
    values = _values(facts)
    lines = [Line(at, text.format(**values), "firmware") for at, text in _FIRMWARE]
    if facts.os_id == "windows":
        return lines
    lines += [Line(at, text.format(**values), "firmware") for at, text in _GRUB]
    lines += _kernel_lines(values, random.Random(facts.seed))
    return lines + _systemd_lines(system, random.Random(facts.seed))


def shutdown_lines(system: System, *, reboot: bool) -> list[Line]:
    """A guest going down in order, ending with the kernel's last words."""
    stopping = [unit for unit in system.units.values() if unit.state == "active"]
    texts = ["Stopped target \x1b[0;1;39mmulti-user.target\x1b[0m - Multi-User System."]
    texts += [f"Stopped \x1b[0;1;39m{unit.name}.service\x1b[0m - {unit.description}." for unit in reversed(stopping)]
    texts += [
        "Unmounted \x1b[0;1;39mboot.mount\x1b[0m - /boot.",
        f"Reached target \x1b[0;1;39m{'reboot' if reboot else 'poweroff'}.target\x1b[0m - System "
        f"{'Reboot' if reboot else 'Power Off'}.",
    ]
    lines = [Line(0.1 + 0.12 * number, f"{OK} {text}\n", "systemd") for number, text in enumerate(texts)]
    last = lines[-1].at + 0.4
    ending = "reboot: Restarting system" if reboot else "reboot: Power down"
    return [*lines, Line(last, f"[{system.uptime + last:12.6f}] {ending}\n", "kernel")]


def _values(facts: Facts) -> dict[str, object]:
    draw = random.Random(facts.seed)
    digits = f"{draw.getrandbits(128):032x}"
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    total = facts.memory_mib * 1024
    return {
        "uuid": uuid,
        "kernel": facts.kernel,
        "pretty": f"{facts.os_name} ({facts.kernel}) {facts.os_version}",
        "cmdline": command_line(facts.kernel),
        "cpus": facts.cpus,
        "top": facts.memory_mib * (1 << 20) - 1,
        "total": total,
        "free": int(total * 0.952),
    }


def _kernel_lines(values: dict[str, object], draw: random.Random) -> list[Line]:
    lines = []
    stamp = 0.0
    for at, text in _KERNEL:
        stamp = max(stamp, at + (draw.random() * 0.0009 if at > 0.001 else 0.0))
        lines.append(Line(KERNEL_STARTS + stamp, f"[{stamp:12.6f}] {text.format(**values)}\n", "kernel"))
    stamp = SYSTEMD_STARTS
    for text in _SYSTEMD_BANNER:
        stamp += 0.004
        lines.append(Line(KERNEL_STARTS + stamp, f"[{stamp:12.6f}] {text}\n", "kernel"))
    return lines


def _systemd_lines(system: System, draw: random.Random) -> list[Line]:
    at = KERNEL_STARTS + SYSTEMD_STARTS + 0.1
    lines = [Line(at, f"\nWelcome to \x1b[0;34m{system.facts.pretty_name}\x1b[0m!\n\n", "systemd")]
    texts = [f"{OK} {text}" for text in _SYSTEMD]
    texts += [_unit_line(unit) for unit in system.units.values()]
    texts += [f"{OK} {text}" for text in _SYSTEMD_LAST]
    for text in texts:
        at += 0.02 + draw.random() * 0.18
        lines.append(Line(at, text + "\n", "systemd"))
    return lines


def _unit_line(unit: Unit) -> str:
    name = f"\x1b[0;1;39m{unit.name}.service\x1b[0m"
    if unit.state == "failed":
        return (
            f"{FAILED} Failed to start {name} - {unit.description}.\n"
            f"See 'systemctl status {unit.name}.service' for details."
        )
    return f"{OK} Started {name} - {unit.description}."
