"""Problems: findings of one cause are told once, at the root, with what the cause brings about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvtui.model import Finding, Ref, Severity
from kvtui.triage.problems import group_problems, label_of, split_problem, worst_first
from kvtui.triage.telling import Story


def ref(kind: str, name: str) -> Ref:
    return Ref("c", kind, "shop", name, f"uid-{name}")


def nameless(kind: str, name: str) -> Ref:
    return Ref("c", kind, "shop", name)


def found(
    label: str, subject: Ref, root: Ref | None = None, severity: Severity = Severity.BAD, since: float = 1.0
) -> Finding:
    return Finding(f"{label}.state", severity, subject, label, "is bad", f"of {subject.name}", since, root=root)


def grouped(*findings: Finding) -> list[tuple[str, str, int]]:
    problems = group_problems(sorted(findings, key=worst_first))
    return [(problem.finding.subject.name, problem.cause, len(problem.effects)) for problem in problems]


def test_what_has_no_common_root_stays_apart() -> None:
    told = grouped(found("vm", ref("VM", "a")), found("vm", ref("VM", "b")))
    assert told == [("a", "of a", 0), ("b", "of b", 0)]


def test_a_chain_is_told_at_its_root_and_counts_all_that_hangs_on_it() -> None:
    node = found("node", ref("Node", "n1"), nameless("Domain", "d1"))
    domain = found("vm", ref("Domain", "d1"))
    vms = [found("vm", ref("VM", name), nameless("Node", "n1")) for name in ("a", "b")]
    assert grouped(*vms, node, domain) == [("d1", "takes down 1 node, stops 2 VMs: of d1", 3)]


def test_words_that_a_server_ended_go_on_without_their_full_stop() -> None:
    node = replace(found("node", ref("Node", "n1")), cause="Kubelet stopped posting node status.")
    vm = found("vm", ref("VM", "a"), nameless("Node", "n1"), Severity.WARN)
    ((_, cause, _),) = grouped(node, vm)
    assert cause == "Kubelet stopped posting node status; troubles VM shop/a"


def test_what_suffers_little_is_told_behind_the_cause() -> None:
    vm = found("vm", ref("VM", "a"))
    waiting = found("migration", ref("Migration", "m"), nameless("VM", "a"), Severity.WARN)
    assert grouped(vm, waiting) == [("a", "of a; holds up 1 migration", 1)]


def test_one_vm_with_a_root_in_which_nothing_is_found_speaks_for_itself() -> None:
    assert grouped(found("vm", ref("VM", "a"), nameless("PersistentVolumeClaim", "gone"))) == [("a", "of a", 0)]


def test_several_vms_with_a_root_in_which_nothing_is_found_are_told_by_its_name() -> None:
    root = nameless("StorageClass", "gone")
    first, second = (found("vm", ref("VM", name), root, since=since) for name, since in (("a", 9.0), ("b", 4.0)))
    (problem,) = group_problems([first, second])
    assert (problem.finding.subject.name, problem.finding.label, problem.finding.since) == ("gone", "class", 4.0)
    assert problem.cause == "stops 2 VMs: of a"


def test_findings_that_name_each_other_as_their_roots_come_to_an_end() -> None:
    one = found("vm", ref("VM", "a"), nameless("VM", "b"))
    other = found("vm", ref("VM", "b"), nameless("VM", "a"))
    assert sum(1 + effects for _, _, effects in grouped(one, other)) == 2


def test_a_problem_is_as_bad_as_the_worst_of_it_and_stands_where_that_belongs() -> None:
    claim = found("claim", ref("PersistentVolumeClaim", "c"), severity=Severity.WARN)
    vm = found("vm", ref("VM", "a"), nameless("PersistentVolumeClaim", "c"))
    other = found("vm", ref("VM", "z"), severity=Severity.WARN)
    problems = group_problems(sorted([other, claim, vm], key=worst_first))
    assert [(problem.finding.subject.name, problem.severity) for problem in problems] == [
        ("c", Severity.BAD),
        ("z", Severity.WARN),
    ]


def test_what_stands_above_is_not_told_again_of_a_root_in_which_nothing_is_found() -> None:
    quota = nameless("ResourceQuota", "small")
    first, second = (replace(found("vm", ref("VM", name), quota), cause="quota small is used up") for name in "ab")
    (problem,) = group_problems([first, second])
    story = Story(first, (problem.finding,), (second,))
    assert [(one.label, one.trouble, one.cause) for one in story.told_chain] == [("quota", "is exceeded", "")]


@pytest.mark.parametrize(
    ("kind", "label"), [("NetworkAttachmentDefinition", "network"), ("DataSource", "data source"), ("Secret", "secret")]
)
def test_a_root_is_called_as_the_list_of_its_kind_calls_it(kind: str, label: str) -> None:
    assert label_of(nameless(kind, "x")) == label


def split(*findings: Finding) -> dict[str, tuple[str, str, Severity]]:
    """By namespace: whose line it is, what that tells, and how bad it is."""
    (problem,) = group_problems(sorted(findings, key=worst_first))
    parts = split_problem(problem, lambda subject: subject.namespace)
    return {place: (part.finding.subject.name, part.cause, part.severity) for place, part in parts.items()}


def test_a_cause_is_one_line_in_each_place_with_what_it_brings_about_there() -> None:
    root = Ref("c", "StorageClass", "", "slow")
    places = {"shop": 3, "web": 2, "lab": 1}
    vms = [
        found("vm", Ref("c", "VM", place, f"{place}-{number}"), root)
        for place, count in places.items()
        for number in range(count)
    ]
    assert split(found("class", root, severity=Severity.WARN), *vms) == {
        "": ("slow", "stops 6 VMs: of slow", Severity.BAD),
        "shop": ("slow", "stops 3 VMs: of slow", Severity.BAD),
        "web": ("slow", "stops 2 VMs: of slow", Severity.BAD),
        "lab": ("lab-0", "of lab-0", Severity.BAD),
    }


def test_a_place_where_little_suffers_is_no_worse_than_its_root() -> None:
    root = Ref("c", "StorageClass", "", "slow")
    stopped = found("vm", Ref("c", "VM", "shop", "a"), root)
    held = [found("import", Ref("c", "DataVolume", "lab", name), root, Severity.WARN) for name in "bc"]
    assert split(found("class", root, severity=Severity.WARN), stopped, *held)["lab"] == (
        "slow", "of slow; holds up 2 imports", Severity.WARN
    )  # fmt: skip


def test_an_import_that_only_stands_between_is_not_counted_beside_its_vm() -> None:
    root = nameless("StorageClass", "slow")
    imports = [found("import", ref("DataVolume", name), root, Severity.WARN) for name in "ab"]
    vm = found("vm", ref("VM", "a-vm"), nameless("DataVolume", "a"))
    ((_, cause, effects),) = grouped(found("class", root), vm, *imports)
    assert (cause, effects) == ("stops VM shop/a-vm, holds up 1 import: of slow", 3)
