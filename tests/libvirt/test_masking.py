"""The XML that is shown holds nothing that opens doors, and all else as it was."""

from __future__ import annotations

import pytest

from kvtui.backends.libvirt.masking import MASK, mask_xml

SECRET = "geheim"
PLACES = (
    f"<devices><graphics type='vnc' passwd='{SECRET}'/></devices>",
    f"<devices><graphics type='spice' port='1' passwd=\"{SECRET}\" passwdValidTo='2026-01-01T00:00:00'/></devices>",
    f"<devices><disk><auth username='{SECRET}'><secret type='ceph' uuid='{SECRET}'/></auth></disk></devices>",
    f"<sysinfo type='smbios'><system><entry name='serial'>ds=nocloud;s={SECRET}</entry></system></sysinfo>",
    f"<sysinfo type='smbios'><oemStrings><entry>io.systemd.credential:passwd={SECRET}</entry></oemStrings></sysinfo>",
    f"<sysinfo type='fwcfg'><entry name='opt/com.coreos/config'>{SECRET}</entry></sysinfo>",
    "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-fw_cfg'/>"
    f"<q:arg value='name=opt/com.coreos/config,string={SECRET}'/></q:commandline>",
    f"<x:commandline xmlns:x='http://libvirt.org/schemas/domain/qemu/1.0'><x:env name='T' value='{SECRET}'/>"
    "</x:commandline>",
    f"<launchSecurity type='sev'><session>{SECRET}</session></launchSecurity>",
)


@pytest.mark.parametrize("part", PLACES)
def test_a_secret_is_hidden_wherever_libvirt_keeps_one(part: str) -> None:
    text = mask_xml(f"<domain>\n  <name>web</name>\n  {part}\n</domain>")
    assert SECRET not in text
    assert MASK in text
    assert "<name>web</name>" in text


def test_what_is_no_secret_stays_as_it_was() -> None:
    xml = (
        '<domain type="kvm">\n  <!-- by hand -->\n  <sysinfo type="smbios">\n    <system>\n'
        '      <entry name="manufacturer">ACME</entry>\n    </system>\n  </sysinfo>\n'
        '  <m:os xmlns:m="http://libosinfo.org/xmlns/libvirt/domain/1.0" id="debian"/>\n</domain>'
    )
    assert mask_xml(xml) == xml


def test_control_characters_do_not_get_through() -> None:
    assert "\x9b" not in mask_xml("<domain><title>a&#x9b;31mb</title></domain>")


def test_what_is_no_xml_is_not_shown_at_all() -> None:
    with pytest.raises(ValueError, match="line 1"):
        mask_xml("<domain><graphics passwd='geheim'>")
