"""Which conditions say that something is wrong (kubevirt-api.md 2.1 to 2.9); types not listed go by their names."""

from __future__ import annotations

import re

from kvtui.model import Tone
from kvtui.records.base import Condition

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
_NEUTRAL = frozenset({"HotMemoryChange", "HotVCPUChange", "Progressing", "Provisioning", "Running", "VolumesChange"})

_ORDINARY = frozenset(
    {
        "AgentConnected",
        "Available",
        "Bound",
        "ContainersReady",
        "DataVolumesReady",
        "DisruptionTarget",
        "EvictionRequested",
        "Initialized",
        "LiveMigratable",
        "MigrationRequired",
        "Paused",
        "PodReadyToStartContainers",
        "PodScheduled",
        "Ready",
        "RestartRequired",
        "StorageLiveMigratable",
        "kubevirt.io/virtual-machine-unpaused",
        "migrationAbortRequested",
    }
)
"""Types that are no trouble by themselves in either state: they follow what was asked for, or a rule weighs them."""

_TELLS_TROUBLE = re.compile(
    r"Fail(?!over)|Error|Degraded|Pressure|Unavailable|Lost|Invalid|Rejected|Blocked|Stuck|Expired|Corrupt|Abnormal"
    r"|Broken|Unhealthy|Unreachable|Deadlock|[Rr]ead[Oo]nly|Frequent|Shutdown|Hung|Exhausted|Exceeded|NotReady|Missing"
    r"|Stalled|Frozen|Panic|Crash|Conflict|Denied|Refused|Insufficient|Inconsistent|Impaired|Disconnected|Offline"
    r"|Down(?![a-z])|Fault|Problem|Time(?:d[Oo]|[Oo])ut|Throttled|Overload|Overcommitted|Unschedulable|Unsupported"
)
"""Among them those of node-problem-detector (KernelDeadlock, ReadonlyFilesystem, CorruptDockerOverlay2, XfsShutdown,
FrequentKubeletRestart, FrequentUnregisterNetDevice, KubeletUnhealthy), VolumeHealthAbnormal of claims, and Stalled of
kstatus.
"""
_TELLS_HEALTH = re.compile(r"(?:Ready|Available|Healthy|Succeeded|Synchronized|Synced|Valid|Accepted|Reachable)\Z")


def tone_of(condition: Condition) -> Tone | None:
    """How a condition reads by itself; None where neither of its states is good or bad."""
    if condition.type in _NEUTRAL:
        return None
    if condition.status == "Unknown":
        return Tone.WARN
    if condition.type in _BAD_WHEN_TRUE or _TELLS_TROUBLE.search(condition.type):
        return Tone.WARN if condition.status == "True" else Tone.OK
    return Tone.OK if condition.status == "True" else Tone.WARN


def is_trouble(condition: Condition) -> bool:
    """Whether a condition says that something is wrong, whatever else the object says."""
    type_ = condition.type
    if type_ in _ORDINARY or type_ in _NEUTRAL:
        return False
    if type_ in _BAD_WHEN_TRUE or _TELLS_TROUBLE.search(type_):
        return condition.status in ("True", "Unknown")
    return bool(_TELLS_HEALTH.search(type_)) and condition.status in ("False", "Unknown")
