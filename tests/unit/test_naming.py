"""What a name of the command line means where there are several of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from kvtui.backends.base import Backend
from kvtui.cli.naming import find_named, read_name
from kvtui.errors import ConfigError
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Platform
from kvtui.records.base import Meta
from kvtui.records.kubevirt import VirtualMachine
from kvtui.records.libvirt import Domain, DomainJob, DomainState, StorageVolume
from kvtui.resources import find, resources_for
from kvtui.store import Put, Store


def fleet_of(*domains: tuple[str, str, str, str]) -> Fleet:
    """Hosts with one domain each: host, uuid, state, and its reason."""
    store = Store()
    for host, uid, state, reason in domains:
        store.post(Put(host, Domain(metadata=Meta(name="web", uid=uid), state=DomainState(state), reason=reason, id=1)))
    store.drain()
    backends = {host: SimpleNamespace(info=BackendInfo(host, Platform.LIBVIRT)) for host, *_ in domains}
    resources = resources_for([Platform.LIBVIRT])
    found = SimpleNamespace(
        view=store, resources=resources, backends=backends, name=lambda ref: f"web on {ref.backend}"
    )
    return cast("Fleet", found)


@pytest.mark.parametrize("reason", ["migrating", "starting up"])
def test_while_it_moves_the_one_that_runs_is_meant(reason: str) -> None:
    fleet = fleet_of(("kvm2", "u", "paused", reason), ("kvm1", "u", "running", "booted"))
    assert find_named(fleet, None, "web", None, ()).ref.backend == "kvm1"


def test_a_migration_of_which_both_hosts_tell_is_one() -> None:
    fleet = fleet_of(("kvm2", "u", "paused", "migrating"), ("kvm1", "u", "running", "booted"))
    store = cast("Store", fleet.view)
    for host, way in (("kvm2", "incoming"), ("kvm1", "outgoing")):
        meta = Meta(name="web", uid=f"u {host}")
        job = DomainJob(metadata=meta, domain="web", domain_uid="u", operation=f"{way} migration", began=1000.0)
        store.post(Put(host, job))
    store.drain()
    migrations = find("migrations", fleet.resources)
    assert find_named(fleet, migrations, "web", None, ()).ref.backend == "kvm1"


def test_of_two_that_run_one_has_to_be_chosen_by_its_host() -> None:
    fleet = fleet_of(("kvm2", "v", "running", "booted"), ("kvm1", "u", "running", "booted"))
    with pytest.raises(ConfigError) as refusal:
        find_named(fleet, None, "web", None, ())
    assert refusal.value.hint == "say which: kvm1/web or kvm2/web"
    for host in ("kvm1", "kvm2"):
        for name in (f"{host}/web", f"vm/{host}/web"):
            assert find_named(fleet, *read_name(name, fleet), None, ()).ref.backend == host


def test_what_has_two_parts_itself_may_be_named_behind_its_host() -> None:
    fleet = fleet_of(("kvm1", "u", "running", "booted"), ("kvm2", "v", "running", "booted"))
    store = cast("Store", fleet.view)
    for host in ("kvm1", "kvm2"):
        store.post(Put(host, StorageVolume(metadata=Meta(name="images/a.img", uid=host), pool="images")))
    store.drain()
    for name in ("kvm2/images/a.img", "volume/kvm2/images/a.img"):
        assert find_named(fleet, *read_name(name, fleet), None, ()).ref.backend == "kvm2"
    with pytest.raises(ConfigError, match="there is no kind kvm3"):
        read_name("kvm3/images/a.img", fleet)


def test_one_of_a_namespace_and_one_of_a_host_of_that_name_are_told_apart_by_where_they_are() -> None:
    fleet = fleet_of(("shop", "u", "running", "booted"))
    store = cast("Store", fleet.view)
    store.post(Put("prod", VirtualMachine(metadata=Meta(name="web", namespace="shop", uid="v"))))
    store.drain()
    fleet.backends["prod"] = cast("Backend", SimpleNamespace(info=BackendInfo("prod", Platform.KUBERNETES)))
    vms = find("vms", resources_for(tuple(Platform)))
    with pytest.raises(ConfigError) as refusal:
        find_named(fleet, vms, "shop/web", None, ())
    assert refusal.value.hint == "say which: shop/web --context prod or shop/web --host shop"


def test_a_namespace_says_that_the_one_in_it_is_meant_and_a_kind_that_only_hosts_have_the_other() -> None:
    fleet = fleet_of(("kvm1", "u", "running", "booted"))
    store = cast("Store", fleet.view)
    store.post(Put("prod", VirtualMachine(metadata=Meta(name="web", namespace="shop", uid="v"))))
    store.drain()
    fleet.backends["prod"] = cast("Backend", SimpleNamespace(info=BackendInfo("prod", Platform.KUBERNETES)))
    cast("SimpleNamespace", fleet).resources = resources_for(tuple(Platform))
    for namespace, backend in (("shop", "prod"), ("other", "kvm1")):
        assert find_named(fleet, None, "web", namespace, ()).ref.backend == backend
    for name, backend in (("domain/web", "kvm1"), ("domain/kvm1/web", "kvm1"), ("virtualmachine/web", "prod")):
        assert find_named(fleet, *read_name(name, fleet), None, ()).ref.backend == backend
