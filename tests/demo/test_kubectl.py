"""The real kubectl judges the demo cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from kvtui.demo import kinds
from tests.cluster import RunningCluster
from tests.demo.wire import machine

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

_PATIENCE = 30.0


class Kubectl:
    """Runs kubectl with the kubeconfig of a cluster."""

    def __init__(self, cluster: RunningCluster, home: Path) -> None:
        self.cluster = cluster
        self._environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(home)}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Begin a command."""
        return await asyncio.create_subprocess_exec(
            "kubectl",
            *arguments,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, given: str = "", code: int = 0) -> str:
        """Standard output of a command, and of one that fails its errors."""
        process = await self.start(*arguments)
        output, errors = await asyncio.wait_for(process.communicate(given.encode()), _PATIENCE)
        assert process.returncode == code, errors.decode()
        return (errors if code else output).decode()

    @contextlib.asynccontextmanager
    async def follow(self, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
        """The output of a command that goes on until the block ends."""
        process = await self.start(*arguments)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_PATIENCE):
                yield process.stdout
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


@pytest.fixture
def kubectl(cluster: RunningCluster, tmp_path: Path) -> Kubectl:
    """kubectl with a home of its own, so that nothing is cached from elsewhere."""
    return Kubectl(cluster, tmp_path)


async def _apply(kubectl: Kubectl, strategy: str = "Halted", *options: str) -> str:
    obj = yaml.safe_dump(machine("kube-1", strategy=strategy))
    return await kubectl.run("apply", "-f", "-", *options, given=obj)


async def test_get_all_kinds(kubectl: Kubectl) -> None:
    output = await kubectl.run("get", "vm,vmi,vmim,dv,pods", "-A")
    count = kubectl.cluster.world.storage.count(kinds.VM)
    assert output.count("virtualmachine.kubevirt.io/") == count > 0
    assert "NAMESPACE" in output
    nodes = await kubectl.run("get", "nodes")
    assert nodes.splitlines()[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]


@pytest.mark.parametrize("output", ["wide", "yaml", "json", "name"])
async def test_get_in_other_forms(kubectl: Kubectl, output: str) -> None:
    assert await kubectl.run("get", "vm", "-A", "-o", output)


async def test_get_with_small_pages(kubectl: Kubectl) -> None:
    whole = await kubectl.run("get", "vm", "-A", "-o", "name")
    assert await kubectl.run("get", "vm", "-A", "-o", "name", "--chunk-size=3") == whole


async def test_what_is_not_there(kubectl: Kubectl) -> None:
    missing = await kubectl.run("get", "vm", "nope", "-n", "shop", code=1)
    assert missing == 'Error from server (NotFound): virtualmachines.kubevirt.io "nope" not found\n'
    unknown = await kubectl.run("get", "volumes.longhorn.io", code=1)
    assert "the server doesn't have a resource type" in unknown


async def test_get_watches(kubectl: Kubectl) -> None:
    await _apply(kubectl)
    async with kubectl.follow("get", "vm", "-n", "shop", "-w") as output:
        while b"kube-1" not in await output.readline():
            pass
        start = "/apis/subresources.kubevirt.io/v1/namespaces/shop/virtualmachines/kube-1/start"
        async with kubectl.cluster.session(Accept="*/*") as session, session.put(start) as response:
            assert response.status == 202
        kubectl.cluster.advance(120)
        line = b""
        while not (line.startswith(b"kube-1") and b"Running" in line):
            line = await output.readline()
            assert line


async def test_apply_twice_and_changed(kubectl: Kubectl) -> None:
    assert await _apply(kubectl) == "virtualmachine.kubevirt.io/kube-1 created\n"
    assert await _apply(kubectl) == "virtualmachine.kubevirt.io/kube-1 unchanged\n"
    assert await _apply(kubectl, "Manual") == "virtualmachine.kubevirt.io/kube-1 configured\n"
    assert await _apply(kubectl, "Manual", "--dry-run=server") == (
        "virtualmachine.kubevirt.io/kube-1 unchanged (server dry run)\n"
    )
    assert await kubectl.run("diff", "-f", "-", given=yaml.safe_dump(machine("kube-1", strategy="Manual"))) == ""


async def test_server_side_apply(kubectl: Kubectl) -> None:
    assert "serverside-applied" in await _apply(kubectl, "Halted", "--server-side")
    assert "serverside-applied" in await _apply(kubectl, "Manual", "--server-side")
    found = await kubectl.run("get", "vm", "kube-1", "-n", "shop", "-o", "jsonpath={.spec.runStrategy}")
    assert found == "Manual"


