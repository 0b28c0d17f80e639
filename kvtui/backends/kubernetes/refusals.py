"""What the refusals of the API server, KubeVirt and CDI mean, and the way out of each.

The texts are those of kubevirt-api.md 3, 5.5, 6.2 and 6.3, of recorded answers, and of kube-apiserver 1.36.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from kvtui.backends.base import Permission
from kvtui.backends.kubernetes.roles import find_role
from kvtui.errors import AbsentError, BackendError, ConflictError, GoneError
from kvtui.text import size


class Meaning(NamedTuple):
    """What a refusal means; what is empty or None is as its status code has it."""

    title: str = ""
    hint: str = ""
    error: type[BackendError] | None = None
    detail: str = ""
    """What is said instead of words that mislead."""


MAY_BE_DONE: Final = "it may have been done all the same: look before you repeat it"
"""The way out where a server gave up on what was to change something."""
_BAD_GATEWAY: Final = 502
"""Never the API server's: a proxy found its answer missing or broken (RFC 9110 15.6.3)."""

_OFF: Final = "it is off: all that can be done is to start it"
_GONE: Final = "it was deleted, or never was in that namespace: look at the list again"
_STRATEGY: Final = "its run strategy does not allow that"
_CHANGED: Final = "somebody changed it meanwhile"
_LOOK: Final = "nothing was done: look at it, then do it again"
_NOT_ON: Final = "that is not turned on in this cluster"
_MISUNDERSTOOD: Final = "the server does not understand kvtui"
_BETWEEN: Final = "is a proxy in between? else it is a fault of kvtui"
_DONE: Final = "there is nothing to do"
_DISK: Final = "list its disks again: it was changed meanwhile"

