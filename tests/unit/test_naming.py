"""What a name of the command line means where there are several of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from kvtui.cli.naming import find_named
from kvtui.errors import ConfigError
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Platform
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainJob, DomainState
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
    assert refusal.value.hint == "say which by --host"
