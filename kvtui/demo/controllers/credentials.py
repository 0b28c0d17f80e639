"""Access credentials: what virt-launcher brings from their Secrets into guests, and virt-handler tells of that.

Source: KubeVirt ``pkg/virt-launcher/virtwrap/access-credentials`` and ``updateAccessCredentialConditions`` of
``pkg/virt-handler``. The condition is written anew only when its status or message changes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kvtui.demo import kinds
from kvtui.demo.behaviour import system_of
from kvtui.demo.controllers.base import Controller, Key
from kvtui.demo.controllers.events import HANDLER
from kvtui.demo.objects import condition, deleting, has_condition, remove_condition, set_condition
from kvtui.demo.storage import Change, Object

if TYPE_CHECKING:
    from kvtui.demo.world import World

SYNCHRONIZED = "AccessCredentialsSynchronized"
_OFFLINE = "Guest agent is offline"
_TICK = 15.0
"""Seconds between two looks of virt-launcher at whether something has changed."""
_SOONEST, _SPREAD = 20, 70
"""Seconds until kubelet has brought a Secret that changed into a pod, at least, and by how many it may be later."""
_NO_USER = {
    "windows": "failed to set password: The user name could not be found.",
    "": "child process has failed to set user password",
}


class AccessCredentials(Controller):
    """virt-launcher and virt-handler, as far as they heed Secrets with passwords and keys."""

    kinds = (kinds.VMI, kinds.SECRET)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._changed: dict[Key, float] = {}
        """By Secret: when it was written to last."""
        self._read: dict[str, float] = {}
        """By instance: when its Secrets were read last; those of the seed were before all."""

    def keys_for(self, change: Change) -> Iterable[Key]:
        """An instance, and those that name a Secret."""
        if change.kind is kinds.VMI:
            return ((change.namespace, change.name),)
        self._changed[change.namespace, change.name] = self.clock.elapsed
        return [
            (vmi["metadata"]["namespace"], vmi["metadata"]["name"])
            for vmi in self.storage.list(kinds.VMI, change.namespace)
            if change.name in secrets_of(vmi)
        ]

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring what is new in the Secrets of an instance into its guest."""
        vmi = self.storage.peek(kinds.VMI, namespace, name)
        if vmi is None or deleting(vmi) or vmi["status"].get("phase") != "Running" or not secrets_of(vmi):
            return
        key, uid = (namespace, name), vmi["metadata"]["uid"]
        if not has_condition(vmi, "AgentConnected", "True"):
            if self.elapsed(key, uid, "agent", _TICK):
                self._tell(vmi, _OFFLINE)
            return
        self.restart_stage(uid, "agent")
        told = condition(vmi, SYNCHRONIZED)
        if told is not None and told.get("message") != _OFFLINE:
            changed = max(self._changed.get((namespace, secret), -1.0) for secret in secrets_of(vmi))
            if changed <= self._read.get(uid, -1.0):
                return
            left = changed + _SOONEST + zlib.crc32(uid.encode()) % _SPREAD - self.clock.elapsed
            if left > 0:
                self.enqueue(key, left)
                return
        self._read[uid] = self.clock.elapsed
        self._tell(vmi, next(self._failures(vmi), ""))

    def _failures(self, vmi: Object) -> Iterator[str]:
        """What virt-launcher says of users that the guest does not have."""
        system = system_of(vmi)
        for credential in vmi["spec"].get("accessCredentials") or ():
            password, key = credential.get("userPassword"), credential.get("sshPublicKey")
            if password is not None and secret_of(password):
                secret = self.storage.find(kinds.SECRET, vmi["metadata"]["namespace"], secret_of(password)) or {}
                for user in sorted((secret.get("data") or {}).keys() - system.users):
                    words = _NO_USER.get(system.key, _NO_USER[""])
                    yield (
                        f"Error encountered setting password for user [{user}]: LibvirtError(Code=1, Domain=10, "
                        "Message='internal error: unable to execute QEMU agent command 'guest-set-user-password': "
                        f"{words}')"
                    )
            if key is not None and secret_of(key):
                for user in (key["propagationMethod"]["qemuGuestAgent"] or {}).get("users") or ():
                    if user not in system.users:
                        yield (
                            f"Error encountered writing ssh pub key access credentials for user [{user}]: "
                            f"Unable to detect home directory of user {user}"
                        )

    def _tell(self, vmi: Object, failure: str) -> None:
        """Write the condition, and an event, where they say something else than before."""
        meta, status = vmi["metadata"], "False" if failure else "True"
        told = condition(vmi, SYNCHRONIZED)
        if told is not None and (told["status"], told.get("message", "")) == (status, failure):
            return
        now = self.clock.stamp()

        def write(found: Object) -> None:
            remove_condition(found, SYNCHRONIZED)
            set_condition(found, SYNCHRONIZED, status, now, message=failure)

        self.storage.modify(kinds.VMI, meta["namespace"], meta["name"], write)
        words = f"Access credentials sync failed: {failure}" if failure else "Access credentials sync successful."
        severity, reason = ("Warning", "SyncFailed") if failure else ("Normal", "SyncSuccess")
        node = vmi["status"].get("nodeName", "")
        self.world.events.record(kinds.VMI, vmi, severity, HANDLER, f"AccessCredentials{reason}", words, host=node)


def secrets_of(vmi: Object) -> list[str]:
    """The Secrets of an instance that come into its guest by the agent."""
    means = (means for credential in vmi["spec"].get("accessCredentials") or () for means in credential.values())
    return [name for name in map(secret_of, filter(None, means)) if name]


def secret_of(means: Object) -> str:
    """The Secret of a password or a key, if it comes by the agent; else empty."""
    by_agent = "qemuGuestAgent" in (means.get("propagationMethod") or {})
    secret = (means.get("source") or {}).get("secret") or {}
    name: str = secret.get("secretName") or ""
    return name if by_agent else ""
