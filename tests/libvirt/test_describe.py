"""From XML to records. The XML is that of libvirt 9.0 with QEMU 7.2, cut to what matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.libvirt.describe import describe_domain, parse, read_huge_pages, tell_differences
from kvtui.backends.libvirt.figures import Counters, compare, round_rate, take_sample
from kvtui.records.libvirt import Disk

XML = """
<domain type='qemu' id='3'>
  <name>db-1</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><title>Orders</title>
  <metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
    <libosinfo:os id="http://debian.org/debian/12"/></libosinfo:libosinfo></metadata>
  <memory unit='MiB'>512</memory><currentMemory unit='KiB'>262144</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <cpu mode='custom'><model fallback='forbid'>qemu64</model></cpu>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
      <source file='/pool/db-1.qcow2'/><backingStore type='file'><source file='/pool/base.qcow2'/></backingStore>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='volume' device='disk'><source pool='fast' volume='wal'/><target dev='vdb'/><shareable/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata' tray='open'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default' bridge='virbr0'/>
      <target dev='vnet3'/><model type='virtio'/></interface>
    <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/><link state='down'/></interface>
    <serial type='pty'><target port='0'/><alias name='serial0'/></serial>
    <console type='pty'><target type='serial' port='0'/><alias name='serial0'/></console>
    <console type='pty'><target type='virtio' port='1'/><alias name='console1'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
    <video><model type='virtio'/></video>
    <hostdev mode='subsystem' type='pci'><source>
      <address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source></hostdev>
  </devices>
