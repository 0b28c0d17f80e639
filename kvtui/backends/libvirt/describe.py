"""From libvirt's XML to records: pure. Elements: libvirt's formatdomain.html."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

from kvtui.records.base import Meta
from kvtui.records.libvirt import Disk, Domain, Nic
from kvtui.text import clean_line, size

_UNITS: Final = {
    "b": 1, "bytes": 1, "kb": 10**3, "k": 2**10, "kib": 2**10, "mb": 10**6, "m": 2**20, "mib": 2**20, "gb": 10**9,
    "g": 2**30, "gib": 2**30, "tb": 10**12, "t": 2**40, "tib": 2**40,
}  # fmt: skip
_LIBOSINFO: Final = "{http://libosinfo.org/xmlns/libvirt/domain/1.0}"
_NEWEST: Final = {"pc": "pc-i440fx", "q35": "pc-q35"}
"""Names of machine types without a version, where they do not begin those with one."""
_FILLED_IN: Final = frozenset({"smm"})
"""Features that libvirt adds to the running machine where its firmware needs them."""
_AGENT: Final = "org.qemu.guest_agent.0"


def describe_domain(xml: str) -> Domain:
    """What the XML of a domain tells; state and figures are left as they are by default. Broken XML is a fault."""
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        return Domain(fault=clean_line(f"its XML cannot be read: {error}"))
    name, uuid = _text(root, "name"), _text(root, "uuid")
    vcpu = root.find("vcpu")
    most = _number(vcpu.text) if vcpu is not None else 0
    os_type = root.find("os/type")
    return Domain(
        metadata=Meta(name=name, uid=uuid),
        title=_text(root, "title"),
        driver=_attribute(root, "type"),
        arch=_attribute(os_type, "arch"),
        machine=_attribute(os_type, "machine"),
        cpu_mode=_attribute(root.find("cpu"), "mode"),
        cpu_model=_text(root, "cpu/model"),
        firmware=_attribute(root.find("os"), "firmware") or ("efi" if root.find("os/loader") is not None else ""),
        features=_features(root),
        kernel=" ".join(filter(None, (_text(root, "os/kernel"), _text(root, "os/initrd")))),
        command_line=_text(root, "os/cmdline"),
        video=tuple(_attribute(model, "type") for model in root.iterfind("devices/video/model")),
        boot=_boot(root),
        vcpus=_number(vcpu.get("current")) or most if vcpu is not None else 0,
        vcpus_most=most,
        memory=_amount(root.find("currentMemory")) or _amount(root.find("memory")),
        memory_most=_amount(root.find("memory")),
        huge_pages=root.find("memoryBacking/hugepages") is not None,
        os=_os(root),
        agent=_agent(root),
        disks=tuple(map(_disk, root.iterfind("devices/disk"))),
        nics=tuple(map(_nic, root.iterfind("devices/interface"))),
        serials=tuple(_serials(root)),
        serial_log=_attribute(root.find("devices/serial/log"), "file"),
        screen=root.find("devices/video") is not None,
        host_devices=tuple(map(_host_device, root.iterfind("devices/hostdev"))),
        on_crash=_text(root, "on_crash"),
    )


def tell_differences(live: Domain, stored: Domain) -> tuple[str, ...]:
    """In what a running domain differs from what is stored for its next start: ``memory 8Gi (now 4Gi)``."""
    pairs = [
        ("CPUs", _cpus(stored), _cpus(live)),
        ("memory", size(stored.memory_most), size(live.memory_most)),
        ("boot from", ", ".join(stored.boot), ", ".join(live.boot)),
        ("kernel", stored.kernel, live.kernel),
        ("video", ", ".join(stored.video), ", ".join(live.video)),
        ("on_crash", stored.on_crash, live.on_crash),
    ]
    if not _leaves_cpu_to_libvirt(stored, live):
        pairs.append(("CPU", _cpu(stored), _cpu(live)))
    if not _is_called(live.machine, stored.machine):
        pairs.append(("machine", stored.machine, live.machine))
    found = [_tell_change(noun, then, now) for noun, then, now in pairs if then != now]
    found += _changed("feature", dict.fromkeys(live.features, ""), dict.fromkeys(stored.features, ""))
    disks = ({disk.target: disk.source for disk in live.disks}, {disk.target: disk.source for disk in stored.disks})
    found += _changed("disk", *disks)
    nics = ({nic.mac: nic.source for nic in live.nics}, {nic.mac: nic.source for nic in stored.nics})
    found += _changed("interface", *nics)
    if live.command_line != stored.command_line:
        found.append("kernel command line")
    if live.title != stored.title:
        found.append("title")
    return tuple(found)


def _tell_change(noun: str, then: str, now: str) -> str:
    return f"{noun} {then or 'nothing'} (now {now or 'nothing'})"


def read_huge_pages(capabilities: ET.Element) -> int:
    """Bytes that a host sets aside for pages larger than its smallest ones, from its capabilities."""
    pages = [
        (_number(element.get("size")) * _UNITS.get((element.get("unit") or "KiB").lower(), 1), _number(element.text))
        for element in capabilities.iterfind("host/topology/cells/cell/pages")
    ]
    smallest = min((size for size, _ in pages), default=0)
    return sum(size * count for size, count in pages if size > smallest)


def parse(xml: str) -> ET.Element:
    """The root of an XML document of libvirt; one without anything for text that is none."""
    try:
        return ET.fromstring(xml)
    except ET.ParseError:
        return ET.Element("unreadable")


def text_at(root: ET.Element, path: str) -> str:
    """The text of an element, cleaned; empty where there is none."""
    return _text(root, path)


def attribute_at(root: ET.Element, path: str, name: str) -> str:
    """An attribute of an element, cleaned; empty where there is none."""
    return _attribute(root.find(path), name)


def amount_at(root: ET.Element, path: str) -> int:
    """An amount with its unit, in bytes; 0 where there is none."""
    return _amount(root.find(path))


def _changed(noun: str, live: dict[str, str], stored: dict[str, str]) -> list[str]:
    """``no disk vdb``, ``new disk vdc``, ``disk vda /b (now /a)``."""
    gone = [f"no {noun} {key}" for key in sorted(live.keys() - stored.keys())]
    new = [f"new {noun} {key}" for key in sorted(stored.keys() - live.keys())]
    both = sorted(live.keys() & stored.keys())
    other = [_tell_change(f"{noun} {key}", stored[key], live[key]) for key in both if stored[key] != live[key]]
    return [*other, *gone, *new]


def _cpus(domain: Domain) -> str:
    return str(domain.vcpus) if domain.vcpus == domain.vcpus_most else f"{domain.vcpus} of {domain.vcpus_most}"


def _cpu(domain: Domain) -> str:
    return " ".join(filter(None, (domain.cpu_mode, domain.cpu_model)))


def _leaves_cpu_to_libvirt(stored: Domain, live: Domain) -> bool:
    """Whether nobody chose the CPU: libvirt writes what it made of that into the running machine."""
    return stored.cpu_mode in ("", "host-model", "maximum") and live.cpu_mode != "host-passthrough"


def _is_called(machine: str, name: str) -> bool:
    """Whether a name of a machine type may mean this one: without a version it means the newest, ``q35`` pc-q35-9.0."""
    return not machine or not name or machine == name or machine.startswith(f"{_NEWEST.get(name, name)}-")


def _features(root: ET.Element) -> tuple[str, ...]:
    found = {feature.tag for feature in root.iterfind("features/*") if feature.get("state") != "off"}
    return tuple(sorted(map(clean_line, found - _FILLED_IN)))


def _boot(root: ET.Element) -> tuple[str, ...]:
    """The order of kinds of devices, or that of devices."""
    ordered = []
    for device in root.iterfind("devices/*"):
        boot, target, mac = device.find("boot"), device.find("target"), device.find("mac")
        if boot is not None:
            name = _attribute(mac, "address") or _attribute(target, "dev") or device.tag
            ordered.append((_number(boot.get("order")), name))
    kinds = tuple(_attribute(kind, "dev") for kind in root.iterfind("os/boot"))
    return kinds or tuple(name for _, name in sorted(ordered))


def _text(root: ET.Element, path: str) -> str:
    return clean_line((root.findtext(path) or "").strip())


def _attribute(element: ET.Element | None, name: str) -> str:
    return clean_line(element.get(name) or "") if element is not None else ""


def _number(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() else 0


def _amount(element: ET.Element | None) -> int:
    if element is None:
        return 0
    return _number(element.text) * _UNITS.get((element.get("unit") or "KiB").lower(), 1)


def _os(root: ET.Element) -> str:
    """``http://debian.org/debian/12`` is told as ``debian 12``."""
    found = root.find(f"metadata/{_LIBOSINFO}libosinfo/{_LIBOSINFO}os")
    return " ".join(_attribute(found, "id").rstrip("/").split("/")[-2:])