async def test_patch_label_and_annotate(kubectl: Kubectl) -> None:
    await _apply(kubectl)
    await kubectl.run("patch", "vm", "kube-1", "-n", "shop", "--type=merge", "-p", '{"spec":{"runStrategy":"Manual"}}')
    await kubectl.run("label", "vm", "kube-1", "-n", "shop", "team=red")
    await kubectl.run("annotate", "vm", "kube-1", "-n", "shop", "note=x")
    vm = json.loads(await kubectl.run("get", "vm", "-n", "shop", "-l", "team=red", "-o", "json"))["items"][0]
    assert (vm["spec"]["runStrategy"], vm["metadata"]["annotations"]["note"]) == ("Manual", "x")
    refused = await kubectl.run("patch", "vm", "kube-1", "-n", "shop", "-p", "{}", code=1)
    assert "application/strategic-merge-patch+json is not supported" in refused


async def test_delete_waits_until_it_is_gone(kubectl: Kubectl) -> None:
    await _apply(kubectl)
    kubectl.cluster.server.ticker.speed = 20.0
    kubectl.cluster.server.ticker.start()
    assert "deleted" in await kubectl.run("delete", "vm", "kube-1", "-n", "shop")
    await kubectl.run("get", "vm", "kube-1", "-n", "shop", code=1)


async def test_describe(kubectl: Kubectl) -> None:
    await _apply(kubectl, "Always")
    kubectl.cluster.advance(120)
    output = await kubectl.run("describe", "vm", "kube-1", "-n", "shop")
    assert "Run Strategy:" in output
    assert "SuccessfulCreate" in output
    node = await kubectl.run("describe", "node", kubectl.cluster.world.storage.list(kinds.NODE)[0]["metadata"]["name"])
    assert "Allocated resources:" in node


async def test_logs_are_followed(kubectl: Kubectl) -> None:
    await _apply(kubectl, "Always")
    kubectl.cluster.advance(300)
    pod = next(
        pod["metadata"]["name"]
        for pod in kubectl.cluster.world.storage.list(kinds.POD, "shop")
        if pod["metadata"].get("annotations", {}).get("kubevirt.io/domain") == "kube-1"
    )
    arguments = ("logs", "-f", "-n", "shop", pod, "-c", "compute", "--tail=1", "--timestamps")
    async with kubectl.follow(*arguments) as output:
        first = await output.readline()
        kubectl.cluster.advance(60)
        assert await output.readline() > first > b""


async def test_what_one_may_do(kubectl: Kubectl) -> None:
    assert await kubectl.run("auth", "can-i", "create", "vm", "-n", "shop") == "yes\n"
    view = ("--context", "demo-view")
    assert await kubectl.run(*view, "auth", "can-i", "list", "vm", "-A") == "yes\n"
    await kubectl.run(*view, "auth", "can-i", "delete", "vm", "-n", "shop", code=1)
    assert "demo-view" in await kubectl.run(*view, "auth", "whoami")
    rules = await kubectl.run(*view, "auth", "can-i", "--list", "-n", "shop")
    assert "virtualmachines.kubevirt.io" in rules
    refused = await kubectl.run(*view, "get", "nodes", code=1)
    assert 'User "demo-view" cannot list resource "nodes"' in refused


async def test_resources_and_versions(kubectl: Kubectl) -> None:
    resources = await kubectl.run("api-resources", "--api-group=kubevirt.io")
    assert "vm,vms" in resources
    assert "v1.36" in await kubectl.run("version")
    assert "kubevirt.io/v1\n" in await kubectl.run("api-versions")


async def test_top(kubectl: Kubectl) -> None:
    assert "%" in await kubectl.run("top", "nodes")
    assert await kubectl.run("top", "pods", "-A")


async def test_cordon_and_drain(kubectl: Kubectl) -> None:
    storage = kubectl.cluster.world.storage
    with_machines = {vmi["status"].get("nodeName") for vmi in storage.list(kinds.VMI)}
    nodes = {pod["spec"].get("nodeName") for pod in storage.list(kinds.POD)} - with_machines - {None}
    node = min(nodes)
    assert "cordoned" in await kubectl.run("cordon", node)
    assert "SchedulingDisabled" in await kubectl.run("get", "node", node)
    kubectl.cluster.server.ticker.speed = 100.0
    kubectl.cluster.server.ticker.start()
    drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
    assert f"node/{node} drained" in await kubectl.run(*drain)
    assert "uncordoned" in await kubectl.run("uncordon", node)


async def test_simple_objects_are_made(kubectl: Kubectl) -> None:
    await kubectl.run("create", "namespace", "kube-made")
    await kubectl.run("create", "configmap", "one", "-n", "kube-made", "--from-literal=a=b")
    assert await kubectl.run("get", "configmap", "one", "-n", "kube-made", "-o", "jsonpath={.data.a}") == "b"
    assert "deleted" in await kubectl.run("delete", "namespace", "kube-made", "--wait=false")
