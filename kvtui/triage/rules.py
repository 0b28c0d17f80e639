"""All rules, by theme."""

from __future__ import annotations

from typing import Final

from kvtui.triage import (
    bastions,
    control_plane,
    domains,
    generic,
    hosts,
    imports,
    layers,
    machines,
    migration,
    nodes,
    storage,
)
from kvtui.triage.base import Rule

RULES: Final[tuple[Rule, ...]] = (
    *bastions.RULES,
    *control_plane.RULES,
    *nodes.RULES,
    *hosts.RULES,
    *machines.RULES,
    *domains.RULES,
    *migration.RULES,
    *imports.RULES,
    *storage.RULES,
    *layers.RULES,
    *generic.RULES,
)
