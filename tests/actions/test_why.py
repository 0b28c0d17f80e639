"""``kvtui why`` and ``kvtui problems`` on a cluster with all kinds of troubles: words, objects, exit codes."""

from __future__ import annotations

import asyncio
import json

import pytest

from kvtui.cli import codes
from tests.actions.conftest import Run, change_object


def test_why_names_the_cause_how_it_is_known_and_what_to_do(run: Run) -> None:
    code, out, err = run("why", "shop/orders-db-2")
    assert (code, err) == (codes.OK, "")
    first, cause, evidence, step = out.splitlines()
    assert first.startswith("vm shop/orders-db-2 does not start, for ")
    assert cause == "  PVC shop/orders-db2-data does not exist"
    assert evidence.startswith(
        "    VMI orders-db-2 Synchronized=False FailedPvcNotFound: PVC shop/orders-db2-data does"
    )
    assert step == "  next: create the claim, or correct claimName in the VM"


@pytest.mark.parametrize("words", [("orders-db-2", "-n", "shop"), ("vm/shop/orders-db-2",), ("vms/orders-db-2",)])
def test_an_object_may_be_named_in_several_ways(run: Run, words: tuple[str, ...]) -> None:
    assert run("why", *words)[1].startswith("vm shop/orders-db-2 does not start")


def test_a_ticket_takes_signs_of_markdown_as_they_are(run: Run) -> None:
    code, out, _ = run("why", "tight/analytics-1", "-o", "markdown")
    assert code == codes.OK
    assert out.startswith("**vm tight/analytics-1 does not start, for ")
    assert "\n- VMI analytics-1 Synchronized=False FailedCreate" in out
    assert "requests.memory=8" in out


def test_scripts_get_the_chain_and_the_evidence(run: Run) -> None:
    code, out, _ = run("why", "orders-db-1", "-o", "json")
    answer = json.loads(out)
    (problem,) = answer["problems"]
    assert code == codes.OK
    assert answer["subject"]["kind"] == "VirtualMachine"
    assert answer["not_checked"] == []
    assert problem["root"]["name"] == "orders-db-1-data"
    assert [below["subject"]["name"] for below in problem["because"]] == ["orders-db-1-data", "nfs-archive"]
    assert problem["evidence"][0] == {
        "subject": "PVC orders-db-1-data", "field": "status.phase", "value": "Pending", "since": problem["since"],
    }  # fmt: skip


def test_what_is_well_is_said_to_be_so_as_far_as_is_known(run: Run) -> None:
    rows = json.loads(run("get", "vms", "-o", "json", "--filter", "status:running")[1])
    troubled = {item["subject"]["name"] for item in json.loads(run("problems", "-o", "json")[1])}
    row = next(row for row in rows if row["name"] not in troubled)
    code, out, _ = run("why", f"{row['namespace']}/{row['name']}")
    assert code == codes.OK
    assert "is Running: nothing is known to be wrong with it; looked at: VirtualMachine, VirtualMachineInstance" in out


def test_an_object_that_is_not_there_and_a_kind_that_is_none(run: Run) -> None:
    code, out, err = run("why", "shop/nobody")
    assert (code, out) == (codes.FAILED, "")
    assert "there is no object named shop/nobody" in err
    code, _, err = run("why", "spaceship/shop/x")
    assert code == codes.USAGE
    assert "there is no kind spaceship" in err


def test_all_problems_come_the_worst_first_and_each_cause_once(run: Run) -> None:
    code, out, err = run("problems")
    assert (code, err) == (codes.OK, "")
    lines = out.splitlines()
    assert any("shop/orders-db-2" in line and "does not exist" in line for line in lines)
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), key="x!i".index)


def test_scripts_can_fail_on_what_is_found(run: Run) -> None:
    assert run("problems", "-n", "shop", "--fail-on", "bad")[0] == codes.FAILED
    quiet = run("problems", "-n", "kube-system", "--fail-on", "warn")
    assert quiet == (codes.OK, "", "no problems found\n")


def test_an_account_that_sees_a_part_is_told_of_what_part(run: Run) -> None:
    code, out, err = run("--as", "nobody", "problems", "-o", "json")
    assert code == codes.PARTIAL
    assert json.loads(out)
    assert err.count("\n") == 1
    assert err.startswith("kvtui: demo: VirtualMachine, VirtualMachineInstance, Node, Pod, PersistentVolumeClaim and ")
    assert err.endswith(" more forbidden to this account\n")


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_beside_what_is_found_the_layers_are_named_that_the_account_cannot_see(run: Run, form: str) -> None:
    code, out, err = run("--context", "demo-view", "why", "shop/orders-db-1", "-o", form)
    assert code == codes.PARTIAL
    assert "vm shop/orders-db-1 does not start" in out
    _, unseen, after = out.lower().partition("not seen: ")
    assert unseen
    assert after.splitlines()[0] == "class nfs-archive: forbidden"
    assert "next: ask for list and watch on storageclasses.storage.k8s.io" in after
    assert err.startswith("kvtui: demo-view: StorageClass, ")
    assert err.count("\n") == 1