_MEANINGS: Final[tuple[tuple[str, Meaning], ...]] = (
    # Who is in the way, whatever was asked for.
    (
        r"failed calling webhook",
        Meaning(
            "what judges such changes does not answer",
            "until its pods run, no change of this kind is taken: look at them, KubeVirt's are virt-api",
        ),
    ),
    (r"exceeded quota", Meaning("over the quota of the namespace", "free some of it, or have it raised")),
    (r"because it is being terminated", Meaning("the namespace is being deleted", "use another one")),
    (r"vm-delete-protection", Meaning("it is protected", "take the label kubevirt.io/vm-delete-protection off first")),
    (r"[Vv]alidatingAdmissionPolicy", Meaning("a policy of the cluster forbids it", "its owner can tell why")),
    (r"feature ?gate", Meaning(_NOT_ON, "its administrators turn it on in the KubeVirt object")),
    (r"404 page not found", Meaning("the server does not have that", "an older version, or not installed there")),
    (
        r"gave up|request timed out|did not complete within",
        Meaning("the server gave up", MAY_BE_DONE),
    ),
    # The API server's own proxy to virt-api and others (kube-aggregator): what was not even dialled did nothing.
    (
        r"error trying to reach service: (?!dial |.*refused|.*no such host)",
        Meaning("the part of the server that does it broke off", MAY_BE_DONE),
    ),
    (r"Can not unmarshal Request body", Meaning(_MISUNDERSTOOD, _BETWEEN)),
    # Somebody was faster.
    (r"the object has been modified", Meaning(_CHANGED, _LOOK, ConflictError)),
    (
        r"rejected our request due to an error in our request",
        Meaning(_CHANGED, _LOOK, ConflictError, "it is not any more as it was shown"),
    ),
    (r"Unable to add volume \[", Meaning("the name is taken", "choose another one, or take that volume off first")),
    (r"already exists", Meaning("the name is taken", "choose another one, or delete what bears it")),
    # Machines: kubevirt-api.md 3.1 and 3.2.
    (r"VM is already running", Meaning(hint=_DONE)),
    (r"VMI is already paused", Meaning(hint="it is frozen as was asked: unpause lets it go on")),
    (r"VMI is not paused", Meaning(hint=_DONE)),
    (r"VMI is paused", Meaning(hint="unpause it first")),
    (r"(?:VM|VMI) is not (?:running|started)|non-running VMI|in finalized state", Meaning("it does not run", _OFF)),
    (r"VMI is in failed status", Meaning("it failed", "look at why, then restart it")),
    (r"Halted does not support manual restart", Meaning(_STRATEGY, "start it instead, or change the strategy")),
    (r"does not support manual start", Meaning(_STRATEGY, "it starts by itself; else change the strategy")),
    (r"does not support manual|does not support starting", Meaning(_STRATEGY, "change the strategy first")),
    (r"shorter graceperiod", Meaning(hint="it is stopping already: a forced stop does not wait for the guest")),
    (r"stop/start already underway", Meaning("not possible now", "wait until that has ended")),
    (r"VM recovery required", Meaning(hint="correct the volumes in its definition first")),
    (
        r"VirtualMachineRestore \"[^\"]*\" in progress",
        Meaning("it is being restored already", "wait until that restore has ended, or delete it"),
    ),
    (r"snapshot is in progress", Meaning(hint="wait until the snapshot is taken")),
    (
        r"guest agent connected|have the agent connected",
        Meaning("not possible now", "start the guest agent in the guest, or do it another way", ConflictError),
    ),
    (r"LivenessProbe", Meaning("not possible", "stop it instead, or take the probe out of its definition")),
    (r"unexpected return code", Meaning("the node of the VM failed", "look at virt-handler on that node")),
    (r"NodeDrainTaintKey", Meaning("its node is being emptied", "uncordon the node first")),
    # Disks: 3.3.
    (
        r"Unable to remove volume \[.*not hotpluggable",
        Meaning("it cannot be taken off while the VM runs", "stop the VM, and edit its definition"),
    ),
    (r"Unable to remove volume \[", Meaning("there is no such disk", _DISK)),
    (r"pvc size .* bigger", Meaning("the volume is too small", "choose a larger one")),
    (
        r"pvc should be filesystem|pvc access mode",
        Meaning("the volume does not fit", "choose one of mode Filesystem that can be written"),
    ),
    # Migrations and evictions: 3.4 and 5.5.
    (r"in-flight migration", Meaning("it is being migrated already", "wait for that migration, or cancel it")),
    (r"migration is in progress", Meaning("it is being migrated", "wait for that migration, or cancel it")),
    (
        r"Cannot migrate VMI, Reason",
        Meaning("it cannot be migrated", "mend that, or stop it and let it start elsewhere"),
    ),
    (r"the VMI \"[^\"]*\" does not exist", Meaning("it does not run", _OFF)),
    (
        r"evacuation of VMI",
        Meaning("it is being moved to another node", "try again when its migration has ended", ConflictError),
    ),
    (
        r"but is not live-migratable",
        Meaning("it cannot be moved", "mend why it cannot be migrated, or stop it", ConflictError),
    ),
    (
        r"Eviction request for target Pod",
        Meaning("a migration goes there", "try again when it has ended", ConflictError),
    ),
    (r"cannot evict hotplug pod", Meaning("it goes with its VM", "move or stop the VM", ConflictError)),
    (r"disruption budget", Meaning("too few of them would be left", "try again when more of them run", ConflictError)),
    # What is not there; virt-api tells some of it as a failure of its own.
    (r"virtualmachineinstances?\.kubevirt\.io \"[^\"]*\" not found", Meaning("it does not run", _OFF, AbsentError)),
    (r"virtualmachines?\.kubevirt\.io \"[^\"]*\" not found", Meaning("it is gone", _GONE, AbsentError)),
    (r" \"[^\"]*\" not found$", Meaning("it is gone", _GONE)),
)
_KNOWN: Final = tuple((re.compile(pattern), meaning) for pattern, meaning in _MEANINGS)

