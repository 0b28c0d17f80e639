"""The teams and what they run in virtual machines."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.demo.catalog.disks import FILES, SHARED


@dataclass(frozen=True, slots=True)
class Application:
    """A group of machines of one kind in one namespace."""

    namespace: str
    name: str
    system: str
    weight: int
    """Its share of all machines."""
    cores: int
    memory: str
    disk: str = "20Gi"
    storage_class: str = SHARED
    """Empty: the machine runs from a containerDisk."""
    data: str = ""
    """Size of a second disk, if any."""
    shared: bool = True
    """Whether its disks can be mounted on two nodes at once."""
    strategy: str = "Always"
    eviction: str = "LiveMigrate"
    network: str = ""
    """A NetworkAttachmentDefinition of its namespace for a second interface."""
    password: str = ""
    """The Secret with the passwords of its guests' users, if any."""
    halted: int = 0
    """Each so manieth machine of it is switched off; none for 0."""


APPLICATIONS: tuple[Application, ...] = (
    Application("web", "frontend", "ubuntu", 7, 2, "4Gi"),
    Application("web", "cache", "debian", 3, 2, "8Gi", storage_class=""),
    Application("shop", "checkout", "rhel", 5, 4, "8Gi"),
    Application("shop", "catalog", "fedora", 4, 2, "4Gi"),
    Application("shop", "postgres", "rhel", 3, 8, "32Gi", disk="40Gi", data="500Gi", network="db-vlan120"),
    Application("erp", "sap-app", "rhel", 4, 8, "32Gi", disk="80Gi", network="erp-vlan200"),
    Application("erp", "winfile", "windows", 3, 4, "16Gi", disk="120Gi", eviction="LiveMigrateIfPossible",
                password="winfile-users"),
    Application("erp", "mssql", "windows", 2, 8, "32Gi", disk="120Gi", data="800Gi", shared=False, eviction="None"),
    Application("ci", "runner", "fedora", 8, 4, "8Gi", storage_class="", strategy="RerunOnFailure", halted=4),
    Application("ci", "win-build", "windows", 2, 8, "16Gi", disk="160Gi", strategy="Manual", halted=2),
    Application("data", "kafka", "debian", 4, 4, "16Gi", data="1Ti", network="data-vlan140"),
    Application("data", "spark", "ubuntu", 5, 8, "32Gi", storage_class=FILES, halted=5),
    Application("data", "clickhouse", "centos", 3, 16, "64Gi", data="2Ti"),
    Application("monitoring", "gateway", "opensuse", 2, 2, "2Gi"),
    Application("tenants", "k8s-node", "ubuntu", 5, 8, "16Gi", disk="60Gi", eviction="External"),
)  # fmt: skip

NAMESPACES: dict[str, str] = {
    "web": "web",
    "shop": "shop",
    "erp": "erp",
    "ci": "platform",
    "data": "data",
    "monitoring": "sre",
    "tenants": "platform",
    "tight": "lab",
    "lab": "lab",
}
"""Namespaces with virtual machines, and the team each belongs to."""
PLATFORM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "kubevirt", "cdi", "rook-ceph",
                       "capi-system", "capk-system", "multus", "argocd", "flux-system")  # fmt: skip

NETWORKS: tuple[tuple[str, str, int], ...] = (
    ("shop", "db-vlan120", 120),
    ("erp", "erp-vlan200", 200),
    ("data", "data-vlan140", 140),
)


def share_out(size: int) -> list[tuple[Application, int]]:
    """How many machines of each application there are among `size`, each at least one while they last."""
    total = sum(item.weight for item in APPLICATIONS)
    counts = [max(1, size * item.weight // total) for item in APPLICATIONS]
    position = 0
    while sum(counts) != size:
        step = 1 if sum(counts) < size else -1
        if counts[position % len(counts)] + step >= 0:
            counts[position % len(counts)] += step
        position += 1
    return list(zip(APPLICATIONS, counts, strict=True))
