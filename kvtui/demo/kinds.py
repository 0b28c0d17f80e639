"""The kinds that the demo cluster stores."""

from __future__ import annotations

from kvtui.demo.metadata import Kind

_ALL = ("all",)
_CAPI = ("cluster-api",)

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False, ("ns",))
NODE = Kind("", "v1", "Node", "nodes", False, ("no",))
POD = Kind("", "v1", "Pod", "pods", True, ("po",), _ALL)
EVENT = Kind("", "v1", "Event", "events", True, ("ev",), status=False)
SERVICE = Kind("", "v1", "Service", "services", True, ("svc",), _ALL)
SECRET = Kind("", "v1", "Secret", "secrets", status=False)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",), status=False)
PVC = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",))
PV = Kind("", "v1", "PersistentVolume", "persistentvolumes", False, ("pv",))
RESOURCE_QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas", True, ("quota",))
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",), status=False)
CSI_NODE = Kind("storage.k8s.io", "v1", "CSINode", "csinodes", False, status=False)
CSI_DRIVER = Kind("storage.k8s.io", "v1", "CSIDriver", "csidrivers", False, status=False)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), _ALL)
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), _ALL)
API_SERVICE = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False)
CRD = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False, ("crd", "crds")
)
KUBEVIRT = Kind("kubevirt.io", "v1", "KubeVirt", "kubevirts", True, ("kv", "kvs"), _ALL)
VM = Kind("kubevirt.io", "v1", "VirtualMachine", "virtualmachines", True, ("vm", "vms"), _ALL)
VMI = Kind(
    "kubevirt.io", "v1", "VirtualMachineInstance", "virtualmachineinstances", True, ("vmi", "vmis"), _ALL, status=False
)
VMIM = Kind(
    "kubevirt.io",
    "v1",
    "VirtualMachineInstanceMigration",
    "virtualmachineinstancemigrations",
    True,
    ("vmim", "vmims"),
    _ALL,
)
CDI = Kind("cdi.kubevirt.io", "v1beta1", "CDI", "cdis", False, ("cdi", "cdis"), status=False)
CDI_CONFIG = Kind("cdi.kubevirt.io", "v1beta1", "CDIConfig", "cdiconfigs", False, status=False)
DATA_VOLUME = Kind("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes", True, ("dv", "dvs"), _ALL)
STORAGE_PROFILE = Kind("cdi.kubevirt.io", "v1beta1", "StorageProfile", "storageprofiles", False)
MIGRATION_POLICY = Kind("migrations.kubevirt.io", "v1alpha1", "MigrationPolicy", "migrationpolicies", False)
SNAPSHOT = Kind(
    "snapshot.kubevirt.io",
    "v1beta1",
    "VirtualMachineSnapshot",
    "virtualmachinesnapshots",
    True,
    ("vmsnapshot", "vmsnapshots"),
    _ALL,
)
SNAPSHOT_CONTENT = Kind(
    "snapshot.kubevirt.io",
    "v1beta1",
    "VirtualMachineSnapshotContent",
    "virtualmachinesnapshotcontents",
    True,
    ("vmsnapshotcontent", "vmsnapshotcontents"),
    _ALL,
)
RESTORE = Kind(
    "snapshot.kubevirt.io",
    "v1beta1",
    "VirtualMachineRestore",
    "virtualmachinerestores",
    True,
    ("vmrestore", "vmrestores"),
    _ALL,
)
CLONE = Kind(
    "clone.kubevirt.io", "v1beta1", "VirtualMachineClone", "virtualmachineclones", True, ("vmclone", "vmclones"), _ALL
)
EXPORT = Kind(
    "export.kubevirt.io",
    "v1",
    "VirtualMachineExport",
    "virtualmachineexports",
    True,
    ("vmexport", "vmexports"),
    _ALL,
)
VOLUME_SNAPSHOT = Kind("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots", True, ("vs",))
VOLUME_SNAPSHOT_CLASS = Kind(
    "snapshot.storage.k8s.io",
    "v1",
    "VolumeSnapshotClass",
    "volumesnapshotclasses",
    False,
    ("vsclass", "vsclasses"),
    status=False,
)
POOL = Kind(
    "pool.kubevirt.io", "v1beta1", "VirtualMachinePool", "virtualmachinepools", True, ("vmpool", "vmpools"), _ALL
)
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions", status=False)
APPLICATION = Kind("argoproj.io", "v1alpha1", "Application", "applications", True, ("app", "apps"), status=False)
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", True, ("ks",))
HELM_RELEASE = Kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases", True, ("hr",))
CLUSTER = Kind("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters", True, ("cl",), _CAPI)
MACHINE = Kind("cluster.x-k8s.io", "v1beta2", "Machine", "machines", True, ("ma",), _CAPI)
MACHINE_SET = Kind("cluster.x-k8s.io", "v1beta2", "MachineSet", "machinesets", True, ("ms",), _CAPI)
MACHINE_DEPLOYMENT = Kind(
    "cluster.x-k8s.io", "v1beta2", "MachineDeployment", "machinedeployments", True, ("md",), _CAPI
)
CONTROL_PLANE = Kind(
    "controlplane.cluster.x-k8s.io", "v1beta2", "KubeadmControlPlane", "kubeadmcontrolplanes", True, ("kcp",), _CAPI
)
KUBEVIRT_MACHINE = Kind(
    "infrastructure.cluster.x-k8s.io", "v1alpha1", "KubevirtMachine", "kubevirtmachines", True, (), _CAPI
)
KUBEVIRT_CLUSTER = Kind(
    "infrastructure.cluster.x-k8s.io", "v1alpha1", "KubevirtCluster", "kubevirtclusters", True, (), _CAPI
)
KUBEADM_CONFIG = Kind("bootstrap.cluster.x-k8s.io", "v1beta2", "KubeadmConfig", "kubeadmconfigs", True, (), _CAPI)
CEPH_CLUSTER = Kind("ceph.rook.io", "v1", "CephCluster", "cephclusters", True, ("ceph",))
ADMISSION_POLICY = Kind(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False
)
ADMISSION_POLICY_BINDING = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    False,
    status=False,
)
NAD = Kind(
    "k8s.cni.cncf.io",
    "v1",
    "NetworkAttachmentDefinition",
    "network-attachment-definitions",
    True,
    ("net-attach-def",),
    status=False,
)