_OF_CODES: Final = {
    401: Meaning(
        "the server does not know this account", "log in again, or check the user of this context in the kubeconfig"
    ),
    403: Meaning("not allowed"),
    404: Meaning("not there"),
    406: Meaning(_MISUNDERSTOOD, _BETWEEN),
    409: Meaning("not possible now", "look at it, then do it again"),
    410: Meaning("too old"),
    413: Meaning("it is too large for the server", "make it smaller"),
    415: Meaning(_MISUNDERSTOOD, _BETWEEN),
    422: Meaning("it is not valid", "correct it and send it again"),
    429: Meaning("the server is busy", "try again in a moment"),
    _BAD_GATEWAY: Meaning(
        "the server cannot be reached by what stands before it", "look at the load balancer or proxy"
    ),
    503: Meaning(
        "the server is busy, or a part of it is down",
        "try again in a moment; for verbs of VMs look at the pods of virt-api",
    ),
    504: Meaning("the server gave up", MAY_BE_DONE),
}

_QUOTA: Final = re.compile(
    r"exceeded quota: (?P<quota>[^,\s]+), requested: (?P<requested>\S+), "
    r"used: (?P<used>\S+), limited: (?P<limited>\S+)"
)
_WEBHOOK: Final = re.compile(r"admission webhook \"([^\"]*)\" denied the request")
_OWN: Final = (".kubevirt.io", ".kubernetes.io")
_RIGHT: Final = re.compile(
    r"cannot (?P<verb>\w+) resource \"(?P<resource>[^\"/]*)(?:/(?P<subresource>[^\"]*))?\" "
    r"in API group \"(?P<group>[^\"]*)\""
)
"""The API server's words: ``User "jane" cannot update resource "virtualmachines/start" in API group "..."``."""


def explain(code: int, reason: str, words: str) -> Meaning:
    """What a refusal means: `words` are the server's, whole; `reason` that of its Status."""
    meaning = next((meaning for pattern, meaning in _KNOWN if pattern.search(words)), Meaning())
    if code == 410 or reason in ("Expired", "Gone"):
        return Meaning("too old", error=GoneError)
    if code == 403 and (lacking := _RIGHT.search(words)):
        right = Permission(lacking["verb"], lacking["group"], lacking["resource"], lacking["subresource"] or "")
        return Meaning("not allowed", tell_role(right))
    if over := _tell_quota(words):
        meaning = meaning._replace(detail=over)
    usual = _OF_CODES.get(code) or Meaning("the server failed" if code >= 500 else "the server refused")
    denier = _WEBHOOK.search(words)
    if denier is not None:
        usual = _tell_webhook(denier[1], usual)
    return meaning._replace(title=meaning.title or usual.title, hint=meaning.hint or usual.hint)


def leaves_open(error: BackendError) -> bool:
    """Whether what was to change something may have been done all the same: something in between spoke, or the server
    stopped waiting. So it is of its 504: "the operation may still complete" (apimachinery, pkg/api/errors/errors.go).
    """
    return error.code == _BAD_GATEWAY or error.hint == MAY_BE_DONE


def _tell_quota(words: str) -> str:
    """Which quota is exceeded in what, and by how much; empty for other words. The API server's own:
    ``exceeded quota: NAME, requested: FIELD=AMOUNT,..., used: ..., limited: ...``.
    """
    found = _QUOTA.search(words)
    if found is None:
        return ""
    wanted, used, most = (_read_amounts(found[name]) for name in ("requested", "used", "limited"))
    told = [
        f"{field}: {_tell_amount(amount)} more wanted, {_tell_amount(used.get(field, '0'))} of "
        f"{_tell_amount(most.get(field, '?'))} in use"
        for field, amount in wanted.items()
    ]
    return f"quota {found['quota']}, {'; '.join(told)}"


def _read_amounts(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def _tell_amount(text: str) -> str:
    """Bytes that are written out, as people say them."""
    return size(int(text)) if text.isdecimal() and int(text) >= 2**20 else text


def _tell_webhook(name: str, usual: Meaning) -> Meaning:
    """A webhook that judged: KubeVirt's and CDI's speak for the server, of another one only its owner knows why."""
    if name.endswith(_OWN):
        return Meaning("the server refused", usual.hint)
    return Meaning(f"the webhook {name} refused", "whoever runs that webhook can tell why")


def tell_role(needed: Permission) -> str:
    """The way out for who lacks a right."""
    role = find_role(needed)
    return f"role {role} has it: let it be granted" if role else "let it be granted by an administrator"
