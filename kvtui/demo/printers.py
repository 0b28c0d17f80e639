"""What the API server prints for its own kinds.

Sources, of kubernetes 1.36: ``pkg/printers/internalversion/printers.go``; for APIService kube-aggregator
``pkg/registry/apiservice/etcd/etcd.go``; for CustomResourceDefinition apiserver ``pkg/registry/rest/table.go``. Columns
that the server describes in the words of the API documentation mostly go without a description here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kvtui.demo import kinds
from kvtui.demo.columns import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Column,
    condition_status,
    field,
    find,
    joined,
    labels_text,
    plain,
    since,
)
from kvtui.demo.metadata import Kind, Object
from kvtui.demo.pod_summary import summary

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _phase(obj: Object) -> str:
    if find(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    return str(find(obj, "status", "phase") or "")


# Pods


def _restarts(pod: Object, now: datetime) -> str:
    found = summary(pod)
    if not found.restarts or not found.last_restart:
        return str(found.restarts)
    return f"{found.restarts} ({since(found.last_restart, now)} ago)"


def _pod_address(pod: Object) -> str:
    addresses = find(pod, "status", "podIPs") or ()
    return str(addresses[0].get("ip") or NONE) if addresses else NONE


def _gates(pod: Object) -> str:
    gates = find(pod, "spec", "readinessGates") or ()
    if not gates:
        return NONE
    passed = sum(condition_status(pod, gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{passed}/{len(gates)}"


# Nodes


def _node_status(node: Object) -> str:
    ready = condition_status(node, "Ready")
    status = "Unknown" if ready is None else ("Ready" if ready == "True" else "NotReady")
    return f"{status},SchedulingDisabled" if find(node, "spec", "unschedulable") else status


def _roles(node: Object) -> str:
    found = set()
    for label, value in (find(node, "metadata", "labels") or {}).items():
        if label.startswith(_ROLE_PREFIX) and label != _ROLE_PREFIX:
            found.add(label.removeprefix(_ROLE_PREFIX))
        elif label == _ROLE_LABEL and value:
            found.add(value)
    return joined(sorted(found)) or NONE


def _node_address(node: Object, kind: str) -> str:
    addresses = find(node, "status", "addresses") or ()
    return next((entry["address"] for entry in addresses if entry.get("type") == kind), NONE)


def _kernel(node: Object) -> str:
    kernel, architecture = (find(node, "status", "nodeInfo", name) for name in ("kernelVersion", "architecture"))
    return f"{kernel or UNKNOWN} ({architecture})" if architecture else str(kernel or UNKNOWN)


# Volumes


def _modes(modes: list[str] | None) -> str:
    present = modes or ()
    return joined(short for mode, short in _ACCESS_MODES.items() if mode in present)


def _claim_capacity(claim: Object) -> str:
    return str(find(claim, "status", "capacity", "storage") or "0") if find(claim, "spec", "volumeName") else ""


def _claim_modes(claim: Object) -> str:
    return _modes(find(claim, "status", "accessModes")) if find(claim, "spec", "volumeName") else ""


def _claimed_by(volume: Object) -> str:
    claim = find(volume, "spec", "claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _class_name(storage_class: Object) -> str:
    annotations = find(storage_class, "metadata", "annotations") or {}
    default = any(annotations.get(name) == "true" for name in _DEFAULT_CLASS)
    return f"{storage_class['metadata']['name']} (default)" if default else str(storage_class["metadata"]["name"])


def _quota(quota: Object, *, limits: bool) -> str:
    """``requests.cpu: 1/4, pods: 3/10`` for what is requested, or the same for the limits."""
    hard, used = (find(quota, "status", name) or {} for name in ("hard", "used"))
    shown = [name for name in sorted(hard) if name.startswith("limits.") == limits]
    return ", ".join(f"{name}: {used.get(name, 0)}/{hard[name]}" for name in shown)


# Events


def _last_seen(event: Object, now: datetime) -> str:
    if event.get("series"):
        return since(find(event, "series", "lastObservedTime"), now)
    return since(event["lastTimestamp"], now) if event.get("lastTimestamp") else _first_seen(event, now)


def _first_seen(event: Object, now: datetime) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _involved(event: Object) -> str:
    kind, name = (find(event, "involvedObject", member) or "" for member in ("kind", "name"))
    return f"{kind.lower()}/{name}" if name else str(kind.lower())


def _source(event: Object) -> str:
    component = find(event, "source", "component") or event.get("reportingComponent") or ""
    host = find(event, "source", "host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _count(event: Object) -> int:
    return find(event, "series", "count") or 0 if event.get("series") else event.get("count") or 1


# Services and workloads


def _external(service: Object) -> str:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    addresses = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        ingress = find(service, "status", "loadBalancer", "ingress") or ()
        balancers = {entry.get("ip") or entry.get("hostname") or "" for entry in ingress} - {""}
        return joined([*sorted(balancers), *addresses]) or "<pending>"
    return joined(addresses) or NONE


def _ports(service: Object) -> str:
    shown = []
    for port in find(service, "spec", "ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return joined(shown) or NONE


def _entries(*names: str) -> Any:
    return plain(lambda obj: sum(len(obj.get(name) or ()) for name in names))


def _containers(name: str) -> Any:
    return plain(lambda obj: joined(c.get(name, "") for c in find(obj, "spec", "template", "spec", "containers") or ()))


def _selector(obj: Object) -> str:
    selector = find(obj, "spec", "selector") or {}
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or ():
        operator, values = str(term.get("operator", "")).lower(), joined(sorted(term.get("values") or ()))
        key = term.get("key", "")
        known = {"exists": key, "doesnotexist": f"!{key}"}
        terms.append((key, known.get(operator, f"{key} {operator} ({values})")))
    return joined(shown for _, shown in sorted(terms))


def _ready_replicas(deployment: Object) -> str:
    wanted = find(deployment, "spec", "replicas")
    return f"{find(deployment, 'status', 'readyReplicas') or 0}/{1 if wanted is None else wanted}"


def _backing_service(api_service: Object) -> str:
    service = find(api_service, "spec", "service")
    return f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"


def _available(api_service: Object) -> str:
    for found in find(api_service, "status", "conditions") or ():
        if found.get("type") == "Available":
            status, reason = str(found.get("status")), found.get("reason")
            return f"{status} ({reason})" if reason and status != "True" else status
    return "Unknown"


def _wide(name: str, cell: Any, type_: str = "string", description: str = "") -> Column:
    return Column(name, cell, type_, 1, description)


def _number(name: str, *path: str) -> Column:
    return Column(name, field(*path, absent=0), "integer")


_WORKLOAD = (
    _wide("Containers", _containers("name"), description="Names of each container in the template."),
    _wide("Images", _containers("image"), description="Images referenced by each container in the template."),
)

COLUMNS: dict[Kind, tuple[Column, ...]] = {
    kinds.POD: (
        NAME,
        Column(
            "Ready",
            plain(lambda pod: f"{summary(pod).ready}/{summary(pod).containers}"),
            description="The aggregate readiness state of this pod for accepting traffic.",
        ),
        Column(
            "Status",
            plain(lambda pod: summary(pod).status),
            description="The aggregate status of the containers in this pod.",
        ),
        Column(
            "Restarts",
            _restarts,
            description="The number of times the containers in this pod have been restarted and when the last "
            "container in this pod has restarted.",
        ),
        AGE,
        _wide("IP", plain(_pod_address)),
        _wide("Node", field("spec", "nodeName", absent=NONE)),
        _wide("Nominated Node", field("status", "nominatedNodeName", absent=NONE)),
        _wide("Readiness Gates", plain(_gates)),
    ),
    kinds.NODE: (
        NAME,
        Column("Status", plain(_node_status), description="The status of the node"),
        Column("Roles", plain(_roles), description="The roles of the node"),
        AGE,
        Column(
            "Version",
            field("status", "nodeInfo", "kubeletVersion"),
            description="Kubelet Version reported by the node.",
        ),
        _wide("Internal-IP", plain(lambda node: _node_address(node, "InternalIP"))),
        _wide("External-IP", plain(lambda node: _node_address(node, "ExternalIP"))),
        _wide("OS-Image", field("status", "nodeInfo", "osImage", absent=UNKNOWN)),
        _wide("Kernel-Version", plain(_kernel)),
        _wide("Container-Runtime", field("status", "nodeInfo", "containerRuntimeVersion", absent=UNKNOWN)),
    ),
    kinds.NAMESPACE: (
        NAME,
        Column("Status", field("status", "phase"), description="The status of the namespace"),
        AGE,
    ),
    kinds.EVENT: (
        Column("Last Seen", _last_seen),
        Column("Type", field("type")),
        Column("Reason", field("reason")),
        Column("Object", plain(_involved)),
        _wide("Subobject", field("involvedObject", "fieldPath")),
        _wide("Source", plain(_source)),
        Column("Message", plain(lambda event: str(event.get("message") or "").strip())),
        _wide("First Seen", _first_seen),
        _wide("Count", plain(_count)),
        Column("Name", NAME.cell, "string", 1, NAME.description, NAME.format),
    ),
    kinds.SERVICE: (
        NAME,
        Column("Type", field("spec", "type", absent="ClusterIP")),
        Column("Cluster-IP", field("spec", "clusterIP", absent=NONE)),
        Column("External-IP", plain(_external)),
        Column("Port(s)", plain(_ports)),
        AGE,
        _wide("Selector", plain(lambda service: labels_text(find(service, "spec", "selector")))),
    ),
    kinds.SECRET: (NAME, Column("Type", field("type")), Column("Data", _entries("data")), AGE),
    kinds.CONFIG_MAP: (NAME, Column("Data", _entries("data", "binaryData")), AGE),
    kinds.PVC: (
        NAME,
        Column("Status", plain(_phase)),
        Column("Volume", field("spec", "volumeName")),
        Column("Capacity", plain(_claim_capacity)),
        Column("Access Modes", plain(_claim_modes)),
        Column("StorageClass", field("spec", "storageClassName"), description="StorageClass of the pvc"),
        Column(
            "VolumeAttributesClass",
            field("spec", "volumeAttributesClassName", absent=UNSET),
            description="VolumeAttributesClass of the pvc",
        ),
        AGE,
        _wide("VolumeMode", field("spec", "volumeMode", absent=UNSET)),
    ),
    kinds.PV: (
        NAME,
        Column("Capacity", field("spec", "capacity", "storage", absent="0")),
        Column("Access Modes", plain(lambda volume: _modes(find(volume, "spec", "accessModes")))),
        Column("Reclaim Policy", field("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", plain(_phase)),
        Column("Claim", plain(_claimed_by)),
        Column("StorageClass", field("spec", "storageClassName"), description="StorageClass of the pv"),
        Column(
            "VolumeAttributesClass",
            field("spec", "volumeAttributesClassName", absent=UNSET),
            description="VolumeAttributesClass of the pv",
        ),
        Column("Reason", field("status", "reason")),
        AGE,
        _wide("VolumeMode", field("spec", "volumeMode", absent=UNSET)),
    ),
    kinds.RESOURCE_QUOTA: (
        NAME,
        Column(
            "Request",
            plain(lambda quota: _quota(quota, limits=False)),
            description="Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        Column(
            "Limit",
            plain(lambda quota: _quota(quota, limits=True)),
            description="Limits control the maximum amount of cpu/memory that a container may use independent of "
            "contention on the node.",
        ),
        AGE,
    ),
    kinds.STORAGE_CLASS: (
        Column("Name", plain(_class_name), "string", 0, NAME.description, NAME.format),
        Column("Provisioner", field("provisioner")),
        Column("ReclaimPolicy", field("reclaimPolicy", absent="Delete")),
        Column("VolumeBindingMode", field("volumeBindingMode", absent="Immediate")),
        Column("AllowVolumeExpansion", field("allowVolumeExpansion", absent=False)),
        AGE,
    ),
    kinds.DEPLOYMENT: (
        NAME,
        Column("Ready", plain(_ready_replicas), description="Number of the pod with ready state"),
        Column("Up-to-date", field("status", "updatedReplicas", absent=0)),
        Column("Available", field("status", "availableReplicas", absent=0)),
        AGE,
        *_WORKLOAD,
        _wide("Selector", plain(_selector)),
    ),
    kinds.DAEMON_SET: (
        NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        _number("Up-to-date", "status", "updatedNumberScheduled"),
        _number("Available", "status", "numberAvailable"),
        Column(
            "Node Selector",
            plain(lambda obj: labels_text(find(obj, "spec", "template", "spec", "nodeSelector"))),
        ),
        AGE,
        *_WORKLOAD,
        _wide("Selector", plain(lambda obj: _selector(obj) or NONE)),
    ),
    kinds.API_SERVICE: (
        NAME,
        Column(
            "Service", plain(_backing_service), description="The reference to the service that hosts this API endpoint."
        ),
        Column("Available", plain(_available), description="Whether this service is available."),
        AGE,
    ),
    kinds.CRD: (
        NAME,
        Column("Created At", field("metadata", "creationTimestamp", absent=UNKNOWN), "date"),
    ),
}
"""The columns of every built-in kind, in their order."""
