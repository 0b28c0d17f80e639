"""What each drill brings about: what the objects say, and what has to be found as its cause."""

from __future__ import annotations

from dataclasses import dataclass

from kvtui.demo import kinds
from kvtui.demo.storage import Kind


@dataclass(frozen=True)
class Says:
    """Some object of a kind says all these words, anywhere in it. A name may end with a dash: so the names begin."""

    kind: Kind
    path: str
    """Namespace and name; of cluster-wide objects the name alone."""
    words: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One drill's signs and its cause."""

    says: tuple[Says, ...]
    finds: tuple[str, ...] = ()
    """Words of the first problem, in whatever case, among them whose it is; none where nothing may be found."""
    rule: str = ""
    """The rule at its root; empty where that is left open."""
    looks: float = 30.0
    """Seconds for which the user looks at it: findings may need to settle."""


def _vm(path: str, *words: str) -> Says:
    return Says(kinds.VM, path, words)


def _vmi(path: str, *words: str) -> Says:
    return Says(kinds.VMI, path, words)


def _volume(path: str, *words: str) -> Says:
    return Says(kinds.DATA_VOLUME, path, words)


def _node(name: str, *words: str) -> Says:
    return Says(kinds.NODE, name, words)


def _move(path: str, *words: str) -> Says:
    return Says(kinds.VMIM, f"{path.partition('/')[0]}/kubevirt-migrate-vm-", (path.partition("/")[2], *words))


def _event(namespace: str, *words: str) -> Says:
    return Says(kinds.EVENT, f"{namespace}/", words)


_UNSCHEDULABLE = '"printableStatus":"ErrorUnschedulable"'

