"""What is told below a CSI driver: where it is registered, its node plugin, and what nobody can tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvtui.model import Feed, FeedState, Ref
from kvtui.records.daemons import DaemonSet
from kvtui.store import Store
from kvtui.unseen import name_unseen, unseen_layers
from tests.machines import Object, record_of
from tests.resources.test_provisioning import cluster, each
from tests.resources.test_stack import POSTGRES, find, lines, without

DRIVER = "rook-ceph.rbd.csi.ceph.com"
SC = Ref("c", "StorageClass", "", "ceph-rbd")


def below_driver(store: Store, ref: Ref = POSTGRES) -> list[str]:
    """What is told of the first driver and below it, but for its Ceph."""
    told = [one.strip() for one in lines(store, ref)]
    at = next(at for at, one in enumerate(told) if one.startswith("CSI driver "))
    return [one for one in told[at + 1 : at + 4] if one.startswith(("driver on", "node plugin", "driver's pods"))]


def node_of_postgres(store: Store) -> str:
    return next(one for one in lines(store, POSTGRES) if one.strip().startswith("node ")).split()[1].rstrip(":")


def test_a_driver_tells_that_it_is_registered_on_the_node_of_the_vm_and_that_its_node_plugin_is_ready() -> None:
    store = cluster(ready(9))
    assert below_driver(store) == [
        f"driver on {node_of_postgres(store)}: registered",
        "node plugin rook-ceph/csi-rbdplugin: Ready (9 of 9 pods are; the pods of its controller are not known)",
    ]


def test_below_a_class_no_node_is_meant() -> None:
    assert [one.split(":")[0] for one in below_driver(cluster(), SC)] == ["node plugin rook-ceph/csi-rbdplugin"]


def unregister(node: Object) -> None:
    node["spec"]["drivers"] = [{"name": "other.csi.k8s.io", "nodeID": "n"}]


@pytest.mark.parametrize(
    ("edit", "state", "words"),
    [
        (each("CSINode", unregister), FeedState.LIVE,
         "not registered (no disk of this driver can be mounted there)"),
        (without("CSINode"), FeedState.LIVE, "does not exist"),
        (without("CSINode"), FeedState.FORBIDDEN, "forbidden (this account may not list its kind)"),
    ],
)  # fmt: skip
def test_where_a_driver_is_not_registered_or_nobody_may_see_it_that_is_told(
    edit: Callable[[list[Object]], None], state: FeedState, words: str
) -> None:
    store = cluster(edit)
    store.post(Feed("c", "CSINode", state))
    assert below_driver(store)[0].partition(": ")[2] == words


def ready(count: int) -> Callable[[list[Object]], None]:
    return each("DaemonSet", lambda item: item["status"].update(desiredNumberScheduled=9, numberReady=count))


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (9, "Ready (9 of 9 pods are; the pods"),
        (8, "In part (8 of 9 pods are ready; which node lacks one is not known; the pods"),
        (0, "Not ready (0 of 9 pods are ready; the pods"),
    ],
)
def test_a_node_plugin_tells_how_many_of_its_pods_are_ready(count: int, words: str) -> None:
    assert below_driver(cluster(ready(count)))[1].partition(": ")[2].startswith(words)


def unname(item: Object) -> None:
    """As csi-driver-nfs does: its socket lies in a folder of another name."""
    for container in item["spec"]["template"]["spec"]["containers"]:
        container["args"] = ["--kubelet-registration-path=/var/lib/kubelet/plugins/csi-nfsplugin/csi.sock"]


def test_a_driver_whose_pods_nothing_names_says_that_they_are_not_known() -> None:
    store = cluster(each("DaemonSet", unname))
    assert (
        below_driver(store)[1] == f"driver's pods {DRIVER}: not known (no DaemonSet says that it registers this driver)"
    )


def test_a_driver_whose_pods_may_not_be_seen_says_so() -> None:
    store = cluster(without("DaemonSet"))
    store.post(Feed("c", "DaemonSet", FeedState.FORBIDDEN))
    assert below_driver(store)[1].startswith(f"driver's pods {DRIVER}: forbidden")
    assert name_unseen(unseen_layers(store, find(store, POSTGRES))) == "driver's pods: forbidden"


@pytest.mark.parametrize(
    ("args", "registers"),
    [
        (["--kubelet-registration-path=/var/lib/kubelet/plugins/d.csi/csi.sock"], True),
        (["-v", "5", "--kubelet-registration-path", "/var/lib/kubelet/plugins/d.csi/csi.sock"], True),
        (["--kubelet-registration-path=/var/lib/kubelet/plugins/other.d.csi/csi.sock"], False),
        (["--kubelet-registration-path=$(DRIVER_REG_SOCK_PATH)"], False),
        (["--kubelet-registration-path"], False),
        (["--csi-address=/var/lib/kubelet/plugins/d.csi/csi.sock"], False),
    ],
)
def test_which_driver_a_daemon_set_registers_stands_in_the_path_of_its_socket(args: list[str], registers: bool) -> None:
    spec = {"template": {"spec": {"containers": [{"args": ["--port=1"]}, {"args": args}]}}}
    record = record_of({"kind": "DaemonSet", "metadata": {"name": "n"}, "spec": spec})
    assert isinstance(record, DaemonSet)
    assert record.registers("d.csi") is registers


def test_a_provisioner_that_is_no_csi_driver_is_not_called_one() -> None:
    store = cluster(each("StorageClass", lambda item: item.update(provisioner="example.org/by-hand")))
    assert [one.strip() for one in lines(store, SC)][-1] == "provisioner example.org/by-hand"
