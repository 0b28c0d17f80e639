"""Runbooks: which of those that KubeVirt and CDI publish for their alerts is about what a rule found.

Source: kubevirt/monitoring, docs/runbooks. https://kubevirt.io/monitoring/runbooks shows the same by their names.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kvtui.model import Finding

_SITE: Final = "kubevirt.io/monitoring/runbooks"


class Runbook(NamedTuple):
    """A runbook and the findings that it is about."""

    name: str
    rule: str
    trouble: str = ""
    """The trouble that it is about; empty for all of the rule's."""
    subject: str = ""
    """What the subject's name has in it."""

    def fits(self, finding: Finding) -> bool:
        """Whether it is about a finding."""
        troubled = not self.trouble or finding.trouble == self.trouble
        return finding.rule == self.rule and troubled and self.subject in finding.subject.name


RUNBOOKS: Final = (
    Runbook("VirtAPIDown", "component.ready", subject="virt-api"),
    Runbook("VirtControllerDown", "component.ready", subject="virt-controller"),
    Runbook("VirtOperatorDown", "component.ready", subject="virt-operator"),
    Runbook("CDINotReady", "component.ready", subject="cdi-"),
    Runbook("LowReadyVirtHandlerCount", "component.pod", subject="virt-handler-"),
    Runbook("LowVirtAPICount", "component.pod", subject="virt-api-"),
    Runbook("LowReadyVirtControllersCount", "component.pod", subject="virt-controller-"),
    Runbook("LowReadyVirtOperatorsCount", "component.pod", subject="virt-operator-"),
    Runbook("CDIOperatorDown", "component.pod", subject="cdi-operator-"),
    Runbook("CDINotReady", "component.pod", subject="cdi-"),
    Runbook("VirtAPIDown", "apiservice.available", subject=".subresources.kubevirt.io"),
    Runbook("CDINotReady", "apiservice.available", subject=".cdi.kubevirt.io"),
    Runbook("OutdatedVirtualMachineInstanceWorkloads", "kubevirt.available", "has outdated launchers"),
    Runbook("CDINotReady", "cdi.available", "is degraded"),
    Runbook("CDINotReady", "cdi.available", "is not available"),
    Runbook("OrphanedVirtualMachineInstances", "node.state", "has no heartbeat"),
    Runbook("LowKVMNodesCount", "node.state", "offers no KVM"),
    Runbook("VMCannotBeEvicted", "vm.eviction"),
    Runbook("CDIDataVolumeUnusualRestartCount", "import.state", "crashes again and again"),
)
"""The first that fits counts."""


def runbook_of(finding: Finding) -> str:
    """The name of the runbook that is about a finding; empty where there is none."""
    return next((one.name for one in RUNBOOKS if one.fits(finding)), "")


def runbook_line(name: str) -> str:
    """Its name and where it is read: ``runbook: VirtAPIDown (kubevirt.io/monitoring/runbooks/VirtAPIDown)``."""
    return f"runbook: {name} ({_SITE}/{name})"


def runbook_url(name: str) -> str:
    """Where it is read."""
    return f"https://{_SITE}/{name}"
