"""What a finding rests on, as its cause names it."""

from __future__ import annotations

from dataclasses import replace

from kvtui.joins.causes import Cause
from kvtui.model import Finding, Ref


def rest_on(finding: Finding, cause: Cause) -> Finding:
    """A finding with its root: the culprit, or what stops others just as well and speaks through those alone."""
    backend, obstacle = finding.subject.backend, cause.obstacle
    if cause.culprit == finding.subject[1:4]:
        return finding
    if cause.culprit is not None:
        return replace(finding, root=Ref(backend, *cause.culprit))
    if obstacle is None:
        return finding
    root = Ref(backend, obstacle.kind, "", obstacle.name)
    told = replace(
        finding,
        rule=obstacle.rule or finding.rule,
        subject=root,
        label=obstacle.label,
        trouble=obstacle.trouble,
        cause=obstacle.sentence,
        step=cause.step,
    )
    return replace(finding, root=root, at_root=told)
