"""The types of the fields that the demo cluster reads, kind by kind.

Sources: ``generated.proto`` of k8s.io/api 0.36, the CRDs of KubeVirt 1.9 and CDI 1.66.
"""

from __future__ import annotations

from kvtui.demo import kinds
from kvtui.demo.metadata import Kind
from kvtui.demo.shapes import Many, Map, Plain, Shape, Struct

_STRING = Plain(("string",), "string")
_BOOLEAN = Plain(("boolean",), "bool")
_INTEGER = Plain(("integer",), "int32")
_LONG = Plain(("integer",), "int64")
_QUANTITY = Plain(("string", "integer", "number"), "resource.Quantity")
_BYTES = Plain(("string",), "[]uint8")
_STRINGS = Many(_STRING)
_TEXTS = Map(_STRING)
_AMOUNTS = Map(_QUANTITY)


def _texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _STRING)


_OWNER = Struct(
    "OwnerReference",
    _texts("apiVersion", "kind", "name", "uid") | dict.fromkeys(("controller", "blockOwnerDeletion"), _BOOLEAN),
    ("apiVersion", "kind", "name", "uid"),
)
META = Struct(
    "ObjectMeta",
    _texts("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
    | {
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "finalizers": _STRINGS,
        "ownerReferences": Many(_OWNER),
        "generation": _LONG,
        "deletionGracePeriodSeconds": _LONG,
        "managedFields": Many(Struct("ManagedFieldsEntry", {"fieldsV1": Map(Struct("FieldsV1"))})),
    },
)
_SELECTOR = Struct(
    "LabelSelector",
    {
        "matchLabels": _TEXTS,
        "matchExpressions": Many(
            Struct("LabelSelectorRequirement", _texts("key", "operator") | {"values": _STRINGS}, ("key", "operator"))
        ),
    },
)
_CONDITION = Struct(
    "Condition",
    _texts("type", "status", "reason", "message", "lastProbeTime", "lastTransitionTime", "lastHeartbeatTime"),
    ("type", "status"),
)
_RESOURCES = Struct("ResourceRequirements", {"requests": _AMOUNTS, "limits": _AMOUNTS})
_TOLERATION = Struct("Toleration", _texts("key", "operator", "value", "effect") | {"tolerationSeconds": _LONG})
_AFFINITY_TERM = Struct("PodAffinityTerm", {"labelSelector": _SELECTOR, "topologyKey": _STRING}, ("labelSelector",))
_AFFINITY = Struct(
    "Affinity",
    {
        "podAntiAffinity": Struct(
            "PodAntiAffinity", {"requiredDuringSchedulingIgnoredDuringExecution": Many(_AFFINITY_TERM)}
        )
    },
)

# Pods

_CONTAINER = Struct(
    "Container",
    _texts("name", "image", "restartPolicy", "imagePullPolicy")
    | {
        "resources": _RESOURCES,
        "command": _STRINGS,
        "args": _STRINGS,
        "volumeMounts": Many(Struct("VolumeMount", _texts("name", "mountPath"), ("name",))),
        "volumeDevices": Many(Struct("VolumeDevice", _texts("name", "devicePath"), ("name",))),
        "env": Many(Struct("EnvVar", _texts("name", "value"), ("name",))),
        "ports": Many(Struct("ContainerPort", _texts("name", "protocol") | {"containerPort": _INTEGER})),
    },
    ("name", "image"),
)
_POD_VOLUME = Struct(
    "Volume",
    {
        "name": _STRING,
        "persistentVolumeClaim": Struct("PersistentVolumeClaimVolumeSource", _texts("claimName"), ("claimName",)),
        "image": Struct("ImageVolumeSource", _texts("reference", "pullPolicy")),
        "configMap": Struct("ConfigMapVolumeSource", _texts("name")),
        "secret": Struct("SecretVolumeSource", _texts("secretName")),
    },
    ("name",),
)
_POD_SPEC = Struct(
    "PodSpec",
    _texts("nodeName", "restartPolicy", "hostname", "schedulerName", "serviceAccountName")
    | {
        "containers": Many(_CONTAINER),
        "initContainers": Many(_CONTAINER),
        "volumes": Many(_POD_VOLUME),
        "nodeSelector": _TEXTS,
        "tolerations": Many(_TOLERATION),
        "affinity": _AFFINITY,
        "readinessGates": Many(Struct("PodReadinessGate", _texts("conditionType"), ("conditionType",))),
        "terminationGracePeriodSeconds": _LONG,
        "priority": _INTEGER,
    },
    ("containers",),
)
_STATE = Struct(
    "ContainerState",
    {
        "waiting": Struct("ContainerStateWaiting", _texts("reason", "message")),
        "running": Struct("ContainerStateRunning", _texts("startedAt")),
        "terminated": Struct(
            "ContainerStateTerminated",
            _texts("reason", "message", "startedAt", "finishedAt", "containerID")
            | {"exitCode": _INTEGER, "signal": _INTEGER},
        ),
    },
)
_CONTAINER_STATUS = Struct(
    "ContainerStatus",
    _texts("name", "image", "imageID", "containerID")
    | {"state": _STATE, "lastState": _STATE, "restartCount": _INTEGER, "ready": _BOOLEAN, "started": _BOOLEAN},
    ("name",),
)
_POD_STATUS = Struct(
    "PodStatus",
    _texts("phase", "reason", "message", "hostIP", "podIP", "startTime", "qosClass", "nominatedNodeName")
    | {
        "conditions": Many(_CONDITION),
        "containerStatuses": Many(_CONTAINER_STATUS),
        "initContainerStatuses": Many(_CONTAINER_STATUS),
        "podIPs": Many(Struct("PodIP", _texts("ip"))),
    },
)
_TEMPLATE = Struct("PodTemplateSpec", {"metadata": META, "spec": _POD_SPEC})
_WORKLOAD = Struct(
    "DeploymentSpec", {"replicas": _INTEGER, "selector": _SELECTOR, "template": _TEMPLATE}, ("template",)
)
_WORKLOAD_STATUS = Struct(
    "DeploymentStatus",
    {"conditions": Many(_CONDITION)}
    | dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), _INTEGER),
)

