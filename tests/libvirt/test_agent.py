"""What a guest agent tells, as a record: whatever it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvtui.backends.libvirt.agent import describe_guest
from kvtui.records.libvirt import Address, Filesystem, Guest

# virDomainGetGuestInfo of a Debian guest with qemu-ga 7.2, cut.
TOLD = {
    "os.id": "debian", "os.name": "Debian GNU/Linux", "os.pretty-name": "Debian GNU/Linux 12 (bookworm)",
    "os.version": "12 (bookworm)", "os.kernel-release": "6.1.0-18-amd64", "hostname": "db-1",
    "timezone.name": "CET", "timezone.offset": 3600, "user.count": 1, "user.0.name": "root",
    "fs.count": 1, "fs.0.name": "vda1", "fs.0.mountpoint": "/", "fs.0.fstype": "ext4",
    "fs.0.total-bytes": 1000, "fs.0.used-bytes": 970,
    "if.count": 2, "if.0.name": "lo", "if.0.addr.count": 1, "if.0.addr.0.addr": "127.0.0.1",
    "if.1.name": "eth0", "if.1.hwaddr": "52:54:00:00:00:01", "if.1.addr.count": 1, "if.1.addr.0.addr": "10.0.0.7",
}  # fmt: skip


def test_what_the_agent_tells_is_a_record() -> None:
    assert describe_guest(TOLD, 0.5) == Guest(
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0-18-amd64",
        hostname="db-1",
        timezone="CET",
        users=("root",),
        filesystems=(Filesystem("/", "ext4", "vda1", 1000, 970),),
        addresses=(Address("52:54:00:00:00:01", "10.0.0.7", "agent"),),
        clock=0.5,
    )


def test_a_guest_that_claims_a_million_users_is_not_believed() -> None:
    assert describe_guest({"user.count": 10**9, "user.0.name": "a\x1b[2Jb"}).users == ("a\ufffd[2Jb",)


@given(st.dictionaries(st.sampled_from(sorted(TOLD)), st.one_of(st.text(), st.integers(), st.floats(), st.none())))
def test_no_answer_breaks_it(told: dict[str, object]) -> None:
    assert "\x1b" not in repr(describe_guest(told))
