"""Rows show what the rules found in them."""

from __future__ import annotations

from collections.abc import Mapping

from kvtui.model import Feed, FeedState, Finding, Ref, Severity, Tone
from kvtui.records.base import Meta
from kvtui.records.kubernetes import Claim
from kvtui.records.kubevirt import (
    InstanceSpec,
    MachineSpec,
    MachineStatus,
    Template,
    VirtualMachine,
    Volume,
    VolumeName,
)
from kvtui.resources.listing import Listing, ListingChange
from kvtui.store import Delta, Drop, Put, Store
from tests.resources.test_listing import NOW, machine, names, resource

STATUS = 2
"""The place of the column."""


class Judged:
    """VMs in a list, and what was found in them."""

    def __init__(self, *puts: Put) -> None:
        self.found: Mapping[tuple[str, ...], Finding] = {}
        self.store = Store()
        self.store.apply(puts)
        self.listing = Listing(resource("vms"), self.store, NOW, lambda: self.found)

    def find(self, *findings: Finding) -> ListingChange:
        """The rules find this and nothing else."""
        self.found = {finding.subject[:4]: finding for finding in findings}
        return self.listing.apply(Delta(), NOW)

    def status(self, name: str) -> tuple[str, Tone | None]:
        ref = next(ref for ref in self.listing.refs if ref.name == name)
        return self.listing.cell(ref, self.listing.row(ref), STATUS, NOW)[:2]


def finding(name: str, trouble: str, severity: Severity = Severity.BAD, kind: str = "VirtualMachine") -> Finding:
    label = "vm" if kind == VirtualMachine.KIND else "claim"
    return Finding("rule", severity, Ref("c", kind, "a", name), label, trouble, f"because of {name}")


def machine_with_claim(name: str, claim: str) -> tuple[Put, Put]:
    volume = Volume(name="data", persistent_volume_claim=VolumeName(claim_name=claim))
    vm = VirtualMachine(
        metadata=Meta(name=name, namespace="a", uid=name),
        spec=MachineSpec(template=Template(spec=InstanceSpec(volumes=(volume,)))),
        status=MachineStatus(printable_status="Running"),
    )
    return Put("c", vm), Put("c", Claim(metadata=Meta(name=claim, namespace="a", uid=claim)))


def test_a_row_that_looks_well_tells_its_trouble_with_a_sign_and_in_two_words() -> None:
    judged = Judged(machine("db"), machine("web"))
    judged.find(finding("db", "is out of sync", Severity.WARN))
    assert judged.status("db") == ("! Running,out of sync", Tone.WARN)
    assert judged.status("web") == ("Running", Tone.OK)


def test_a_word_that_tells_of_trouble_stays_and_bears_the_sign() -> None:
    judged = Judged(machine("db", status="CrashLoopBackOff"))
    judged.find(finding("db", "crashes at start"))
    assert judged.status("db") == ("x CrashLoopBackOff", Tone.BAD)


def test_what_goes_on_and_does_not_get_on_bears_the_sign() -> None:
    judged = Judged(machine("db", status="Starting"))
    judged.find(finding("db", "does not start", Severity.WARN))
    assert judged.status("db") == ("! Starting", Tone.WARN)


def test_what_is_merely_worth_knowing_leaves_the_row_as_it_is() -> None:
    judged = Judged(machine("db"))
    judged.find()
    assert judged.status("db") == ("Running", Tone.OK)


def test_a_disk_that_is_gone_shows_in_the_row_of_its_vm() -> None:
    judged = Judged(*machine_with_claim("db", "db-data"))
    judged.find(finding("db-data", "has lost its volume", kind=Claim.KIND))
    assert judged.status("db") == ("x Running,claim lost its volume", Tone.BAD)


def test_only_the_rows_of_findings_that_came_or_went_are_drawn_anew() -> None:
    judged = Judged(machine("db"), machine("mail"), machine("web"))
    first, second = finding("db", "hangs"), finding("web", "hangs")
    assert {ref.name for ref in judged.find(first, second).changed} == {"db", "web"}
    assert {ref.name for ref in judged.find(first).changed} == {"web"}
    assert judged.find(first).changed == set()
    assert judged.status("web") == ("Running", Tone.OK)


def test_a_row_that_changes_keeps_what_was_found_in_it_and_one_that_comes_has_nothing() -> None:
    judged = Judged(machine("db"))
    judged.find(finding("db", "hangs"))
    delta = judged.store.apply([machine("db", status="Paused"), machine("new")])
    judged.listing.apply(delta, NOW)
    assert judged.status("db") == ("x Paused", Tone.BAD)
    assert judged.status("new") == ("Running", Tone.OK)
    judged.listing.apply(judged.store.apply([Drop("c", VirtualMachine, "a", "db")]), NOW)
    judged.find()
    assert names(judged.listing) == ["new"]


def test_ordered_by_status_trouble_stands_on_top_the_worst_first() -> None:
    judged = Judged(machine("a"), machine("b"), machine("c"), machine("d", status="Paused"))
    judged.listing.set_sort(STATUS, False, NOW)
    judged.find(finding("c", "hangs"), finding("b", "hangs", Severity.WARN))
    assert names(judged.listing) == ["c", "d", "b", "a"]
    judged.listing.set_sort(STATUS, True, NOW)
    assert names(judged.listing)[0] == "a"
    assert names(judged.listing)[-1] == "c"


def test_faults_only_and_a_filter_find_what_the_rules_found() -> None:
    judged = Judged(machine("db"), machine("web"))
    judged.listing.set_faults(True, NOW)
    assert names(judged.listing) == []
    judged.find(finding("db", "is out of sync", Severity.WARN))
    assert names(judged.listing) == ["db"]
    judged.listing.set_faults(False, NOW)
    judged.listing.set_filter("sync", NOW)
    assert names(judged.listing) == ["db"]
    judged.listing.set_filter("status:running", NOW)
    assert names(judged.listing) == ["db", "web"]


def test_what_was_well_when_its_list_was_cut_off_is_no_longer_said_to_be() -> None:
    judged = Judged(machine("db"), machine("off", status="Stopped"))
    cut = Feed("c", VirtualMachine.KIND, FeedState.STALE)
    change = judged.listing.apply(judged.store.apply([cut]), NOW)
    assert {ref.name for ref in change.changed} == {"db", "off"}
    assert judged.status("db") == ("Running?", Tone.MUTED)
    assert judged.status("off") == ("Stopped", Tone.MUTED)
    judged.listing.apply(judged.store.apply([Feed("c", VirtualMachine.KIND, FeedState.LIVE)]), NOW)
    assert judged.status("db") == ("Running", Tone.OK)