</domain>
"""


def test_a_domain_is_told_with_all_that_rows_and_rules_read() -> None:
    domain = describe_domain(XML)
    assert (domain.metadata.name, domain.metadata.uid) == ("db-1", "6695eb01-f6a4-8304-79aa-97f2502e193f")
    assert (domain.vcpus, domain.vcpus_most) == (2, 4)
    assert (domain.memory, domain.memory_most) == (256 * 2**20, 512 * 2**20)
    assert (domain.os, domain.title, domain.machine, domain.firmware) == ("debian 12", "Orders", "pc-q35-7.2", "efi")
    assert domain.agent is True
    assert domain.screen
    assert domain.serials == ("serial0", "console1")
    assert domain.host_devices == ("pci 0000:3b:00.1",)
    assert domain.disks == (
        Disk(target="vda", bus="virtio", kind="file", source="/pool/db-1.qcow2", format="qcow2", cache="none",
             backing="/pool/base.qcow2"),
        Disk(target="vdb", kind="volume", source="fast/wal", shared=True),
        Disk(target="sda", device="cdrom", bus="sata", kind="file", read_only=True, open=True),
    )  # fmt: skip
    assert [(nic.mac, nic.source, nic.up) for nic in domain.nics] == [
        ("52:54:00:00:00:01", "default", True),
        ("52:54:00:00:00:02", "br0", False),
    ]


def test_what_differs_from_the_stored_machine_is_named() -> None:
    live = describe_domain(XML)
    changed = describe_domain(XML.replace(">4</vcpu>", ">8</vcpu>").replace("volume='wal'", "volume='wal2'"))
    assert tell_differences(live, changed) == ("CPUs 2 of 8 (now 2 of 4)", "disk vdb fast/wal2 (now fast/wal)")
    assert tell_differences(live, live) == ()


def test_what_comes_goes_or_is_chosen_anew_is_named() -> None:
    live = describe_domain(XML)
    without = describe_domain(
        XML.replace("dev='vdb'", "dev='vdc'").replace("<memory unit='MiB'>512", "<memory unit='GiB'>2")
    )
    assert tell_differences(live, without) == ("memory 2Gi (now 512Mi)", "no disk vdb", "new disk vdc")
    booted = describe_domain(XML.replace("</type></os>", "</type><boot dev='network'/><boot dev='hd'/></os>"))
    assert tell_differences(live, booted) == ("boot from network, hd (now nothing)",)
    ordered = XML.replace("<target dev='vda' bus='virtio'/>", "<target dev='vda' bus='virtio'/><boot order='2'/>")
    ordered = ordered.replace("<target dev='sda'", "<boot order='1'/><target dev='sda'")
    assert describe_domain(ordered).boot == ("sda", "vda")


def test_a_cpu_that_is_left_to_libvirt_is_no_difference() -> None:
    live = describe_domain(XML)
    chosen = "<cpu mode='custom'><model fallback='forbid'>qemu64</model></cpu>"
    assert tell_differences(live, describe_domain(XML.replace(chosen, "<cpu mode='host-model'/>"))) == ()
    passed = describe_domain(XML.replace(chosen, "<cpu mode='host-passthrough'/>"))
    assert tell_differences(live, passed) == ("CPU host-passthrough (now custom qemu64)",)
    assert tell_differences(passed, live) == ("CPU custom qemu64 (now host-passthrough)",)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("pc-q35-7.2", "pc-q35-5.2", ("machine pc-q35-5.2 (now pc-q35-7.2)",)),
        ("pc-q35-7.2", "pc-i440fx-7.2", ("machine pc-i440fx-7.2 (now pc-q35-7.2)",)),
        # The newest one of its kind, whichever that is.
        ("pc-q35-7.2", "q35", ()),
        ("pc-q35-7.2", "pc", ("machine pc (now pc-q35-7.2)",)),
        ("<acpi/>", "", ("no feature acpi",)),
        ("<apic/>", "<apic/><hyperv mode='custom'/>", ("new feature hyperv",)),
        # libvirt adds it to what runs, where the firmware needs it.
        ("<apic/>", "<apic/><smm state='on'/>", ()),
        ("<apic/>", "<apic/><vmport state='off'/>", ()),
        ("preserve</on_crash>", "restart</on_crash>", ("on_crash restart (now preserve)",)),
        ("<kernel>/boot/vmlinuz</kernel>", "", ("kernel nothing (now /boot/vmlinuz)",)),
        ("quiet", "debug", ("kernel command line",)),
        ("<video><model type='virtio'/>", "<video><model type='cirrus'/>", ("video cirrus (now virtio)",)),
    ],
)
def test_a_machine_that_will_be_another_for_its_guest_is_named(was: str, becomes: str, told: tuple[str, ...]) -> None:
    full = XML.replace("</type></os>", "</type><kernel>/boot/vmlinuz</kernel><cmdline>quiet</cmdline></os>")
    full = full.replace("<on_crash>", "<features><acpi/><apic/></features><on_crash>")
    assert was in full
    assert tell_differences(describe_domain(full), describe_domain(full.replace(was, becomes))) == told


def test_huge_pages_are_what_a_host_sets_aside_beside_its_smallest_pages() -> None:
    cell = """<cell id='{}'><memory unit='KiB'>16777216</memory><pages unit='KiB' size='4'>3145728</pages>
      <pages unit='KiB' size='2048'>1024</pages><pages unit='KiB' size='1048576'>1</pages></cell>"""
    cells = "".join(cell.format(number) for number in range(2))
    told = f"<capabilities><host><topology><cells>{cells}</cells></topology></host></capabilities>"
    assert read_huge_pages(parse(told)) == 2 * (2 + 1) * 2**30
    assert read_huge_pages(parse("<capabilities><host/></capabilities>")) == 0
    assert describe_domain("<domain><memoryBacking><hugepages/></memoryBacking></domain>").huge_pages


@given(st.text(max_size=200))
def test_text_that_is_no_xml_is_a_fault_and_no_error(text: str) -> None:
    domain = describe_domain(text)
    assert domain.fault or domain.metadata.name == ""


def test_names_of_a_hostile_host_reach_nobody_with_control_characters() -> None:
    domain = describe_domain("<domain><name>a&#x9b;31m\u202eb</name><title>x&#x85;y</title></domain>")
    assert domain.metadata.name.isprintable()
    assert domain.title.isprintable()


def test_use_is_what_the_counters_grew_by() -> None:
    counters: Counters = {
        "cpu.time": 10**9, "net.count": 0, "block.count": 2,
        "block.0.name": "vda", "block.0.rd.bytes": 0, "block.0.wr.bytes": 0,
        "block.1.name": "vda", "block.1.rd.bytes": 7, "block.1.backingIndex": 1,
    }  # fmt: skip
    before = take_sample(counters, 100.0)
    later = {**counters, "cpu.time": 4 * 10**9, "block.0.rd.bytes": 4_000_000, "block.1.rd.bytes": 9_000_000}
    use = compare(before, take_sample(later, 102.0))
    assert use is not None
    assert (use.cpu, use.read, use.written) == (1.5, 2_000_000.0, 0.0)


def test_counters_that_went_back_tell_nothing() -> None:
    after = take_sample({"cpu.time": 5}, 2.0)
    assert compare(take_sample({"cpu.time": 10**9}, 1.0), after) is None
    assert compare(None, after) is None


@given(st.floats(min_value=0, max_value=1e13))
def test_rates_are_told_with_two_digits(rate: float) -> None:
    told = round_rate(rate)
    assert abs(told - rate) <= max(100.0, rate * 0.06)
    assert len(str(int(told)).rstrip("0")) <= 2


def test_all_layers_of_a_disk_are_told_and_those_of_its_mirror_are_not() -> None:
    store = "<backingStore type='file'><source file='/{}'/>{}</backingStore>"
    disk = f"<target dev='vda'/>{store.format('middle', store.format('base', '<backingStore/>'))}"
    mirror = f"<mirror type='file'>{store.format('other', '')}</mirror>"
    xml = f"<domain><name>web</name><devices><disk type='file'>{disk}{mirror}</disk></devices></domain>"
    assert describe_domain(xml).disks[0].layers == ("/middle", "/base")
