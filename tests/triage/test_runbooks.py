"""The runbooks that KubeVirt and CDI publish, named by what they are about."""

from __future__ import annotations

import pytest

from kvtui.cli.findings import describe_finding
from kvtui.model import Finding, Ref, Severity
from kvtui.triage.rules import RULES
from kvtui.triage.runbooks import RUNBOOKS, runbook_of
from kvtui.triage.telling import Story


@pytest.mark.parametrize(
    ("rule", "trouble", "name", "runbook"),
    [
        ("component.ready", "has no ready pod", "virt-controller", "VirtControllerDown"),
        ("component.ready", "has no ready pod", "cdi-deployment", "CDINotReady"),
        ("component.pod", "does not run", "virt-handler-x7k2p", "LowReadyVirtHandlerCount"),
        ("component.pod", "does not run", "cdi-operator-6c9f-abcde", "CDIOperatorDown"),
        ("apiservice.available", "is not available", "v1.subresources.kubevirt.io", "VirtAPIDown"),
        ("apiservice.available", "is not available", "v1beta1.metrics.k8s.io", ""),
        ("cdi.available", "is being updated", "cdi", ""),
        ("vm.eviction", "blocks the drain", "db-1", "VMCannotBeEvicted"),
        ("vm.state", "is paused", "db-1", ""),
    ],
)
def test_a_finding_has_the_runbook_that_is_about_it(rule: str, trouble: str, name: str, runbook: str) -> None:
    subject = Ref("c", "Kind", "", name)
    assert runbook_of(Finding(rule, Severity.WARN, subject, "label", trouble, "cause")) == runbook


def test_each_runbook_is_of_a_rule() -> None:
    assert {one.rule for one in RUNBOOKS} <= {rule.id for rule in RULES}


def test_it_is_that_of_the_root_and_scripts_get_its_address() -> None:
    untouched = Finding(
        "vm.state", Severity.BAD, Ref("c", "VirtualMachine", "web", "a"), "vm", "has no status", "cause"
    )
    down = Finding("component.ready", Severity.BAD, Ref("c", "Deployment", "kubevirt", "virt-api"), "", "is down", "")
    assert Story(untouched, (down,), ()).runbook == "VirtAPIDown"
    assert Story(untouched, (), ()).runbook == ""
    assert describe_finding(down)["runbook"]["url"] == "https://kubevirt.io/monitoring/runbooks/VirtAPIDown"
    assert describe_finding(untouched)["runbook"] is None
