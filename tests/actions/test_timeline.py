"""``kvtui timeline`` on a demo cluster: what happened to a VM and its layers, for people, tickets and scripts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime
from typing import Any

import pytest

from kvtui.cli import codes
from kvtui.cli.arguments import TIMELINE_LAYERS
from kvtui.joins.involved import Layer
from tests.actions.conftest import Run


def moments(run: Run, *words: str) -> list[dict[str, Any]]:
    code, out, _ = run("timeline", *words, "-o", "json")
    assert code == codes.OK
    found: list[dict[str, Any]] = json.loads(out)["moments"]
    return found


def test_a_vm_that_waits_for_a_disk_has_the_events_of_the_disk_on_its_timeline(run: Run) -> None:
    code, out, _ = run("timeline", "shop/orders-db-1")
    assert code == codes.OK
    assert any(" disk " in line and "pvc orders-db-1-data ExternalProvisioning" in line for line in out.splitlines())
    assert any(line.split()[1:3] == ["x", "kvtui"] and "does not start" in line for line in out.splitlines())
    assert any(line.split()[1:2] == ["now,"] for line in out.splitlines())


def test_the_oldest_is_first_and_layers_stand_together(run: Run) -> None:
    found = moments(run, "shop/orders-db-1")
    times = [datetime.fromisoformat(one["time"]) for one in found]
    assert times == sorted(times)
    assert {"vm", "vmi", "pod", "disk", "kvtui"} <= {one["layer"] for one in found}


def test_a_vm_that_runs_tells_its_start_down_to_the_container_and_who_made_it(run: Run) -> None:
    rows = json.loads(run("get", "vms", "-o", "json", "--filter", "status:running")[1])
    row = next(row for row in rows if row["namespace"] == "shop")
    found = moments(run, f"vm/shop/{row['name']}")
    assert any(one["source"] == "container" and one["what"] == "container compute started" for one in found)
    assert any(one["what"].startswith("created by kubectl") for one in found)
    assert any(one["source"] == "phase" and one["what"] == "phase Running" for one in found)


def test_what_was_done_through_kvtui_is_among_it(run: Run) -> None:
    rows = json.loads(run("get", "vms", "-o", "json", "--filter", "status:running")[1])
    name = next(f"{row['namespace']}/{row['name']}" for row in rows)
    assert run("pause", name, "--yes")[0] == codes.OK
    assert any(one["source"] == "audit" and one["what"] == "pause" for one in moments(run, name))
    assert run("unpause", name, "--yes")[0] == codes.OK


def test_a_ticket_is_a_table_with_dates(run: Run) -> None:
    code, out, err = run("timeline", "orders-db-2", "-n", "shop", "-o", "markdown")
    lines = out.splitlines()
    assert (code, err) == (codes.OK, "")
    assert lines[0] == "## Timeline of vm shop/orders-db-2"
    assert "| time | | layer | object | what happened |" in lines
    assert any("| x | kvtui | shop/orders-db-2 | **vm orders-db-2 does not start**" in line for line in lines)


def test_what_came_before_since_is_left_out(run: Run) -> None:
    assert moments(run, "shop/orders-db-2")
    assert moments(run, "shop/orders-db-2", "--since", "2099-01-01") == []


def test_layers_can_be_chosen_by_the_names_that_are_printed(run: Run) -> None:
    assert tuple(Layer) == TIMELINE_LAYERS
    found = moments(run, "shop/orders-db-1", "--layer", "disk", "--layer", "kvtui")
    assert {one["layer"] for one in found} == {"disk", "kvtui"}


@pytest.mark.parametrize(("times", "end"), [("ago", "0s ago"), ("utc", "UTC")])
def test_times_are_told_as_they_are_asked_for(run: Run, times: str, end: str) -> None:
    code, out, _ = run("timeline", "shop/orders-db-1", "--times", times)
    assert code == codes.OK
    now = next(line for line in out.splitlines() if " now, " in line)
    assert end in now
    assert (" ago " in out.splitlines()[0]) is (times == "ago")


@pytest.mark.parametrize("kind", ["node", "migration", "import"])
def test_other_kinds_have_one_too(run: Run, kind: str) -> None:
    rows = json.loads(run("get", f"{kind}s", "-o", "json")[1])
    row = rows[0]
    path = f"{row['namespace']}/{row['name']}" if row["namespace"] else row["name"]
    assert moments(run, f"{kind}/{path}")


def test_an_object_that_is_not_there_is_said_not_to_be(run: Run) -> None:
    code, out, err = run("timeline", "shop/nobody")
    assert (code, out) == (codes.FAILED, "")
    assert "there is no object named shop/nobody" in err


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_what_kubectl_and_kvtui_change_is_told_with_who_and_which_fields(run: Run, kubeconfig: str) -> None:
    def kubectl(*words: str, **environment: str) -> None:
        command = ("kubectl", "--kubeconfig", kubeconfig, "-n", namespace, *words)
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment}, timeout=30.0)

    rows = json.loads(run("get", "vms", "-o", "json", "--filter", "status:stopped")[1])
    namespace, name = rows[0]["namespace"], rows[0]["name"]
    domain = '{"spec":{"template":{"spec":{"domain":{"cpu":{"cores":7}}}}}}'
    kubectl("patch", "vm", name, "--type", "merge", "-p", domain)
    kubectl("label", "vm", name, "tier=gold")
    kubectl("edit", "vm", name, KUBE_EDITOR="sed -i 's/runStrategy:.*/runStrategy: Manual/'")
    assert run("set-memory", f"{namespace}/{name}", "--memory", "3Gi", "--yes")[0] == codes.OK
    written = {one["what"]: one["detail"] for one in moments(run, f"vm/{namespace}/{name}") if one["source"] == "write"}
    assert written["spec written by kubectl-patch"] == "spec.template.spec.domain.cpu.cores"
    assert written["metadata written by kubectl-label"] == "metadata.labels.tier"
    assert written["spec written by kubectl-edit"] == "spec.runStrategy"
    assert written["spec written by kvtui"] == "spec.template.spec.domain.memory.guest"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("APIService", "v1.subresources.kubevirt.io"),
        ("Application", "argocd/streaming"),
        ("CDI", "cdi"),
        ("DaemonSet", "kubevirt/virt-handler"),
        ("Deployment", "kubevirt/virt-api"),
        ("KubeVirt", "kubevirt/kubevirt"),
        ("KubeadmControlPlane", "tenants/tenant-a-cp"),
        ("KubevirtMachine", "tenants/k8s-node-1"),
        ("Machine", "tenants/k8s-node-1"),
        ("MachineDeployment", "tenants/tenant-a-workers"),
        ("VirtualMachineInstance", "tenants/k8s-node-1"),
    ],
)
def test_who_wrote_an_object_of_any_kind_is_told(run: Run, kubeconfig: str, kind: str, path: str) -> None:
    namespace, _, name = path.rpartition("/")
    plural = {"Machine": "machines.cluster.x-k8s.io"}.get(kind, kind)
    where = ("-n", namespace) if namespace else ()
    command = ("kubectl", "--kubeconfig", kubeconfig, *where, "annotate", plural, name, "ticket=4711")
    subprocess.run(command, check=True, capture_output=True, timeout=30.0)
    written = [one for one in moments(run, f"{kind}/{path}") if one["what"] == "metadata written by kubectl-annotate"]
    assert {"kind": kind, "detail": "metadata.annotations.ticket"} in [
        {"kind": one["subject"]["kind"], "detail": one["detail"]} for one in written
    ]