# Claims and volumes

_REFERENCE = Struct("TypedObjectReference", _texts("apiGroup", "kind", "name", "namespace"))
_CLAIM_SPEC = Struct(
    "PersistentVolumeClaimSpec",
    _texts("storageClassName", "volumeMode", "volumeName", "volumeAttributesClassName")
    | {
        "accessModes": _STRINGS,
        "resources": _RESOURCES,
        "selector": _SELECTOR,
        "dataSource": _REFERENCE,
        "dataSourceRef": _REFERENCE,
    },
)
_CLAIM_STATUS = Struct(
    "PersistentVolumeClaimStatus",
    {"phase": _STRING, "accessModes": _STRINGS, "capacity": _AMOUNTS, "conditions": Many(_CONDITION)},
)
_VOLUME_SPEC = Struct(
    "PersistentVolumeSpec",
    _texts("storageClassName", "volumeMode", "persistentVolumeReclaimPolicy", "volumeAttributesClassName")
    | {
        "accessModes": _STRINGS,
        "capacity": _AMOUNTS,
        "claimRef": Struct("ObjectReference", _texts("apiVersion", "kind", "name", "namespace", "uid")),
    },
)

# Machines

_NAMED_STATUS = Struct("NamedStatus", _texts("name", "infoSource"))
_MACHINE_VOLUME = Struct(
    "Volume",
    {
        "name": _STRING,
        "persistentVolumeClaim": Struct(
            "PersistentVolumeClaimVolumeSource", _texts("claimName") | {"hotpluggable": _BOOLEAN}, ("claimName",)
        ),
        "dataVolume": Struct("DataVolumeSource", _texts("name") | {"hotpluggable": _BOOLEAN}, ("name",)),
        "containerDisk": Struct("ContainerDiskSource", _texts("image", "imagePullPolicy"), ("image",)),
        "cloudInitNoCloud": Struct("CloudInitNoCloudSource", _texts("userData")),
        "emptyDisk": Struct("EmptyDiskSource", {"capacity": _QUANTITY}),
    },
    ("name",),
)
_DISK_TARGET = Struct("DiskTarget", _texts("bus"))
_DEVICES = Struct(
    "Devices",
    {
        "disks": Many(
            Struct("Disk", {"name": _STRING} | dict.fromkeys(("disk", "cdrom", "lun"), _DISK_TARGET), ("name",))
        ),
        "interfaces": Many(
            Struct(
                "Interface",
                _texts("name", "macAddress", "model", "state")
                | {name: Struct("InterfaceBinding") for name in ("bridge", "masquerade", "sriov", "binding")},
                ("name",),
            )
        ),
        "autoattachSerialConsole": _BOOLEAN,
        "autoattachGraphicsDevice": _BOOLEAN,
        "logSerialConsole": _BOOLEAN,
    },
)
_DOMAIN = Struct(
    "DomainSpec",
    {
        "devices": _DEVICES,
        "cpu": Struct("CPU", {"model": _STRING} | dict.fromkeys(("cores", "sockets", "threads"), _INTEGER)),
        "memory": Struct("Memory", {"guest": _QUANTITY, "maxGuest": _QUANTITY}),
        "resources": _RESOURCES,
        "firmware": Struct("Firmware", _texts("uuid", "serial")),
        "machine": Struct("Machine", _texts("type")),
        "features": Struct("Features", {"acpi": Struct("FeatureState", {"enabled": _BOOLEAN})}),
    },
)
_INSTANCE_SPEC = Struct(
    "VirtualMachineInstanceSpec",
    _texts("architecture", "evictionStrategy", "startStrategy", "hostname", "schedulerName", "priorityClassName")
    | {
        "domain": _DOMAIN,
        "volumes": Many(_MACHINE_VOLUME),
        "networks": Many(
            Struct(
                "Network",
                {
                    "name": _STRING,
                    "pod": Struct("PodNetwork"),
                    "multus": Struct("MultusNetwork", _texts("networkName"), ("networkName",)),
                },
                ("name",),
            )
        ),
        "nodeSelector": _TEXTS,
        "tolerations": Many(_TOLERATION),
        "affinity": _AFFINITY,
        "terminationGracePeriodSeconds": _LONG,
        "livenessProbe": Struct("Probe"),
        "readinessProbe": Struct("Probe"),
    },
)
_DATA_SOURCE = Struct(
    "DataVolumeSource",
    {
        name: Struct(f"DataVolumeSource{name.upper()}", _texts("url", "name", "namespace"))
        for name in ("http", "s3", "gcs", "registry", "pvc", "snapshot", "upload", "blank", "imageio", "vddk")
    },
)
_DATA_VOLUME_SPEC = Struct(
    "DataVolumeSpec",
    {
        "source": _DATA_SOURCE,
        "sourceRef": Struct("DataVolumeSourceRef", _texts("kind", "name", "namespace")),
        "pvc": _CLAIM_SPEC,
        "storage": _CLAIM_SPEC,
        "contentType": _STRING,
        "checkpoints": Many(Struct("DataVolumeCheckpoint")),
        "finalCheckpoint": _BOOLEAN,
        "preallocation": _BOOLEAN,
        "priorityClassName": _STRING,
    },
)
_MACHINE_SPEC = Struct(
    "VirtualMachineSpec",
    {
        "runStrategy": _STRING,
        "running": _BOOLEAN,
        "template": Struct("VirtualMachineInstanceTemplateSpec", {"metadata": META, "spec": _INSTANCE_SPEC}),
        "dataVolumeTemplates": Many(
            Struct("DataVolumeTemplateSpec", {"metadata": META, "spec": _DATA_VOLUME_SPEC}, ("metadata", "spec"))
        ),
    },
)
_MACHINE_STATUS = Struct(
    "VirtualMachineStatus",
    _texts("printableStatus", "runStrategy", "snapshotInProgress")
    | {
        "conditions": Many(_CONDITION),
        "created": _BOOLEAN,
        "ready": _BOOLEAN,
        "observedGeneration": _LONG,
        "desiredGeneration": _LONG,
        "startFailure": Struct(
            "VirtualMachineStartFailure",
            _texts("retryAfterTimestamp", "lastFailedVMIUID") | {"consecutiveFailCount": _INTEGER},
        ),
        "stateChangeRequests": Many(
            Struct("VirtualMachineStateChangeRequest", _texts("action", "uid") | {"data": _TEXTS}, ("action",))
        ),
        "volumeSnapshotStatuses": Many(_NAMED_STATUS),
    },
)
_INTERFACE_STATUS = Struct(
    "VirtualMachineInstanceNetworkInterface",
    _texts("name", "ipAddress", "mac", "infoSource", "interfaceName", "podInterfaceName", "linkState")
    | {"ipAddresses": _STRINGS, "queueCount": _INTEGER},
)
_MOVE_STATE = Struct(
    "VirtualMachineInstanceMigrationState",
    _texts(
        "migrationUid", "sourceNode", "targetNode", "sourcePod", "targetPod", "startTimestamp", "endTimestamp", "mode",
        "targetNodeAddress", "abortStatus", "failureReason", "targetNodeDomainReadyTimestamp",
    )
    | dict.fromkeys(("completed", "failed", "abortRequested"), _BOOLEAN)
    | {"migrationConfiguration": Struct("MigrationConfiguration")},
)  # fmt: skip
_INSTANCE_STATUS = Struct(
    "VirtualMachineInstanceStatus",
    _texts("phase", "nodeName", "reason", "qosClass", "evacuationNodeName", "migrationTransport", "migrationMethod",
           "launcherContainerImageVersion", "selinuxContext", "virtualMachineRevisionName", "fsFreezeStatus")
    | {
        "conditions": Many(_CONDITION),
        "interfaces": Many(_INTERFACE_STATUS),
        "volumeStatus": Many(
            Struct(
                "VolumeStatus",
                _texts("name", "target")
                | {
                    "persistentVolumeClaimInfo": Struct(
                        "PersistentVolumeClaimInfo",
                        _texts("claimName", "volumeMode", "filesystemOverhead")
                        | {"accessModes": _STRINGS, "capacity": _AMOUNTS, "requests": _AMOUNTS},
                    ),
                    "containerDiskVolume": Struct("ContainerDiskInfo", {"checksum": _LONG}),
                },
                ("name",),
            )
        ),
        "activePods": _TEXTS,
        "currentCPUTopology": Struct("CPUTopology", dict.fromkeys(("cores", "sockets", "threads"), _INTEGER)),
        "memory": Struct(
            "MemoryStatus",
            dict.fromkeys(("guestAtBoot", "guestCurrent", "guestRequested", "memoryOverhead"), _QUANTITY),
        ),
        "guestOSInfo": Struct("VirtualMachineInstanceGuestOSInfo", _texts("id", "name", "prettyName")),
        "machine": Struct("Machine", _texts("type")),
        "migrationState": _MOVE_STATE,
        "phaseTransitionTimestamps": Many(
            Struct("PhaseTransition", _texts("phase", "phaseTransitionTimestamp"), ("phase",))
        ),
    },
)  # fmt: skip
_MIGRATION_SPEC = Struct(
    "VirtualMachineInstanceMigrationSpec", _texts("vmiName", "priority") | {"addedNodeSelector": _TEXTS}
)
_MIGRATION_STATUS = Struct(
    "VirtualMachineInstanceMigrationStatus",
    {
        "phase": _STRING,
        "conditions": Many(_CONDITION),
        "migrationState": _MOVE_STATE,
        "phaseTransitionTimestamps": Many(
            Struct("PhaseTransition", _texts("phase", "phaseTransitionTimestamp"), ("phase",))
        ),
    },
)
_DATA_VOLUME_STATUS = Struct(
    "DataVolumeStatus",
    _texts("phase", "progress", "claimName") | {"restartCount": _INTEGER, "conditions": Many(_CONDITION)},
)
_KUBEVIRT_SPEC = Struct(
    "KubeVirtSpec",
    {
        "configuration": Struct(
            "KubeVirtConfiguration",
            {
                "evictionStrategy": _STRING,
                "migrations": Struct(
                    "MigrationConfiguration",
                    {"bandwidthPerMigration": _QUANTITY, "allowAutoConverge": _BOOLEAN, "allowPostCopy": _BOOLEAN}
                    | dict.fromkeys(
                        ("parallelMigrationsPerCluster", "parallelOutboundMigrationsPerNode",
                         "completionTimeoutPerGiB", "progressTimeout"),
                        _INTEGER,
                    ),
                ),
            },
        )
    },
)  # fmt: skip

