"""What the guest agent answers: guestosinfo, userlist and filesystemlist of a running instance."""

from __future__ import annotations

import zlib

from kvtui.demo.behaviour import CLOUD_USERS
from kvtui.demo.machines import running_since
from kvtui.demo.objects import GI, amount, has_condition
from kvtui.demo.storage import Object
from kvtui.demo.world import World

_API_VERSION = "subresources.kubevirt.io/v1"
_COMMANDS = [
    "guest-sync",
    "guest-ping",
    "guest-get-time",
    "guest-shutdown",
    "guest-fsfreeze-status",
    "guest-fsfreeze-freeze",
    "guest-fsfreeze-thaw",
    "guest-network-get-interfaces",
    "guest-get-vcpus",
    "guest-get-fsinfo",
    "guest-info",
    "guest-get-osinfo",
    "guest-get-timezone",
    "guest-get-users",
    "guest-get-host-name",
    "guest-exec",
]


class NoAgentError(Exception):
    """The agent cannot be asked; virt-api answers HTTP 500 with this text."""


def _conflict(vmi: Object, why: str) -> NoAgentError:
    name = vmi["metadata"]["name"]
    return NoAgentError(f'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "{name}": {why}')


def check_agent(vmi: Object) -> None:
    """Raise NoAgentError unless the instance runs with a connected agent."""
    if vmi.get("status", {}).get("phase") != "Running":
        raise _conflict(vmi, "VMI is not running")
    if not has_condition(vmi, "AgentConnected", "True"):
        raise _conflict(vmi, "VMI does not have guest agent connected")


def _file_systems(vmi: Object) -> list[Object]:
    seed = zlib.crc32(vmi["metadata"]["uid"].encode())
    size = 20.0 * GI
    for volume in vmi.get("status", {}).get("volumeStatus") or ():
        capacity = (volume.get("persistentVolumeClaimInfo") or {}).get("capacity") or {}
        size = amount(capacity.get("storage")) or size
        if capacity:
            break
    used = 0.2 + 0.7 * (seed % 97) / 97
    windows = vmi.get("status", {}).get("guestOSInfo", {}).get("id") == "mswindows"
    disk = [{"busType": "virtio"}]
    if windows:
        return [_file_system("C:", "C:\\", "NTFS", size, used, disk)]
    return [
        _file_system("vda1", "/", "xfs", size - GI, used, disk),
        _file_system("vda2", "/boot", "ext4", GI, 0.3, disk),
    ]


def _file_system(name: str, mount: str, kind: str, size: float, used: float, disk: list[Object]) -> Object:
    return {
        "disk": disk,
        "diskName": name,
        "fileSystemType": kind,
        "mountPoint": mount,
        "totalBytes": int(size),
        "usedBytes": int(size * used),
    }


def _users(world: World, vmi: Object) -> list[Object]:
    seed = zlib.crc32(vmi["metadata"]["uid"].encode())
    since = running_since(vmi) or world.clock.now
    system = vmi.get("status", {}).get("guestOSInfo", {}).get("id", "")
    if seed % 3 == 0:
        return []
    login = since.timestamp() + 90 + seed % 600
    if login > world.clock.now.timestamp():
        return []
    return [{"loginTime": login, "userName": CLOUD_USERS.get(system, "root")}]


def guest_os_info(world: World, vmi: Object) -> Object:
    """VirtualMachineInstanceGuestAgentInfo."""
    return {
        "apiVersion": _API_VERSION,
        "fsFreezeStatus": vmi["status"].get("fsFreezeStatus") or "thawed",
        "fsInfo": {"disks": _file_systems(vmi)},
        "guestAgentVersion": "9.1.0",
        "hostname": vmi["spec"].get("hostname") or vmi["metadata"]["name"],
        "kind": "VirtualMachineInstanceGuestAgentInfo",
        "metadata": {},
        "os": vmi.get("status", {}).get("guestOSInfo", {}),
        "supportedCommands": [{"enabled": True, "name": name} for name in _COMMANDS],
        "timezone": "UTC, 0",
        "userList": _users(world, vmi),
    }


def user_list(world: World, vmi: Object) -> Object:
    """VirtualMachineInstanceGuestOSUserList."""
    return {
        "apiVersion": _API_VERSION,
        "items": _users(world, vmi),
        "kind": "VirtualMachineInstanceGuestOSUserList",
        "metadata": {},
    }


def file_system_list(_: World, vmi: Object) -> Object:
    """VirtualMachineInstanceFileSystemList."""
    return {
        "apiVersion": _API_VERSION,
        "items": _file_systems(vmi),
        "kind": "VirtualMachineInstanceFileSystemList",
        "metadata": {},
    }
