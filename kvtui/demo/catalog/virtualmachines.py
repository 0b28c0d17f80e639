"""VirtualMachines of the applications, as their users write them and as the webhook completes them."""

from __future__ import annotations

from kvtui.demo.behaviour import OS_ANNOTATION, SYSTEMS
from kvtui.demo.catalog.applications import NAMESPACES, Application
from kvtui.demo.storage import Object


def machine(application: Application, name: str) -> Object:
    """A VirtualMachine of the application as a user writes it."""
    labels = {"app": application.name, "team": NAMESPACES[application.namespace]}
    volumes: list[Object] = []
    templates: list[Object] = []
    system = SYSTEMS[application.system]
    if application.storage_class:
        volumes.append({"name": "rootdisk", "dataVolume": {"name": f"{name}-root"}})
        templates.append(_template(application, f"{name}-root", application.disk, {"http": {"url": system.url}}))
    else:
        volumes.append({"name": "rootdisk", "containerDisk": {"image": system.image}})
    if application.data:
        volumes.append({"name": "data", "dataVolume": {"name": f"{name}-data"}})
        templates.append(_template(application, f"{name}-data", application.data, {"blank": {}}))
    if application.system != "windows":
        user_data = f"#cloud-config\nhostname: {name}\nssh_pwauth: true\n"
        volumes.append({"name": "cloudinit", "cloudInitNoCloud": {"userData": user_data}})
    networks: list[Object] = [{"name": "default", "pod": {}}]
    interfaces: list[Object] = [{"masquerade": {}, "name": "default"}]
    if application.network:
        networks.append({"multus": {"networkName": application.network}, "name": "vlan"})
        interfaces.append({"bridge": {}, "name": "vlan"})
    spec: Object = {
        "runStrategy": application.strategy,
        "template": {
            "metadata": {
                "annotations": {OS_ANNOTATION: application.system},
                "labels": {**labels, "kubevirt.io/domain": name},
            },
            "spec": {
                "domain": {
                    "cpu": {"cores": application.cores},
                    "devices": {
                        "disks": [{"disk": {"bus": "virtio"}, "name": item["name"]} for item in volumes],
                        "interfaces": interfaces,
                        "rng": {},
                    },
                    "memory": {"guest": application.memory},
                },
                "evictionStrategy": application.eviction,
                "networks": networks,
                "terminationGracePeriodSeconds": 180 if application.data else 30,
                "volumes": volumes,
            },
        },
    }
    if templates:
        spec["dataVolumeTemplates"] = templates
    if application.password:
        source = {"secret": {"secretName": application.password}}
        credentials = {"userPassword": {"source": source, "propagationMethod": {"qemuGuestAgent": {}}}}
        spec["template"]["spec"]["accessCredentials"] = [credentials]
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": application.namespace, "labels": labels},
        "spec": spec,
    }


def _template(application: Application, name: str, size: str, source: Object) -> Object:
    storage: Object = {"resources": {"requests": {"storage": size}}, "storageClassName": application.storage_class}
    if not application.shared:
        storage["accessModes"] = ["ReadWriteOnce"]
    return {"metadata": {"name": name}, "spec": {"source": source, "storage": storage}}


def default_machine(vm: Object, uuid: str, serial: str) -> None:
    """What the VM webhook fills in: architecture, machine type, firmware, PCI topology."""
    template = vm["spec"]["template"]
    template.setdefault("metadata", {}).setdefault("annotations", {}).setdefault(
        "kubevirt.io/pci-topology-version", "v3"
    )
    spec = template.setdefault("spec", {})
    spec.setdefault("architecture", "amd64")
    domain = spec.setdefault("domain", {})
    firmware = domain.setdefault("firmware", {})
    firmware.setdefault("serial", serial)
    firmware.setdefault("uuid", uuid)
    domain.setdefault("machine", {}).setdefault("type", "q35")
    domain.setdefault("resources", {})