# Nodes and the rest

_NODE_SPEC = Struct(
    "NodeSpec",
    _texts("podCIDR", "providerID")
    | {
        "unschedulable": _BOOLEAN,
        "taints": Many(Struct("Taint", _texts("key", "value", "effect", "timeAdded"), ("key", "effect"))),
    },
)
_NODE_STATUS = Struct(
    "NodeStatus",
    {
        "addresses": Many(Struct("NodeAddress", _texts("type", "address"), ("type", "address"))),
        "allocatable": _AMOUNTS,
        "capacity": _AMOUNTS,
        "conditions": Many(_CONDITION),
        "nodeInfo": Struct(
            "NodeSystemInfo",
            _texts("kernelVersion", "architecture", "kubeletVersion", "osImage", "containerRuntimeVersion"),
        ),
    },
)
_SERVICE_SPEC = Struct(
    "ServiceSpec",
    _texts("type", "clusterIP", "externalName")
    | {
        "externalIPs": _STRINGS,
        "selector": _TEXTS,
        "ports": Many(
            Struct("ServicePort", _texts("name", "protocol") | {"port": _INTEGER, "nodePort": _INTEGER}, ("port",))
        ),
    },
)
_SERVICE_STATUS = Struct(
    "ServiceStatus",
    {
        "loadBalancer": Struct(
            "LoadBalancerStatus", {"ingress": Many(Struct("LoadBalancerIngress", _texts("ip", "hostname")))}
        )
    },
)
_EVENT = {
    **_texts("type", "reason", "message", "firstTimestamp", "lastTimestamp", "eventTime", "reportingComponent",
             "reportingInstance", "action"),
    "count": _INTEGER,
    "series": Struct("EventSeries", {"count": _INTEGER, "lastObservedTime": _STRING}),
    "source": Struct("EventSource", _texts("component", "host")),
    "involvedObject": Struct(
        "ObjectReference", _texts("apiVersion", "kind", "name", "namespace", "uid", "fieldPath", "resourceVersion")
    ),
}  # fmt: skip