def test_scripts_get_every_list_that_is_not_known_and_each_layer_that_is_not_seen(run: Run) -> None:
    answer = json.loads(run("--context", "demo-view", "why", "shop/orders-db-1", "-o", "json")[1])
    (layer,) = answer["not_seen"]
    assert (layer["subject"]["kind"], layer["state"]) == ("StorageClass", "forbidden")
    (lists,) = answer["not_checked"]
    assert {"Node", "StorageClass", "Application"} <= set(lists.replace(",", "").split())


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_vm_that_no_node_takes_is_explained_without_the_nodes_and_says_that_they_are_not_seen(
    run: Run, form: str
) -> None:
    code, out, _ = run("--context", "demo-view", "why", "lab/avx-bench-1", "-o", form)
    assert code == codes.PARTIAL
    assert "lack CPU model GraniteRapids" in out
    assert "choose another domain.cpu.model than GraniteRapids" in out
    if form == "json":
        (unseen,) = json.loads(out)["not_seen"]
        assert (unseen["role"], unseen["subject"]["kind"], unseen["state"]) == ("nodes", "Node", "forbidden")
    else:
        assert "not seen: nodes: forbidden" in out.lower()
        assert "kubectl describe nodes" in out


def test_a_name_that_may_stand_in_a_list_that_is_forbidden_says_which_right_is_needed(run: Run) -> None:
    code, out, err = run("--context", "demo-view", "why", "node/worker-01")
    assert (code, out) == (codes.PARTIAL, "")
    assert "no node named worker-01 is known: demo-view: Node forbidden to this account: " in err
    assert err.endswith("hint: ask for list and watch on nodes\n")
    code, _, err = run("--context", "demo-view", "why", "vm/shop/nobody")
    assert (code, err) == (codes.FAILED, "kvtui: there is no vm named shop/nobody\n")


def test_the_stack_is_told_from_the_top_down(run: Run) -> None:
    code, out, err = run("stack", "shop/orders-db-2")
    assert (code, err) == (codes.OK, "")
    told = out.splitlines()
    assert told[0].startswith("x VM shop/orders-db-2: ")
    assert "does not start: PVC shop/orders-db2-data does not exist" in told[0]
    assert told[1].startswith("    VMI shop/orders-db-2: ")
    assert "      PVC shop/orders-db2-data: does not exist" in told


def test_scripts_get_the_layers_with_health_and_findings(run: Run) -> None:
    code, out, _ = run("stack", "vm/shop/orders-db-1", "-o", "json")
    layers = json.loads(out)["layers"]
    assert code == codes.OK
    assert [layer["name"] for layer in layers if layer["own"]] == ["shop/orders-db-1"]
    assert layers[0]["finding"]["trouble"] == "does not start"
    claim = next(layer for layer in layers if layer["name"] == "shop/orders-db-1-data" and layer["role"] == "PVC")
    assert (claim["subject"]["kind"], claim["health"]["word"]) == ("PersistentVolumeClaim", "Pending")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("daemonset/kubevirt/virt-handler", "daemonset kubevirt/virt-handler: "),
        ("KubeadmControlPlane/tenants/tenant-a-cp", "cluster tenants/tenant-a: "),
        ("KubevirtMachine/tenants/k8s-node-1", "cluster tenants/tenant-a: "),
        ("MachineDeployment/tenants/tenant-a-workers", "cluster tenants/tenant-a: "),
        ("VirtualMachineInstance/tenants/k8s-node-1", "VM tenants/k8s-node-1: "),
    ],
)
def test_what_is_in_no_list_has_the_stack_that_the_screen_opens(run: Run, text: str, base: str) -> None:
    code, out, _ = run("stack", text)
    assert code == codes.OK
    assert any(line[2:].lstrip().startswith(base) for line in out.splitlines())


def test_what_has_no_stack_says_so(run: Run) -> None:
    code, out, err = run("stack", "applications/streaming", "-n", "argocd")
    assert (code, out) == (codes.FAILED, "")
    assert "application argocd/streaming has no stack" in err


def test_trouble_of_a_part_is_told_after_how_the_vm_itself_fares(run: Run, kubeconfig: str) -> None:
    troubled = {item["subject"]["name"] for item in json.loads(run("problems", "-o", "json")[1])}
    rows = json.loads(run("get", "vms", "-o", "json", "--filter", "status:running")[1])
    disks = {row["name"] for row in json.loads(run("get", "dvs", "-o", "json", "--filter", "phase:succeeded")[1])}
    names = {row["name"]: row["namespace"] for row in rows if row["name"] not in troubled}
    name, namespace = next((name, space) for name, space in names.items() if f"{name}-data" in disks)
    assert run("delete", "pvc", f"{namespace}/{name}-data", "--yes")[0] == codes.OK
    # It is in use: only who takes its protection away loses it now.
    free = {"metadata": {"finalizers": None}}
    asyncio.run(change_object(kubeconfig, "PersistentVolumeClaim", f"{namespace}/{name}-data", free))
    _, out, _ = run("why", f"{namespace}/{name}")
    head, _, story, *_ = out.splitlines()
    assert head == f"vm {namespace}/{name} is Running; what is a part of it is in trouble:"
    assert story == f"import {namespace}/{name}-data has lost its disk"


@pytest.mark.parametrize(
    "words", [("pod/rook-ceph/csi-rbdplugin-x2x4z",), ("pod/csi-rbdplugin-x2x4z", "-n", "rook-ceph")]
)
def test_of_a_pod_that_is_not_watched_nobody_says_that_there_is_none(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run("why", *words)
    assert (code, out) == (codes.FAILED, "")
    name = words[0].removeprefix("pod/")
    assert err == (
        f"kvtui: no pod named {name} is watched: kvtui watches only pods with label kubevirt.io or cdi.kubevirt.io\n"
        "hint: kubectl describe pod -n rook-ceph csi-rbdplugin-x2x4z\n"
    )
