"""Ssh servers on the way that let nobody through: one finding for each, whatever it takes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kvtui.model import Evidence, Finding, Ref, Severity
from kvtui.records.bastion import Bastion
from kvtui.store import View
from kvtui.triage.base import WELL, Judgement, Rule

BASTION_CLOSED: Final = "bastion.closed"
"""The rule of a bastion that lets nobody through."""

_NAMED: Final = 4
"""Backends that a sentence names before it counts the rest."""


def _judge(view: View, ref: Ref, _now: float) -> Judgement:
    bastion = view.find(Bastion, ref)
    if bastion is None:
        return WELL
    return Judgement(
        Finding(
            rule=BASTION_CLOSED,
            severity=Severity.BAD,
            subject=ref,
            label="bastion",
            trouble=bastion.trouble,
            # The shorter first, that both are in sight.
            cause="; ".join(sorted((bastion.cause, name_behind(bastion)), key=len)),
            since=bastion.since,
            evidence=tuple(
                Evidence(where, noun, ", ".join(names))
                for where, noun, names in (
                    ("in front of it:", "ssh servers", bastion.hops),
                    ("behind it:", "contexts", bastion.contexts),
                    ("behind it:", "hosts", bastion.hosts),
                )
                if names
            ),
            step=bastion.step or "look at the bastion; ctrl+r tries again at once",
        )
    )


def name_behind(bastion: Bastion) -> str:
    """Who is not reached: ``2 hosts behind it: kvm1, kvm2``."""
    counted = ((len(bastion.contexts), "context"), (len(bastion.hosts), "host"))
    many = " and ".join(f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counted if count)
    return f"{many} behind it: {_enumerate((*bastion.contexts, *bastion.hosts))}"


def _enumerate(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


RULES = (
    Rule(
        BASTION_CLOSED,
        _judge,
        {Bastion: lambda _view, ref, _record: (ref,)},
        detects="an ssh server on the way that lets nobody through, and whom it keeps us from",
        severities="bad",
    ),
)