CEPH_CLUSTER = Kind("ceph.rook.io", "v1", "CephCluster", "cephclusters", True, ("ceph",))

KINDS: tuple[Kind, ...] = (
    NAMESPACE,
    NODE,
    POD,
    EVENT,
    SERVICE,
    SECRET,
    CONFIG_MAP,
    PVC,
    PV,
    RESOURCE_QUOTA,
    STORAGE_CLASS,
    CSI_DRIVER,
    CSI_NODE,
    DEPLOYMENT,
    DAEMON_SET,
    API_SERVICE,
    CRD,
    KUBEVIRT,
    VM,
    VMI,
    VMIM,
    CDI,
    CDI_CONFIG,
    DATA_VOLUME,
    STORAGE_PROFILE,
    MIGRATION_POLICY,
    NAD,
    CEPH_CLUSTER,
    SNAPSHOT,
    SNAPSHOT_CONTENT,
    RESTORE,
    CLONE,
    EXPORT,
    VOLUME_SNAPSHOT,
    VOLUME_SNAPSHOT_CLASS,
    POOL,
    CONTROLLER_REVISION,
    APPLICATION,
    KUSTOMIZATION,
    HELM_RELEASE,
    CLUSTER,
    MACHINE,
    MACHINE_SET,
    MACHINE_DEPLOYMENT,
    CONTROL_PLANE,
    KUBEVIRT_MACHINE,
    KUBEVIRT_CLUSTER,
    KUBEADM_CONFIG,
    CEPH_CLUSTER,
    ADMISSION_POLICY,
    ADMISSION_POLICY_BINDING,
)