CASES: dict[str, Case] = {
    # Scheduling
    "too-much-memory": Case(
        (_vm("data/warehouse-1", _UNSCHEDULABLE, "10 Insufficient memory"),),
        ("data/warehouse-1", "memory"),
    ),
    "unknown-cpu-model": Case(
        (_vm("lab/avx-bench-1", _UNSCHEDULABLE, "10 node(s) didn't match Pod's node affinity/selector"),),
        ("lab/avx-bench-1", "GraniteRapids"),
    ),
    "over-quota": Case(
        (_vmi("tight/analytics-1", "FailedCreate", "exceeded quota: small, requested: requests.memory=8513Mi"),),
        ("tight/analytics-1", "small"),
    ),
    "tainted-nodes": Case(
        (
            _vm("web/status-page-1", _UNSCHEDULABLE, "10 node(s) had untolerated taint {firmware: pending}"),
            _node("worker-01", '"key":"firmware"'),
        ),
        ("web/status-page-1", "firmware"),
    ),
    "local-disk": Case(
        (
            _vm("lab/build-cache-1", _UNSCHEDULABLE, "9 node(s) had volume node affinity conflict"),
            _vm("lab/build-cache-1", "1 node(s) were unschedulable"),
            Says(kinds.PV, "pvc-", ('"nodeAffinity"', '"topology.topolvm.io/node"', '"build-cache-1-data"')),
        ),
        ("lab/build-cache-1", "build-cache-1-data", "cordoned"),
    ),
    "no-kvm": Case(
        (
            _vm("lab/kernel-test-1", _UNSCHEDULABLE, "1 Insufficient devices.kubevirt.io/kvm"),
            _node("worker-10", '"devices.kubevirt.io/kvm":"0"'),
        ),
        ("worker-10", "devices.kubevirt.io/kvm"),
    ),
    "pod-security": Case(
        (_vmi("lab/sensor-1", "FailedCreate", "it needs a privileged namespace to run", "violates PodSecurity"),),
        ("lab/sensor-1", "privileged"),
    ),
    # Startup and storage
    "unbound-claim": Case(
        (
            _vm("shop/orders-db-1", _UNSCHEDULABLE, "pod has unbound immediate PersistentVolumeClaims"),
            Says(kinds.PVC, "shop/orders-db-1-data", ('"phase":"Pending"', '"storageClassName":"nfs-archive"')),
            _event("shop", "ExternalProvisioning", "nfs.csi.k8s.io"),
        ),
        ("shop/orders-db-1", "nfs-archive", "there is no CSIDriver nfs.csi.k8s.io"),
    ),
    "misspelt-class": Case(
        (
            _vm("lab/mesh-1", '"printableStatus":"Provisioning"'),
            _volume("lab/mesh-1-root", '"storageClassName":"ceph-rdb"'),
            _event("lab", "ErrClaimNotValid", "no storageClass to choose profile"),
        ),
        ("lab/mesh-1-root", 'there is no StorageClass "ceph-rdb"'),
        rule="import.state",
    ),
    "importer-without-node": Case(
        (
            _vm("erp/ledger-1", '"printableStatus":"Provisioning"'),
            _volume("erp/ledger-1-root", '"reason":"Unschedulable"', "Importer pod cannot be scheduled"),
            _event("erp", "FailedScheduling", "10 node(s) had untolerated taint {storage-upgrade: running}"),
        ),
        ("storage-upgrade=running:NoSchedule", "all 10 nodes"),
        rule="import.state",
    ),
    "class-without-driver": Case(
        (
            _vm("shop/picking-1", '"printableStatus":"Provisioning"'),
            Says(kinds.PVC, "web/prime-", ('"phase":"Pending"', '"storageClassName":"nfs-archive"')),
            _event("web", "ExternalProvisioning", "nfs.csi.k8s.io"),
        ),
        ("class nfs-archive", "stops 6 VMs: there is no CSIDriver nfs.csi.k8s.io"),
        rule="class.state",
    ),
    "missing-claim": Case(
        (_vm("shop/orders-db-2", '"printableStatus":"ErrorPvcNotFound"', "PVC shop/orders-db2-data does not exist"),),
        ("shop/orders-db-2", "orders-db2-data"),
    ),
    "missing-image": Case(
        (_vm("web/edge-proxy-1", '"printableStatus":"ImagePullBackOff"', "debian-hardened:13.2: not found"),),
        ("web/edge-proxy-1", "registry.example.org/golden/debian-hardened:13.2"),
    ),
    "crash-loop": Case(
        (
            _vm("lab/dpdk-router-1", '"printableStatus":"CrashLoopBackOff"', '"consecutiveFailCount"'),
            _event("lab", "SyncFailed", "Cannot allocate memory"),
        ),
        ("lab/dpdk-router-1", "Cannot allocate memory"),
    ),
    "hotplug-stuck": Case(
        (_vmi("data/archive-1", '"hotplugVolume"', "PVCNotReady", "PVC is in phase ClaimPending"),),
        ("data/archive-1", "nfs-archive", "there is no CSIDriver nfs.csi.k8s.io"),
    ),
    "snapshot-failed": Case(
        (
            Says(kinds.SNAPSHOT, "erp/payroll-1-before-update", ('"phase":"Failed"', "snapshot deadline exceeded")),
            Says(kinds.SNAPSHOT, "erp/payroll-1-before-update", ("code = DeadlineExceeded",)),
        ),
        ("erp/payroll-1-before-update", "DeadlineExceeded"),
    ),
    "clone-without-snapshots": Case(
        (
            Says(kinds.CLONE, "lab/profiler-for-tests", ('"phase":"Failed"', "volume data does not support snapshots")),
            _vm("lab/profiler-1", "No VolumeSnapshotClass", "[local-lvm] [data]"),
        ),
        ("lab/profiler-for-tests", "local-lvm"),
    ),
    "restore-into-running": Case(
        (
            Says(kinds.RESTORE, "web/forum-1-rollback", ("Restore target failed to be ready within 5m0s",)),
            _vmi("web/forum-1", '"phase":"Running"'),
        ),
        ("web/forum-1-rollback", "Restore target failed to be ready within 5m0s"),
    ),
    # Imports
    "import-not-found": Case(
        (
            _volume("ci/rocky-10-golden", '"reason":"Error"', "expected status code 200, got 404"),
            Says(kinds.POD, "ci/importer-prime-", ('"CrashLoopBackOff"',)),
        ),
        ("ci/rocky-10-golden", "404"),
        rule="import.state",
    ),
    "waits-for-consumer": Case((_volume("lab/scratch-disk-1", '"phase":"WaitForFirstConsumer"'),)),
    "wrong-checksum": Case(
        (_volume("erp/appliance-7-2", '"phase":"Failed"', '"reason":"ChecksumError"', "checksum mismatch"),),
        ("erp/appliance-7-2", "checksum mismatch"),
        rule="import.state",
    ),
    "import-unauthorized": Case(
        (_volume("data/oracle-19-root", '"reason":"Error"', "got 401. Status: 401 Unauthorized"),),
        ("data/oracle-19-root", "401"),
        rule="import.state",
    ),
    "import-unknown-authority": Case(
        (_volume("web/intranet-root", '"reason":"Error"', "x509: certificate signed by unknown authority"),),
        ("web/intranet-root", "x509"),
        rule="import.state",
    ),
    "import-too-large": Case(
        (_volume("erp/bi-server-root", '"reason":"Error"', "A larger PVC is required"),),
        ("erp/bi-server-root", "virtual image size"),
        rule="import.state",
    ),
    "import-out-of-memory": Case(
        (
            _volume("data/lake-snapshot", '"reason":"OOMKilled"'),
            Says(kinds.POD, "data/importer-prime-", ('"reason":"OOMKilled"', '"exitCode":137')),
        ),
        ("data/lake-snapshot", "memory"),
    ),
    "no-default-class": Case(
        (
            _volume("ci/alma-10-golden", '"kind":"DataVolume"'),
            _event("ci", "ErrClaimNotValid", "PVC spec is missing accessMode and no storageClass to choose profile"),
        ),
        ("ci/alma-10-golden", "storageClass"),
    ),
    "clone-source-in-use": Case(
        (_volume("lab/reports-copy", '"phase":"CloneScheduled"', "CloneSourceInUse", '"progress":"N/A"'),),
        ("lab/reports-copy", "reports-1-data"),
        rule="import.state",
    ),
    # Migration
    "never-converges": Case(
        (
            _move("data/hot-cache-1", '"phase":"Failed"', "Live migration has been aborted"),
            _vmi("data/hot-cache-1", '"phase":"Running"'),
        ),
        ("hot-cache-1", "aborted"),
        rule="migration.state",
    ),
    "no-target": Case(
        (
            _move("shop/payment-hsm-1", '"phase":"Failed"', "example.org/hsm"),
            _event("shop", "migrationTargetPodUnschedulable"),
        ),
        ("payment-hsm-1", "no node has the label example.org/hsm=true"),
        rule="migration.state",
    ),
    "private-disk": Case(
        (
            _vmi("web/legacy-cms-1", "DisksNotLiveMigratable", "PVC legacy-cms-1-data is not shared"),
            _event("web", "EvictionStrategy is set but vmi is not migratable"),
        ),
        ("web/legacy-cms-1", "legacy-cms-1-data"),
    ),
    "bridge-on-pod-network": Case(
        (_vmi("web/sip-proxy-1", "InterfaceNotLiveMigratable", "does not use masquerade"),),
        ("web/sip-proxy-1", "masquerade"),
    ),
    "migration-over-quota": Case(
        (_move("tight/ledger-1", '"phase":"Pending"', "migrationRejectedByResourceQuota", "exceeded quota: pair"),),
        ("ledger-1", "pair"),
        rule="migration.state",
    ),
    "target-dies": Case(
        (_move("data/matching-1", '"phase":"Failed"', "Target pod is down"),),
        ("matching-1", "Target pod is down"),
        rule="migration.state",
    ),
    "migration-queue": Case(
        (
            _move("web/landing-1", '"phase":"Pending"'),
            _move("data/hot-cache-1", '"phase":"Running"'),
            Says(kinds.KUBEVIRT, "kubevirt/kubevirt", ('"parallelMigrationsPerCluster":1',)),
        ),
        ("hot-cache-1", "holds up 3 migrations"),
        rule="migration.state",
    ),
    "blocked-drain": Case(
        (
            _vmi("web/legacy-cms-1", "DisksNotLiveMigratable", '"phase":"Running"'),
            _node("worker-10", '"unschedulable":true'),
        ),
        ("legacy-cms-1", "worker-10"),
    ),
    # Network
    "missing-network": Case(
        (_vmi("shop/pos-gateway-1", "FailedCreate", "locate network attachment definition shop/db-vlan125"),),
        ("shop/pos-gateway-1", "shop/db-vlan125"),
    ),
    "no-address": Case(
        (_vmi("data/collector-1", '"phase":"Running"', '"networkName":"data-vlan140"', '"interfaceName":"eth1"'),),
        ("data/collector-1", "agent", "interface vlan in network data-vlan140"),
    ),
    # Guest
    "io-error": Case(
        (
            _vm("data/ingest-1", '"printableStatus":"Paused"', "PausedIOError"),
            _event("data", "VM Paused due to IO error at the volume: rootdisk"),
        ),
        ("data/ingest-1", "IO error", "containerDisk", "the disk of node worker-"),
    ),
    "no-agent": Case(
        (_vmi("erp/edi-gateway-1", '"phase":"Running"'),),
        ("erp/edi-gateway-1", "agent"),
    ),
    "restart-required": Case(
        (_vm("shop/search-1", "RestartRequired", "a non-live-updatable field was changed in the template spec"),),
        ("shop/search-1", "restart"),
    ),
    "instance-without-vm": Case(
        (_vmi("lab/scratch-1", '"phase":"Running"'),),
        ("lab/scratch-1",),
    ),
    "kernel-panic": Case(
        (
            _vmi("erp/fax-relay-1", '"phase":"Failed"'),
            _vm("erp/fax-relay-1", '"printableStatus":"Stopped"'),
            _event("erp", "The VirtualMachineInstance crashed."),
        ),
        ("erp/fax-relay-1", "crashed"),
    ),
    "ignores-shutdown": Case(
        (
            _vm("shop/till-sync-1", '"printableStatus":"Stopping"'),
            _vmi("shop/till-sync-1", '"deletionTimestamp"', '"terminationGracePeriodSeconds":3600'),
        ),
        ("shop/till-sync-1", "3600"),
    ),
    # Nodes
    "cordoned-node": Case(
        (_node("worker-04", '"unschedulable":true'),),
        ("worker-04", "cordoned"),
    ),
    "node-not-ready": Case(
        (
            _node("worker-10", "NodeStatusUnknown", "Kubelet stopped posting node status."),
            _vm("erp/label-printer-1", '"printableStatus"'),
        ),
        ("worker-10", "Kubelet stopped posting node status"),
    ),
    # KubeVirt itself
    "virt-handler-silent": Case(
        (
            _node("worker-02", '"kubevirt.io/schedulable":"false"'),
            _event("default", "virt-handler is not responsive, marking node as unresponsive"),
            Says(kinds.POD, "kubevirt/virt-handler-", ('"OOMKilled"', '"CrashLoopBackOff"', '"nodeName":"worker-02"')),
            Says(kinds.DAEMON_SET, "kubevirt/virt-handler", ('"numberReady":9',)),
        ),
        ("worker-02", "virt-handler", "OOMKilled"),
    ),
    "virt-controller-down": Case(
        (
            Says(kinds.DEPLOYMENT, "kubevirt/virt-controller", ('"unavailableReplicas":2',)),
            Says(kinds.POD, "kubevirt/virt-controller-", ('"OOMKilled"', '"CrashLoopBackOff"')),
            _vm("web/banner-1", '"runStrategy":"Always"'),
        ),
        ("virt-controller", "OOMKilled"),
    ),
    "virt-api-down": Case(
        (
            Says(kinds.API_SERVICE, "v1.subresources.kubevirt.io", ('"status":"False"', "MissingEndpoints")),
            Says(
                kinds.POD,
                "kubevirt/virt-api-",
                ("virt-api:v1.9.0: not found", '"node-role.kubernetes.io/control-plane"'),
            ),
        ),
        ("virt-api", "quay.io/kubevirt/virt-api:v1.9.0"),
    ),
    "stuck-rollout": Case(
        (
            Says(kinds.KUBEVIRT, "kubevirt/kubevirt", ("UpdateInProgress", '"targetKubeVirtVersion":"v1.9.1"')),
            Says(kinds.POD, "kubevirt/virt-handler-", ("virt-handler:v1.9.1: not found",)),
            Says(kinds.DAEMON_SET, "kubevirt/virt-handler", ('"updatedNumberScheduled":1', '"numberReady":9')),
        ),
        ("quay.io/kubevirt/virt-handler:v1.9.1",),
    ),
    "cdi-crash-loop": Case(
        (
            Says(kinds.POD, "cdi/", ('"app":"containerized-data-importer"', '"OOMKilled"', '"CrashLoopBackOff"')),
            Says(kinds.DEPLOYMENT, "cdi/cdi-deployment", ('"unavailableReplicas":1',)),
            Says(kinds.DATA_VOLUME, "lab/golden-next", ('"url"',)),
        ),
        ("cdi-deployment", "no disk is imported", "OOMKilled", "holds up 1 import"),
        rule="component.ready",
    ),
    "broken-customization": Case(
        (Says(kinds.KUBEVIRT, "kubevirt/kubevirt", ("DeploymentFailed", "An error occurred during deployment: ")),),
        ("kubevirt", "the patch of Deployment virt-controller in spec.customizeComponents", "invalid JSON"),
        rule="kubevirt.available",
    ),
    # Clusters in the cluster
    "cluster-without-address": Case(
        (
            Says(kinds.KUBEVIRT_CLUSTER, "tenants/tenant-b", ("the load balancer external IP is not ready yet",)),
            Says(kinds.KUBEVIRT_MACHINE, "tenants/tenant-b-cp-1", ("WaitingForClusterInfrastructure",)),
            Says(kinds.SERVICE, "tenants/tenant-b-lb", ('"type":"LoadBalancer"', '"loadBalancer":{}')),
            _event("tenants", "AllocationFailed", "no available IPs"),
        ),
        ("tenants/tenant-b", "no available IPs"),
    ),
    "cluster-without-bootstrap": Case(
        (
            Says(kinds.KUBEVIRT_MACHINE, "tenants/tenant-a-workers-1", ("WaitingForBootstrapData",)),
            Says(kinds.KUBEADM_CONFIG, "tenants/tenant-a-workers-1", ("secret not found: tenants/registry-ca",)),
        ),
        ("tenants/tenant-a-workers-1", "registry-ca"),
    ),
    "cluster-node-unschedulable": Case(
        (
            Says(kinds.KUBEVIRT_MACHINE, "tenants/tenant-a-large-1", ("VM is not ready: ErrorUnschedulable",)),
            _vm("tenants/tenant-a-large-1", _UNSCHEDULABLE, "10 Insufficient memory"),
        ),
        ("tenants/tenant-a-large-1", "memory"),
    ),
    "cluster-unreachable": Case(
        (
            Says(kinds.CLUSTER, "tenants/tenant-a", ("RemoteConnectionProbe", "ProbeFailed")),
            _vm("tenants/k8s-node-1", '"printableStatus":"Paused"', "PausedByUser"),
        ),
        ("tenant-a", "paused"),
    ),
    "cluster-machine-without-node": Case(
        (
            Says(kinds.MACHINE, "tenants/tenant-a-extra-1", ('"phase":"Provisioned"', "InspectionFailed")),
            Says(kinds.KUBEVIRT_MACHINE, "tenants/tenant-a-extra-1", ('"BootstrapExecSucceeded"', '"ready":true')),
            _vm("tenants/tenant-a-extra-1", '"printableStatus":"Running"'),
        ),
        ("tenants/tenant-a-extra-1", "does not join", "kubevirt://tenant-a-extra-1"),
        rule="cluster.node",
    ),
    "cluster-etcd-member-lost": Case(
        (
            Says(
                kinds.CONTROL_PLANE, "tenants/tenant-a-cp", ("EtcdClusterHealthy", "NotHealthy", "Machine k8s-node-2")
            ),
            Says(kinds.MACHINE, "tenants/k8s-node-2", ("EtcdMemberHealthy", "Etcd doesn't have an etcd member")),
        ),
        ("tenants/tenant-a-cp", "Etcd doesn't have an etcd member for Node k8s-node-2"),
        rule="cluster.control-plane",
    ),
    "cluster-paused": Case(
        (
            Says(kinds.CLUSTER, "tenants/tenant-a", ('"paused":true', "Cluster spec.paused is set to true")),
            Says(kinds.MACHINE_DEPLOYMENT, "tenants/tenant-a-workers", ('"Paused"',)),
        ),
        ("tenants/tenant-a", "spec.paused is true", "MachineDeployment tenant-a-workers wants"),
        rule="cluster.paused",
    ),
    # Storage, Git
    "ceph-nearly-full": Case(
        (Says(kinds.CEPH_CLUSTER, "rook-ceph/rook-ceph", ('"health":"HEALTH_WARN"', "OSD_NEARFULL")),),
        ("rook-ceph", "2 nearfull osd(s)"),
    ),
    "ceph-full": Case(
        (
            Says(kinds.CEPH_CLUSTER, "rook-ceph/rook-ceph", ('"health":"HEALTH_ERR"', "OSD_FULL")),
            *(_vmi(path, "PausedIOError") for path in ("shop/billing-db-1", "erp/ledger-db-1", "data/metrics-db-1")),
        ),
        ("rook-ceph", "3 full osd(s)", "3 VMs"),
    ),
    "put-back": Case(
        (
            _vm("data/kafka-1", '"guest":"16Gi"', "streaming:kubevirt.io/VirtualMachine"),
            _event("argocd", "Updated sync status: OutOfSync -> Synced", '"count":'),
            Says(
                kinds.APPLICATION,
                "argocd/streaming",
                (
                    '"selfHeal":true',
                    '"initiatedBy":{"automated":true}',
                    '"autoHealAttemptsCount"',
                    "kafka-1 configured",
                ),
            ),
        ),
        ("data/kafka-1", "Application argocd/streaming put it back", "differs from git"),
        rule="vm.put_back",
    ),
}
