"""Why no launcher pod is made for a VM, and whether that is still so: kubevirt-api.md 9.1, rows 8, 9, 11, 19 and 77.

virt-controller writes once why it was refused, and tries again after pauses that double up to a thousand seconds
(client-go, the default of its work queues). So what a refusal names is looked at anew: it may be mended already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from kvtui.joins.admission import ENFORCE
from kvtui.joins.causes import Cause
from kvtui.joins.machine import Machine
from kvtui.model import Evidence, FeedState
from kvtui.records.cdi import DataVolume
from kvtui.records.kubernetes import Claim, Namespace, ResourceQuota
from kvtui.records.networks import NetworkAttachment
from kvtui.store import View
from kvtui.text import quantity
from kvtui.triage.lacks import RESTORE, find_lost
from kvtui.triage.messages import Reading, read_amounts, read_message, tell_quota

_Explain = Callable[[View, Machine, Cause, Reading], Cause]


def explain_refusal(view: View, machine: Machine, told: Cause) -> Cause:
    """Why its instance does not keep in step, which mostly is why its launcher pod is refused."""
    reading = read_message(told.sentence)
    if reading is None:
        return replace(told, step=_STEPS.get(told.evidence.field.partition(" ")[2], ""))
    explain = next((known for part, known in _BY_PART.items() if reading.parts.get(part)), None)
    found = replace(told, sentence=reading.sentence, step=reading.step)
    return explain(view, machine, found, reading) if explain is not None else found


def _over(told: Cause, words: str, evidence: Evidence) -> Cause:
    """A cause that is mended already."""
    sentence = f"{words}; its launcher pod was refused before, and virt-controller has not tried again yet"
    step = "wait: virt-controller tries again by itself, with pauses of up to 17m; or stop and start the VM"
    return replace(told, sentence=sentence, step=step, more=(evidence,), over=True)


def _of_claim(view: View, machine: Machine, told: Cause, reading: Reading) -> Cause:
    name, namespace = reading.parts["claim"].rpartition("/")[2], machine.record.metadata.namespace
    if find_lost(view, machine.backend, namespace, name) is not None:
        # The DataVolume tells of its claim.
        return replace(told, culprit=(DataVolume.KIND, namespace, name), step=RESTORE)
    return replace(told, culprit=(Claim.KIND, namespace, name))


def _of_network(view: View, machine: Machine, told: Cause, reading: Reading) -> Cause:
    space, _, name = reading.parts["network"].rpartition("/")
    space = space or machine.record.metadata.namespace
    if view.get(NetworkAttachment, machine.backend, space, name) is not None:
        evidence = Evidence(f"NAD {space}/{name}", "metadata.name", name)
        return _over(told, f"there is a NetworkAttachmentDefinition {space}/{name} now", evidence)
    return replace(told, culprit=(NetworkAttachment.KIND, space, name))


def _of_security(view: View, machine: Machine, told: Cause, reading: Reading) -> Cause:
    """The Pod Security Standard of its namespace, as the namespace says it now."""
    namespace = machine.record.metadata.namespace
    found = view.get(Namespace, machine.backend, "", namespace)
    label = found.metadata.labels.get(ENFORCE, "") if found is not None else ""
    evidence = Evidence(f"Namespace {namespace}", ENFORCE, label)
    if label == _NEEDED:
        return _over(told, f'namespace {namespace} allows "{_NEEDED}" pods now', evidence)
    level = label or reading.parts["level"]
    return replace(
        told,
        sentence=f'namespace {namespace} allows "{level}" pods only; the launcher pod of a VM needs "{_NEEDED}"',
        step=f"kubectl label --overwrite namespace {namespace} {ENFORCE}={_NEEDED}",
        culprit=(Namespace.KIND, "", namespace),
        more=(evidence,) if label else told.more,
    )


_NEEDED: Final = "privileged"


def _of_quota(view: View, machine: Machine, told: Cause, reading: Reading) -> Cause:
    """The quota with what is used of it now."""
    namespace, name = machine.record.metadata.namespace, reading.parts["quota"]
    found = view.get(ResourceQuota, machine.backend, namespace, name)
    if found is None:
        if view.feed(machine.backend, ResourceQuota.KIND).state is FeedState.LIVE:
            evidence = Evidence(f"ResourceQuota {namespace}/{name}", "metadata.name", "not there")
            return _over(told, f"there is no quota {name} any more", evidence)
        return replace(told, culprit=(ResourceQuota.KIND, namespace, name))
    asked = read_amounts(reading.parts["requested"])
    used = read_amounts(reading.parts["used"]) | dict(found.status.used)
    hard = {key: found.spec.hard[key] for key in asked if key in found.spec.hard}
    allows = ", ".join(f"{key}={amount}" for key, amount in hard.items())
    evidence = Evidence(f"ResourceQuota {namespace}/{name}", "spec.hard", allows)
    if all(_amount(used, key) + _amount(asked, key) <= _amount(hard, key) for key in hard):
        room = ", ".join(f"{amount} of {key}" for key, amount in hard.items())
        return _over(told, f"quota {name} has room now{f': it allows {room}' if room else ''}", evidence)
    parts = {**reading.parts, "used": _list(used), "limited": _list(hard)}
    return replace(told, sentence=tell_quota(parts), culprit=(ResourceQuota.KIND, namespace, name), more=(evidence,))


def _amount(amounts: Mapping[str, str], key: str) -> float:
    return quantity(amounts.get(key)) or 0.0


def _list(amounts: Mapping[str, str]) -> str:
    return ",".join(f"{key}={amount}" for key, amount in amounts.items())


_BY_PART: Final[Mapping[str, _Explain]] = {
    "claim": _of_claim,
    "quota": _of_quota,
    "network": _of_network,
    "level": _of_security,
}
"""By what a message names."""
_STEPS: Final = {
    "ErrImagePull": "check the image's name, the registry and its pull secret",
    "ImagePullBackOff": "check the image's name, the registry and its pull secret",
    "FailedCreate": "kubectl describe the instance: what refuses its pod is in the message",
}