KINDS: dict[Kind, dict[str, Shape]] = {
    kinds.POD: {"spec": _POD_SPEC, "status": _POD_STATUS},
    kinds.NODE: {"spec": _NODE_SPEC, "status": _NODE_STATUS},
    kinds.NAMESPACE: {
        "spec": Struct("NamespaceSpec", {"finalizers": _STRINGS}),
        "status": Struct("NamespaceStatus", _texts("phase")),
    },
    kinds.SERVICE: {"spec": _SERVICE_SPEC, "status": _SERVICE_STATUS},
    kinds.EVENT: _EVENT,
    kinds.SECRET: {"data": Map(_BYTES), "stringData": _TEXTS, "type": _STRING},
    kinds.CONFIG_MAP: {"data": _TEXTS, "binaryData": Map(_BYTES)},
    kinds.PVC: {"spec": _CLAIM_SPEC, "status": _CLAIM_STATUS},
    kinds.PV: {"spec": _VOLUME_SPEC, "status": Struct("PersistentVolumeStatus", _texts("phase", "reason"))},
    kinds.RESOURCE_QUOTA: {
        "spec": Struct("ResourceQuotaSpec", {"hard": _AMOUNTS}),
        "status": Struct("ResourceQuotaStatus", {"hard": _AMOUNTS, "used": _AMOUNTS}),
    },
    kinds.STORAGE_CLASS: _texts("provisioner", "reclaimPolicy", "volumeBindingMode")
    | {"allowVolumeExpansion": _BOOLEAN, "parameters": _TEXTS},
    kinds.CSI_DRIVER: {"spec": Struct("CSIDriverSpec", {"attachRequired": _BOOLEAN, "podInfoOnMount": _BOOLEAN})},
    **{kind: {"spec": _WORKLOAD, "status": _WORKLOAD_STATUS} for kind in (kinds.DEPLOYMENT, kinds.DAEMON_SET)},
    kinds.API_SERVICE: {
        "spec": Struct(
            "APIServiceSpec",
            _texts("group", "version") | {"service": Struct("ServiceReference", _texts("name", "namespace"))},
        ),
        "status": Struct("APIServiceStatus", {"conditions": Many(_CONDITION)}),
    },
    kinds.KUBEVIRT: {
        "spec": _KUBEVIRT_SPEC,
        "status": Struct("KubeVirtStatus", {"phase": _STRING, "conditions": Many(_CONDITION)}),
    },
    kinds.VM: {"spec": _MACHINE_SPEC, "status": _MACHINE_STATUS},
    kinds.VMI: {"spec": _INSTANCE_SPEC, "status": _INSTANCE_STATUS},
    kinds.VMIM: {"spec": _MIGRATION_SPEC, "status": _MIGRATION_STATUS},
    kinds.DATA_VOLUME: {"spec": _DATA_VOLUME_SPEC, "status": _DATA_VOLUME_STATUS},
    kinds.STORAGE_PROFILE: {
        "status": Struct(
            "StorageProfileStatus",
            {
                "provisioner": _STRING,
                "claimPropertySets": Many(
                    Struct("ClaimPropertySet", {"accessModes": _STRINGS, "volumeMode": _STRING}, ("accessModes",))
                ),
            },
        ),
    },
    kinds.CDI_CONFIG: {
        "status": Struct(
            "CDIConfigStatus",
            {"filesystemOverhead": Struct("FilesystemOverhead", {"global": _STRING, "storageClass": _TEXTS})},
        )
    },
}
