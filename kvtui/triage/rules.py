"""All rules, by theme."""

from __future__ import annotations

from typing import Final

from kvtui.triage import (
    agents,
    autostart,
    bastions,
    ceph,
    clusters,
    components,
    control_plane,
    copies,
    datasources,
    domains,
    eviction,
    generic,
    gitops,
    guest,
    hosts,
    imports,
    layers,
    machines,
    migration,
    network,
    nodes,
    pools,
    storage,
    tenants,
    virtual_networks,
    volumes,
)
from kvtui.triage.base import Rule

RULES: Final[tuple[Rule, ...]] = (
    *bastions.RULES,
    *control_plane.RULES,
    *components.RULES,
    *nodes.RULES,
    *hosts.RULES,
    *pools.RULES,
    *virtual_networks.RULES,
    *machines.RULES,
    *volumes.RULES,
    *domains.RULES,
    *autostart.RULES,
    *agents.RULES,
    *guest.RULES,
    *network.RULES,
    *migration.RULES,
    *eviction.RULES,
    *gitops.RULES,
    *ceph.RULES,
    *clusters.RULES,
    *tenants.RULES,
    *imports.RULES,
    *datasources.RULES,
    *storage.RULES,
    *copies.RULES,
    *layers.RULES,
    *generic.RULES,
)
