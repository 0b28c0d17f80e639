"""Findings as objects for scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kvtui.model import Finding, Ref
from kvtui.triage.runbooks import runbook_of, runbook_url


def describe_finding(finding: Finding) -> dict[str, Any]:
    """A finding with its evidence; times as RFC 3339."""
    runbook = runbook_of(finding)
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "subject": describe_ref(finding.subject),
        "label": finding.label,
        "trouble": finding.trouble,
        "cause": finding.cause,
        "since": tell_time(finding.since),
        "step": finding.step,
        "runbook": {"name": runbook, "url": runbook_url(runbook)} if runbook else None,
        "root": describe_ref(finding.root) if finding.root is not None else None,
        "evidence": [
            {"subject": item.subject, "field": item.field, "value": item.value, "since": tell_time(item.since)}
            for item in finding.evidence
        ],
    }


def describe_ref(ref: Ref) -> dict[str, str]:
    """An object by its names."""
    return ref._asdict()


def tell_time(moment: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
