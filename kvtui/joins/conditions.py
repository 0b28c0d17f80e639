"""Which conditions say that something is wrong (kubevirt-api.md 2.1 to 2.9); types not listed go by their names, then
by what they say. Of nodes every type but those that tell health is bad when it is True: so the API would have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from kvtui.model import Tone
from kvtui.records.base import Condition, find_condition
from kvtui.records.kubernetes import Node

_BAD_WHEN_TRUE = frozenset(
    {
        "AgentVersionNotSupported",
        "DecentralizedLiveMigrationFailure",
        "Degraded",
        "DiskPressure",
        "EvictionRequested",
        "Failure",
        "ManualRecoveryRequired",
        "MemoryPressure",
        "MigrationRequired",
        "NetworkUnavailable",
        "PIDPressure",
        "Paused",
        "RestartRequired",
        "SoftwareEmulation",
        "migrationAbortRequested",
        "migrationRejectedByResourceQuota",
    }
)
_NEUTRAL = frozenset({"EtcdIsVoter", "Progressing", "Provisioning", "Running"})
"""Types neither state of which is good or bad; the first is of the nodes of k3s and RKE2."""
_GOOD_WHEN_TRUE = frozenset(
    {
        "AgentConnected",
        "Available",
        "Bound",
        "ContainersReady",
        "Created",
        "DataVolumesReady",
        "Initialized",
        "LiveMigratable",
        "PodReadyToStartContainers",
        "PodScheduled",
        "Ready",
        "StorageLiveMigratable",
        "VMProvisioned",
        "kubevirt.io/virtual-machine-unpaused",
    }
)
_WEIGHED = _GOOD_WHEN_TRUE | {
    "DisruptionTarget",
    "EvictionRequested",
    "MigrationRequired",
    "Paused",
    "RestartRequired",
    "migrationAbortRequested",
}
"""Types that are no trouble by themselves in either state: they follow what was asked for, or a rule weighs them."""

_TELLS_TROUBLE = re.compile(
    r"Fail(?!over)|Error|Degraded|Pressure|Unavailable|Lost|Invalid|Rejected|Blocked|Stuck|Expired|Corrupt|Abnormal"
    r"|Broken|Unhealthy|Unreachable|Deadlock|[Rr]ead[Oo]nly|Frequent|Shutdown|Hung|Exhausted|Exceeded|NotReady|Missing"
    r"|Stalled|Frozen|Panic|Crash|Conflict|Denied|Refused|Insufficient|Inconsistent|Impaired|Disconnected|Offline"
    r"|Down(?![a-z])|Fault|Problem|Time(?:d[Oo]|[Oo])ut|Throttled|Overload|Overcommitted|Unschedulable|Unsupported"
    r"|Full\Z|OutOf[A-Z]|OOM"
)
"""Among them those of node-problem-detector (KernelDeadlock, ReadonlyFilesystem, CorruptDockerOverlay2, XfsShutdown,
FrequentKubeletRestart, FrequentUnregisterNetDevice, KubeletUnhealthy), VolumeHealthAbnormal of claims, and Stalled of
kstatus.
"""
_TELLS_HEALTH = re.compile(
    r"(?:Ready|Available|Healthy|Succeeded|Synchronized|Synced|Valid|Accepted|Reachable|O[Kk])\Z"
)
_COMPLAINING_REASON = re.compile(
    r"No(?:Space|Room|Capacity|Memory|Route|Response|Quorum)|Not(?:Found|Enough|Allowed|Permitted|Responding)"
    r"|Unable|Cannot|CouldNot|Abort|Killed|Killing"
)
_COMPLAINING_WORDS = re.compile(
    r"\b(?:fail(?:ed|s)?|failure|errors?|cannot|can't|could not|unable|no space|out of memory|not found|does not exist"
    r"|denied|refused|rejected|forbidden|invalid|timed? ?out|deadline|exceeded|corrupt(?:ed|ion)?|lost|broken|hung"
    r"|killed|panic|crash(?:ed|es)?|unreachable|unhealthy|unavailable|unresponsive|throttled|overheat(?:s|ed|ing)?)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"\b(?:no|0|without(?: any)?) (?:\w+ )?(?:errors?|failures?|crash(?:es)?)\b", re.IGNORECASE)
_DENIED_REASON = re.compile(r"(?:^No|Not?(?=[A-Z])|Without|HasNo)(?:Fail|Error|Problem|Conflict|Fault|Time)")


def tone_of(kind: str, condition: Condition) -> Tone | None:
    """How a condition of such an object reads by itself; None where neither of its states is good or bad."""
    if condition.type in _NEUTRAL:
        return None
    if condition.status == "Unknown":
        return Tone.WARN
    good = _is_good(kind, condition.type)
    if good is None:
        return Tone.WARN if is_trouble(kind, condition) or complains(kind, condition) else None
    return Tone.OK if (condition.status == "True") is good else Tone.WARN


def is_trouble(kind: str, condition: Condition) -> bool:
    """Whether a condition of such an object says that something is wrong, whatever else the object says."""
    if condition.type in _WEIGHED or condition.type in _NEUTRAL:
        return False
    good = _is_good(kind, condition.type)
    if good is None:
        return condition.status == "False" and _reason_complains(condition.reason)
    return condition.status in ("False" if good else "True", "Unknown")


def complains(kind: str, condition: Condition) -> bool:
    """Whether a condition of which nobody knows which of its states is the good one tells of a trouble in its reason or
    message.
    """
    if condition.type in _WEIGHED or condition.type in _NEUTRAL or _is_good(kind, condition.type) is not None:
        return False
    words = _DENIAL.sub("", condition.message)
    return _reason_complains(condition.reason) or bool(_COMPLAINING_WORDS.search(words))


@lru_cache(maxsize=1024)
def is_silent(kind: str, type_: str, status: str) -> bool:
    """Whether a condition is no trouble and complains of nothing, whatever its reason and message."""
    if type_ in _WEIGHED or type_ in _NEUTRAL:
        return True
    good = _is_good(kind, type_)
    return good is not None and status not in ("False" if good else "True", "Unknown")


def list_troubles(kind: str, conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Those that say that something is wrong; of a node that does not report, Ready says so for all."""
    known = tuple(conditions)
    ready = find_condition(known, "Ready") if kind == Node.KIND else None
    silent = ready is not None and ready.status == "Unknown"
    return (one for one in known if is_trouble(kind, one) and not (silent and one.status == "Unknown"))


@lru_cache(maxsize=1024)
def _is_good(kind: str, type_: str) -> bool | None:
    """Whether a condition of that type is good when it is True, or when it is False; None where nobody knows."""
    if type_ in _BAD_WHEN_TRUE or _TELLS_TROUBLE.search(type_):
        return False
    if type_ in _GOOD_WHEN_TRUE or _TELLS_HEALTH.search(type_):
        return True
    return False if kind == Node.KIND else None


def _reason_complains(reason: str) -> bool:
    words = _DENIED_REASON.sub("", reason)
    return bool(_TELLS_TROUBLE.search(words) or _COMPLAINING_REASON.search(words))
