"""What bears on a host of libvirt."""

from __future__ import annotations

from kvtui.joins.reach import Tie, reach_of
from kvtui.records.base import Meta
from kvtui.records.libvirt import Host, StoragePool
from kvtui.store import Put, Store


def test_the_pools_of_a_host_belong_to_it_and_those_of_others_do_not() -> None:
    store = Store()
    for name in ("kvm-a", "kvm-b"):
        pool = StoragePool(metadata=Meta(name="small", uid=f"{name}-small"))
        store.apply([Put(name, Host(metadata=Meta(name=name))), Put(name, pool)])
    host, record = next(store.items(Host, "kvm-b"))
    reach = reach_of(store, host, record)
    pools = [(ref.backend, tie) for ref, tie in reach.items() if ref.kind == StoragePool.KIND]
    assert pools == [("kvm-b", Tie.PART)]
