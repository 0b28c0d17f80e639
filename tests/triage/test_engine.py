"""The engine: it judges what changed, looks again in time, and forgets what is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.model import Evidence, Feed, FeedState, Finding, Ref, Severity
from kvtui.records.base import Meta, Record
from kvtui.records.kubernetes import Node, Pod
from kvtui.store import Delta, Drop, Put, Store, View
from kvtui.triage import control_plane
from kvtui.triage.base import WELL, Complaint, Judgement, Rule
from kvtui.triage.engine import Engine


class Counting:
    """A rule that finds every node whose name begins with `bad`, and counts how often it is asked."""

    def __init__(self, severity: Severity = Severity.WARN, delay: float = 0.0) -> None:
        self.asked: list[str] = []
        self.well = False
        self._severity = severity
        self._delay = delay
        self.rule = Rule("test.bad", self._judge, {Node: self._itself, Pod: self._node_of})

    def _judge(self, view: View, ref: Ref, now: float) -> Judgement:
        self.asked.append(ref.name)
        node = view.find(Node, ref)
        if node is None or self.well or not ref.name.startswith("bad"):
            return WELL
        ripe = (node.created or 0.0) + self._delay
        if now < ripe:
            return Judgement(again=ripe)
        return Judgement(Finding("test.bad", self._severity, ref, "node", "is bad", "its name says so"))

    @staticmethod
    def _itself(_view: View, ref: Ref, _record: Record) -> Iterable[Ref]:
        return (ref,)

    @staticmethod
    def _node_of(view: View, ref: Ref, pod: Pod) -> Iterable[Ref]:
        node = view.get(Node, ref.backend, "", pod.spec.node_name)
        return () if node is None else (node.ref(ref.backend),)


def node(name: str, created: str = "1970-01-01T00:00:00Z", version: str = "") -> Put:
    meta = Meta(name=name, uid=f"uid-{name}", creation_timestamp=created, resource_version=version)
    return Put("c", Node(metadata=meta))


def test_only_what_changed_is_judged() -> None:
    counting, store = Counting(), Store()
    engine = Engine([counting.rule])
    engine.update(store, store.apply([node("good"), node("bad")]), 0.0)
    counting.asked.clear()
    assert not engine.update(store, store.apply([node("good")]), 1.0)
    assert counting.asked == ["good"]
    assert not engine.update(store, Delta(), 2.0)
    assert counting.asked == ["good"]


def test_who_looks_but_once_judges_when_all_is_there() -> None:
    counting, store = Counting(), Store()
    engine = Engine([counting.rule])
    engine.holds = True
    assert not engine.update(store, store.apply([node("bad")]), 0.0)
    assert not engine.update(store, store.apply([node("good"), Drop("c", Node, "", "bad")]), 1.0)
    assert not counting.asked
    assert not engine.behind
    engine.holds = False
    engine.update(store, Delta(), 2.0)
    assert sorted(counting.asked) == ["bad", "good"]
    assert engine.findings == ()


def heard(subject: str, root: str = "") -> Rule:
    """A rule that has heard something of a node, which rests on another."""

    def judge(view: View, ref: Ref, now: float) -> Judgement:
        told = Evidence(f"Event of Node {ref.name}", "Odd", "an event says so")
        found = Finding("test.heard", Severity.INFO, ref, "node", "warns", "an event says so", evidence=(told,))
        found = replace(found, root=ref._replace(name=root, uid="") if root else None)
        return Judgement(found, complaints=(Complaint(found, hearsay=True),)) if ref.name == subject else WELL

    return Rule("test.heard", judge, {Node: Counting._itself})


def test_hearsay_is_told_only_where_nothing_is_found_in_what_it_rests_on() -> None:
    for rule, troubles in (
        (heard("fine", "bad"), {"is bad"}),
        (heard("fine"), {"is bad", "warns"}),
        (heard("bad"), {"is bad", "warns"}),
    ):
        store, engine = Store(), Engine([Counting().rule, rule])
        engine.update(store, store.apply([node("bad"), node("fine")]), 0.0)
        assert {finding.trouble for finding in engine.findings} == troubles


def test_what_began_by_a_clock_that_is_ahead_of_ours_is_told_at_once() -> None:
    def judge(_view: View, ref: Ref, _now: float) -> Judgement:
        return Judgement(Finding("test.ahead", Severity.BAD, ref, "node", "is bad", "it says so", since=100.0))

    store, engine = Store(), Engine([Rule("test.ahead", judge, {Node: Counting._itself})])
    assert engine.update(store, store.apply([node("ahead")]), 40.0)
    assert [finding.subject.name for finding in engine.findings] == ["ahead"]


def test_a_finding_goes_with_its_subject() -> None:
    counting, store = Counting(), Store()
    engine = Engine([counting.rule])
    assert engine.update(store, store.apply([node("bad")]), 0.0)
    assert [finding.subject.name for finding in engine.findings] == ["bad"]
    assert engine.update(store, store.apply([Drop("c", Node, "", "bad")]), 1.0)
    assert engine.findings == ()


def test_a_rule_is_asked_again_when_the_time_has_come_and_not_before() -> None:
    counting, store = Counting(delay=60.0), Store()
    engine = Engine([counting.rule])
    engine.update(store, store.apply([node("bad")]), 0.0)
    assert not engine.update(store, Delta(), 59.0)
    assert counting.asked == ["bad"]
    assert engine.update(store, Delta(), 60.0)
    assert counting.asked == ["bad", "bad"]
    assert not engine.update(store, Delta(), 100.0)
    assert counting.asked == ["bad", "bad"]


def looking_on(store: Store, *rules: Rule) -> Engine:
    """An engine that has looked on for long."""
    engine = Engine(rules)
    engine.update(store, store.apply([node("fine")]), -3600.0)
    return engine


def ages(engine: Engine) -> list[tuple[float | None, float | None]]:
    return [(finding.since, finding.seen) for finding in engine.findings]


def test_a_finding_without_a_time_is_as_old_as_it_was_seen_to_be() -> None:
    counting, store = Counting(), Store()
    engine = looking_on(store, counting.rule)
    engine.update(store, store.apply([node("bad")]), 5.0)
    assert not engine.update(store, store.apply([node("bad")]), 50.0)
    assert ages(engine) == [(5.0, None)]


def test_of_what_was_there_when_one_came_only_is_known_when_it_was_seen() -> None:
    counting, store = Counting(), Store()
    engine = Engine([counting.rule])
    engine.update(store, store.apply([node("fine")]), 0.0)
    # The first lists come one after the other, and figures after them.
    engine.update(store, store.apply([node("bad")]), 5.0)
    assert not engine.update(store, store.apply([node("bad", version="2")]), 500.0)
    assert ages(engine) == [(None, 5.0)]


@pytest.mark.parametrize("state", [FeedState.STALE, FeedState.LOADING])
def test_what_began_while_nothing_was_heard_has_no_age(state: FeedState) -> None:
    counting, store = Counting(), Store()
    engine = looking_on(store, counting.rule)
    engine.update(store, store.apply([Feed("c", "Node", state, since=0.0)]), 0.0)
    engine.update(store, store.apply([node("bad")]), 100.0)
    engine.update(store, store.apply([Feed("c", "Node", FeedState.LIVE, since=101.0)]), 101.0)
    engine.update(store, store.apply([node("bad-too")]), 102.0)
    engine.update(store, store.apply([node("bad-later")]), 200.0)
    assert sorted(ages(engine), key=str) == [(200.0, None), (None, 100.0), (None, 102.0)]


def test_the_worst_come_first_and_of_those_the_oldest() -> None:
    warn, bad = Counting(Severity.WARN), Counting(Severity.BAD)
    second = Rule("test.worse", bad._judge, {Node: bad._itself})
    store = Store()
    engine = looking_on(store, warn.rule, second)
    engine.update(store, store.apply([node("bad-b")]), 1.0)
    engine.update(store, store.apply([node("bad-a")]), 2.0)
    told = [(finding.severity, finding.subject.name) for finding in engine.findings]
    assert told == [
        (Severity.BAD, "bad-b"),
        (Severity.BAD, "bad-a"),
        (Severity.WARN, "bad-b"),
        (Severity.WARN, "bad-a"),
    ]


def test_a_stale_feed_gets_worse_with_time_and_heals() -> None:
    store, engine = Store(), Engine(control_plane.RULES)
    engine.update(store, store.apply([Feed("c", "Node", FeedState.STALE, since=100.0)]), 101.0)
    assert [finding.severity for finding in engine.findings] == [Severity.WARN]
    assert engine.update(store, Delta(), 160.0)
    assert [finding.severity for finding in engine.findings] == [Severity.BAD]
    assert engine.update(store, store.apply([Feed("c", "Node", FeedState.LIVE, since=170.0)]), 170.0)
    assert engine.findings == ()


def test_a_backend_that_falls_silent_is_one_finding_before_all_others() -> None:
    store, counting = Store(), Counting(Severity.BAD)
    engine = Engine([counting.rule, *control_plane.RULES])
    engine.update(store, store.apply([node("bad")]), 1.0)
    cut = [Feed("c", kind, FeedState.STALE, 10.0, "connection refused") for kind in ("Node", "Pod", "Event")]
    engine.update(store, store.apply([*cut, Feed("d", "Node", FeedState.LIVE)]), 100.0)
    told = [(finding.subject.name, finding.trouble, finding.cause) for finding in engine.findings]
    assert told == [("c", "does not answer", "connection refused"), ("bad", "is bad", "its name says so")]
    engine.update(store, store.apply([Feed("c", "Node", FeedState.LIVE)]), 101.0)
    assert engine.findings[0].trouble == "answers in part"


def test_of_a_list_that_cannot_be_read_it_is_said_where_to_look() -> None:
    store, engine = Store(), Engine(control_plane.RULES)
    feeds = [
        Feed("c", "Node", FeedState.FAILED, 1.0, "etcdserver: request timed out"),
        Feed("c", "Pod", FeedState.LIVE),
    ]
    engine.update(store, store.apply(feeds), 2.0)
    (finding,) = engine.findings
    assert (finding.trouble, finding.cause) == ("answers in part", "Node: etcdserver: request timed out")
    assert finding.step == "look at its API server and at the way there"


def test_of_many_lists_that_are_forbidden_those_that_are_missed_most_are_named() -> None:
    store, engine = Store(), Engine(control_plane.RULES)
    kinds = ("APIService", "Application", "CDI", "StorageClass", "Pod", "Node")
    engine.update(store, store.apply([Feed("c", kind, FeedState.FORBIDDEN) for kind in kinds]), 1.0)
    (finding,) = engine.findings
    assert finding.cause == "this account may not list Node, Pod, StorageClass and 3 more"


def test_a_rule_that_fails_costs_no_more_than_its_own_word() -> None:
    def fail(_view: View, _ref: Ref, _now: float) -> Judgement:
        raise ValueError("no such field")

    store, counting = Store(), Counting()
    engine = Engine([Rule("test.broken", fail, {Node: counting._itself}), counting.rule])
    engine.update(store, store.apply([node("bad")]), 1.0)
    assert sorted(finding.trouble for finding in engine.findings) == ["cannot be judged", "is bad"]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "wait"]), st.sampled_from(["bad-1", "bad-2", "good"]), st.integers(0, 90)
    ),
    max_size=20,
)


@settings(deadline=None)
@given(_STEPS)
def test_following_changes_and_time_equals_judging_everything_anew(steps: list[tuple[str, str, int]]) -> None:
    store, now = Store(), 1000.0
    engine = Engine([Counting(delay=30.0).rule])
    for step, name, number in steps:
        now += number
        match step:
            case "put":
                delta = store.apply([Drop("c", Node, "", name), _born(name, now)])
            case "drop":
                delta = store.apply([Drop("c", Node, "", name)])
            case _:
                delta = Delta()
        engine.update(store, delta, now)
        anew = Engine([Counting(delay=30.0).rule])
        whole = Store()
        anew.update(whole, whole.apply([Put(ref.backend, record) for ref, record in store.items(Node)]), now)
        assert {finding.subject for finding in engine.findings} == {finding.subject for finding in anew.findings}


def _born(name: str, now: float) -> Put:
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    meta = Meta(name=name, uid=f"{name}-{moment}", creation_timestamp=moment)
    return Put("c", Node(metadata=meta))


def test_what_comes_and_goes_stays_in_sight_and_keeps_its_age() -> None:
    counting, store = Counting(), Store()
    engine = looking_on(store, replace(counting.rule, linger=5.0))
    engine.update(store, store.apply([node("bad")]), 10.0)
    well = Put("c", Node(metadata=Meta(name="bad", uid="uid-bad", resource_version="2")))
    counting.well = True
    assert not engine.update(store, store.apply([well]), 20.0)
    counting.well = False
    engine.update(store, store.apply([node("bad", version="3")]), 22.0)
    engine.update(store, Delta(), 60.0)
    assert [finding.since for finding in engine.findings] == [10.0]
    counting.well = True
    engine.update(store, store.apply([node("bad", version="4")]), 70.0)
    assert not engine.update(store, Delta(), 74.0)
    assert engine.update(store, Delta(), 75.0)
    assert engine.findings == ()


def test_what_is_to_settle_is_told_when_it_has_stood_and_not_when_it_passes() -> None:
    counting, store = Counting(), Store()
    engine = looking_on(store, replace(counting.rule, settle=10.0))
    assert not engine.update(store, store.apply([node("bad")]), 100.0)
    counting.well = True
    engine.update(store, store.apply([node("bad", version="2")]), 105.0)
    assert not engine.update(store, Delta(), 111.0)
    counting.well = False
    engine.update(store, store.apply([node("bad", version="3")]), 120.0)
    assert not engine.findings
    assert engine.update(store, Delta(), 130.0)
    assert [finding.since for finding in engine.findings] == [120.0]


def test_who_looks_but_once_is_told_at_once() -> None:
    counting, store = Counting(), Store()
    engine = Engine([replace(counting.rule, settle=10.0)])
    engine.waits = False
    assert engine.update(store, store.apply([node("bad")]), 100.0)


def test_what_began_by_a_clock_that_is_ahead_of_ours_is_told_all_the_same() -> None:
    counting, store = Counting(), Store()

    def ahead(_view: View, ref: Ref, now: float) -> Judgement:
        return Judgement(Finding("test.bad", Severity.BAD, ref, "node", "is bad", "it says so", since=now + 600.0))

    engine = Engine([replace(counting.rule, judge=ahead, settle=30.0)])
    engine.update(store, store.apply([node("bad")]), 1000.0)
    engine.update(store, Delta(), 1031.0)
    assert [finding.subject.name for finding in engine.findings] == ["bad"]


def complaining(*complaints: tuple[str, float | None]) -> Rule:
    """A rule that gathers what nodes complain of: conditions, and since when they stand."""

    def judge(view: View, ref: Ref, now: float) -> Judgement:
        found = [
            Finding(
                "test.gathers", Severity.WARN, ref, "node", f"says {said}", f"words of {said}", since,
                (Evidence(f"Node {ref.name}", f"{said} Why", "words"),),
            )
            for said, since in complaints
        ]  # fmt: skip
        return Judgement(found[0], complaints=tuple(map(Complaint, found)))

    return Rule("test.gathers", judge, {Node: Counting._itself}, settle=10.0)


def telling(severity: Severity, said: str) -> Rule:
    """A rule that tells of a condition of nodes."""

    def judge(view: View, ref: Ref, now: float) -> Judgement:
        evidence = (Evidence(f"Node {ref.name}", f"{said} Because", "other words"),)
        return Judgement(Finding("test.tells", severity, ref, "node", "is bad", "it is", evidence=evidence))

    return Rule("test.tells", judge, {Node: Counting._itself})


@pytest.mark.parametrize(
    ("severity", "said", "left"),
    [
        (Severity.INFO, "Cordoned=True", ["says Short=True", "is bad"]),
        (Severity.BAD, "Ready=False", ["is bad", "says Short=True"]),
        (Severity.INFO, "Short=True", ["says Deadlock=True", "is bad"]),
        (Severity.BAD, "Deadlock=True", ["is bad", "says Short=True"]),
    ],
)
def test_what_an_object_complains_of_is_left_out_only_where_a_rule_tells_that_very_thing(
    severity: Severity, said: str, left: list[str]
) -> None:
    complaints = complaining(("Short=True", 1.0), ("Deadlock=True", 1.0))
    engine, store = Engine([telling(severity, said), complaints]), Store()
    engine.update(store, store.apply([node("x")]), 100.0)
    assert [finding.trouble for finding in engine.findings] == left
    # Each of it once.
    pieces = [piece.field for finding in engine.findings for piece in finding.evidence]
    assert len(pieces) == len({piece.split()[0] for piece in pieces})


def test_nothing_is_left_to_be_told_where_rules_tell_all_that_an_object_complains_of() -> None:
    engine, store = Engine([telling(Severity.INFO, "Short=True"), complaining(("Short=True", 1.0))]), Store()
    engine.update(store, store.apply([node("x")]), 100.0)
    assert [finding.trouble for finding in engine.findings] == ["is bad"]


def test_each_complaint_settles_for_itself() -> None:
    engine, store = Engine([complaining(("Fresh=True", 95.0), ("Old=True", 1.0))]), Store()
    engine.update(store, store.apply([node("x")]), 100.0)
    assert [finding.trouble for finding in engine.findings] == ["says Old=True"]
    engine.update(store, Delta(), 105.0)
    (finding,) = engine.findings
    assert finding.trouble == "says Fresh=True"
    assert [piece.field for piece in finding.evidence] == ["Fresh=True Why", "Old=True Why"]


def test_what_takes_long_is_judged_in_parts_and_told_when_it_is_done() -> None:
    counting, store = Counting(), Store()
    engine = Engine([counting.rule])
    delta = store.apply([node("bad-1"), node("bad-2"), node("good")])
    while not counting.asked:
        # Whom each change concerns is found out in parts, too.
        assert not engine.update(store, delta, 0.0, 0.0)
        delta = Delta()
    assert (counting.asked, engine.behind, len(engine.findings)) == (["good"], True, 0)
    assert not engine.update(store, store.apply([node("good", version="2")]), 1.0, 0.0)
    assert engine.update(store, Delta(), 2.0)
    assert (engine.behind, len(engine.findings)) == (False, 2)
    assert counting.asked == ["good", "good", "bad-2", "bad-1"]


def test_what_is_found_is_told_in_parts_and_all_at_once() -> None:
    counting, store = Counting(Severity.BAD), Store()
    engine = Engine([counting.rule])
    parts, delta = 0, store.apply([node("bad")])
    while not engine.update(store, delta, 0.0, 0.0):
        assert (engine.findings, engine.problems, engine.worst) == ((), (), {})
        parts, delta = parts + bool(counting.asked), Delta()
    assert parts > 1
    assert (len(engine.findings), len(engine.problems), len(engine.worst)) == (1, 1, 1)
    assert not engine.behind


def test_what_has_no_reason_any_more_is_told_only_once_it_has_stood_without_one() -> None:
    said = [Judgement(_of_node("is full")), Judgement(_of_node("says nothing"), unexplained=True)]
    rule = Rule("test.bad", lambda _view, _ref, now: said[now >= 10], {Node: _itself}, patience=60.0)
    engine, store = Engine([rule]), Store()
    engine.update(store, store.apply([node("bad")]), 0.0)
    assert [one.cause for one in engine.findings] == ["is full"]
    for now, told in ((20.0, []), (79.0, []), (80.0, ["says nothing"])):
        delta = store.apply([node("bad", version=str(now))])
        engine.update(store, delta, now)
        assert [one.cause for one in engine.findings] == told
    anew = Engine([rule])
    anew.update(store, store.apply([node("other")]), 90.0)
    assert [one.cause for one in anew.findings] == ["says nothing"], "who comes now has seen no reason go"


def _itself(_view: View, ref: Ref, _record: Record) -> Iterable[Ref]:
    return (ref,)


def _of_node(cause: str) -> Finding:
    return Finding("test.bad", Severity.WARN, Ref("c", "Node", "", "bad"), "node", "is bad", cause)