def _agent(root: ET.Element) -> bool | None:
    for target in root.iterfind("devices/channel/target"):
        if target.get("name") == _AGENT:
            return target.get("state") == "connected"
    return None


def _serials(root: ET.Element) -> list[str]:
    """Serial lines, then consoles that are none of them."""
    found = [_attribute(serial.find("alias"), "name") for serial in root.iterfind("devices/serial")]
    for console in root.iterfind("devices/console"):
        if _attribute(console.find("target"), "type") not in ("", "serial") or not found:
            found.append(_attribute(console.find("alias"), "name"))
    return found


def _disk(element: ET.Element) -> Disk:
    source, driver = element.find("source"), element.find("driver")
    target = element.find("target")
    backing, *below = _layers(element) or [""]
    return Disk(
        target=_attribute(target, "dev"),
        device=_attribute(element, "device") or "disk",
        bus=_attribute(target, "bus"),
        kind=_attribute(element, "type"),
        source=_source(source),
        format=_attribute(driver, "type"),
        read_only=element.find("readonly") is not None,
        shared=element.find("shareable") is not None,
        cache=_attribute(driver, "cache"),
        backing=backing,
        below=tuple(below),
        mirror=_attribute(element.find("mirror"), "job"),
        mirror_ready=_attribute(element.find("mirror"), "ready") == "yes",
        open=_attribute(target, "tray") == "open",
    )


def _layers(disk: ET.Element) -> list[str]:
    """What it stands on, the nearest first: each layer is described within the one above."""
    found = []
    store = disk.find("backingStore")
    while store is not None:
        found.append(_source(store.find("source")))
        store = store.find("backingStore")
    return [name for name in found if name]


def _source(source: ET.Element | None) -> str:
    if source is None:
        return ""
    if source.get("pool"):
        return f"{_attribute(source, 'pool')}/{_attribute(source, 'volume')}"
    for name in ("file", "dev", "dir", "name"):
        if source.get(name):
            return _attribute(source, name)
    return ""


def _nic(element: ET.Element) -> Nic:
    source = element.find("source")
    names = (_attribute(source, name) for name in ("network", "bridge", "dev", "portgroup"))
    return Nic(
        mac=_attribute(element.find("mac"), "address"),
        kind=_attribute(element, "type"),
        source=next((name for name in names if name), ""),
        model=_attribute(element.find("model"), "type"),
        target=_attribute(element.find("target"), "dev"),
        up=_attribute(element.find("link"), "state") != "down",
    )


def _host_device(element: ET.Element) -> str:
    address = element.find("source/address")
    parts = [_attribute(address, name).removeprefix("0x") for name in ("domain", "bus", "slot", "function")]
    where = f" {parts[0]}:{parts[1]}:{parts[2]}.{parts[3]}" if address is not None and parts[2] else ""
    return f"{_attribute(element, 'type')}{where}"
