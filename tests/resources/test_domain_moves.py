"""The form of a migration between hosts: who can take it, what is warned of, and the plan that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kvtui.backends.base import Inbox, MoveCheck, MovePlan, Obstacle, Permission, Source, Transport, Verdict
from kvtui.errors import BackendError, UnreachableError
from kvtui.joins.domain import Guest
from kvtui.joins.transit import Transit
from kvtui.model import BackendInfo, Platform, Ref
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.resources.domain_moves import MOVES, ask_hosts
from kvtui.resources.form import Draft
from kvtui.resources.job_actions import ACTIONS as JOB_ACTIONS
from kvtui.store import Put, Store

MIGRATE = MOVES[0]


class Hypervisor:
    """A host that answers as it is told, and keeps the plans that it gets."""

    def __init__(self, name: str, checks: dict[str, MoveCheck | BackendError] | None = None) -> None:
        self.name = name
        self.info = BackendInfo(name, Platform.LIBVIRT)
        self.checks = checks or {}
        self.plans: list[MovePlan] = []

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None: ...

    async def close(self) -> None: ...

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        return Verdict(True)

    async def check_move(self, ref: Ref, target: str) -> MoveCheck:
        answer = self.checks.get(target, MoveCheck())
        if isinstance(answer, BackendError):
            raise answer
        return answer

    async def move(self, ref: Ref, plan: MovePlan) -> None:
        self.plans.append(plan)

    async def abort_job(self, ref: Ref) -> None: ...

    async def switch_to_post_copy(self, ref: Ref) -> None: ...

    async def set_bandwidth(self, ref: Ref, bandwidth: int) -> None: ...

    async def set_downtime(self, ref: Ref, downtime: int) -> None: ...


def store_of(**links: str) -> Store:
    store = Store()
    for name, link in links.items():
        store.post(Put(name, Host(metadata=Meta(name=name), link=link, cpus=4, memory=2**33)))
    store.drain()
    return store


def guest(name: str = "web", state: DomainState = DomainState.RUNNING) -> Guest:
    domain = Domain(metadata=Meta(name=name, uid=name), state=state, id=1 if state is DomainState.RUNNING else None)
    return Guest("kvm1", domain)


async def draft_of(source: Hypervisor, store: Store, *guests: Guest) -> Draft:
    targets = await ask_hosts({"kvm1": source}, store, guests)
    assert MIGRATE.form is not None
    return Draft(MIGRATE.form(store, guests, targets))


async def test_hosts_that_cannot_take_it_say_why_and_the_first_that_can_is_chosen() -> None:
    checks: dict[str, MoveCheck | BackendError] = {
        "kvm2": MoveCheck((Obstacle("cpu", "kvm2 does not offer all of CPU Skylake", blocks=True),)),
        "kvm3": UnreachableError("no answer", "connection refused"),
    }
    source = Hypervisor("kvm1", checks)
    store = store_of(kvm1="connected", kvm2="connected", kvm3="connected", kvm4="connected", kvm5="lost")
    draft = await draft_of(source, store, guest())
    options = {option.value: option.reason for option in draft.asked[0].offer(draft.answers)}  # type: ignore[union-attr]
    assert options == {
        "kvm2": "kvm2 does not offer all of CPU Skylake",
        "kvm3": "connection refused",
        "kvm4": "",
        "kvm5": "it is lost",
    }
    assert draft.answers.text("target") == "kvm4"
    assert not draft.refusal


async def test_disks_that_are_not_shared_are_copied_unless_one_says_otherwise_and_is_warned() -> None:
    source = Hypervisor("kvm1", {"kvm2": MoveCheck(copied=("vda",), copied_bytes=2**30)})
    draft = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), guest())
    assert draft.answers.flag("copy")
    assert not draft.warnings
    await MIGRATE.run(source, guest(), draft.answers)
    draft.put("copy", False)
    assert "web/vda: not copied" in draft.warnings[0]
    await MIGRATE.run(source, guest(), draft.answers)
    assert source.plans == [
        MovePlan("kvm2", Transport.DIRECT, copied=("vda",)),
        MovePlan("kvm2", Transport.DIRECT, unsafe=True),
    ]


async def test_disks_are_copied_onto_files_that_are_there_only_when_that_is_said() -> None:
    source = Hypervisor("kvm1", {"kvm2": MoveCheck(copied=("vda", "vdb"), overwritten=("vda",))})
    draft = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), guest())
    assert "kvm2 has files already where web/vda would be copied to" in draft.refusal
    draft.put("copy", False)
    assert not draft.refusal
    assert "overwrite" not in {field.name for field in draft.asked}
    draft.put("copy", True)
    draft.put("overwrite", True)
    assert not draft.refusal
    await MIGRATE.run(source, guest(), draft.answers)
    assert source.plans == [MovePlan("kvm2", Transport.DIRECT, copied=("vda", "vdb"), overwrite=True)]


async def test_what_is_chosen_is_what_the_host_is_told() -> None:
    source = Hypervisor("kvm1")
    draft = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), guest())
    for name, value in (("transport", "peer to peer"), ("post_copy", True), ("auto_converge", True),
                        ("bandwidth", "1G"), ("downtime", "500"), ("uri", "tcp://10.0.0.2")):  # fmt: skip
        draft.put(name, value)
    assert "lost" in draft.warnings[0]
    draft.put("bandwidth", "100")
    await MIGRATE.run(source, guest(), draft.answers)
    assert source.plans == [
        MovePlan("kvm2", Transport.PEER_TO_PEER, post_copy=True, auto_converge=True, bandwidth=100, downtime=500,
                 uri="tcp://10.0.0.2")
    ]  # fmt: skip


async def test_through_a_tunnel_go_neither_disks_nor_what_libvirt_refuses_there() -> None:
    source = Hypervisor("kvm1", {"kvm2": MoveCheck(copied=("vda",), copied_bytes=2**30)})
    draft = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), guest())
    draft.put("transport", "tunnelled")
    assert draft.refusal == "transport: no disks are copied through a tunnel"
    draft.put("post_copy", True)
    draft.put("uri", "tcp://10.0.0.2")
    draft.put("copy", False)
    assert not draft.refusal
    assert not {"post_copy", "uri"} & {field.name for field in draft.asked}
    await MIGRATE.run(source, guest(), draft.answers)
    assert source.plans == [MovePlan("kvm2", Transport.TUNNELLED, unsafe=True)]


async def test_of_a_vm_that_is_off_no_disk_is_copied_and_its_description_moves_only_when_that_is_meant() -> None:
    source = Hypervisor("kvm1", {"kvm2": MoveCheck(copied=("vda",), copied_bytes=2**30)})
    still = guest("still", DomainState.SHUTOFF)
    draft = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), still)
    assert draft.form.about == ["it is off: only its description moves"]
    assert "copies no disks of a VM that is off (still/vda)" in draft.refusal
    draft.put("copy", False)
    assert draft.refusal == ""
    draft.put("transport", "tunnelled")
    assert "transport: no VM that is off goes through a tunnel" in draft.refusal
    both = await draft_of(source, store_of(kvm1="connected", kvm2="connected"), guest(), still)
    assert both.form.about == ["1 of 2 are off: of those only the description moves"]
    assert "(still/vda)" in both.refusal


async def test_without_another_host_it_is_said_how_to_name_one() -> None:
    with pytest.raises(BackendError, match="no other host"):
        await ask_hosts({"kvm1": Hypervisor("kvm1")}, store_of(kvm1="connected"), [guest()])


async def test_where_no_host_can_take_it_none_looks_chosen_and_each_says_why() -> None:
    draft = await draft_of(Hypervisor("kvm1"), store_of(kvm1="connected", kvm2="lost", kvm3="unreachable"), guest())
    assert draft.answers.text("target") == ""
    assert draft.refusal == "to: no host can take it: kvm2: it is lost; kvm3: it is unreachable"


async def test_of_several_the_one_that_cannot_move_is_named() -> None:
    class Picky(Hypervisor):
        async def check_move(self, ref: Ref, target: str) -> MoveCheck:
            blocks = ref.name == "db"
            return MoveCheck((Obstacle("device", "its GPU cannot move", blocks=True),) if blocks else ())

    draft = await draft_of(Picky("kvm1"), store_of(kvm1="connected", kvm2="connected"), guest("web"), guest("db"))
    assert draft.refusal == "to: no host can take it: kvm2: db: its GPU cannot move"


async def test_a_host_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hung(Hypervisor):
        async def check_move(self, ref: Ref, target: str) -> MoveCheck:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr("kvtui.resources.domain_moves._PATIENCE", 0.01)
    (target,) = await ask_hosts({"kvm1": Hung("kvm1")}, store_of(kvm1="connected", kvm2="connected"), [guest()])
    assert target.reason == "it does not answer"


def transit(phase: str = "Running", operation: str = "outgoing migration") -> Transit:
    job = DomainJob(metadata=Meta(name="web"), domain="web", domain_uid="u", phase=phase, operation=operation)
    return Transit("kvm1", job, "kvm1", "kvm2")


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        (transit(), ("", "", "")),
        (transit("Completed"), ("it has ended: Completed",) * 3),
        (transit(operation="incoming migration"), ("what comes in is steered from its source",) * 3),
        (transit("PostCopy"), ("in post-copy it cannot be taken back",) * 3),
        (transit(operation="save"), ("", "it is no migration but a save", "it is no migration but a save")),
    ],
)
def test_a_migration_under_way_is_aborted_hurried_or_switched_and_says_when_it_cannot(
    row: Transit, reasons: tuple[str, str, str]
) -> None:
    assert tuple(action.when(row) for action in JOB_ACTIONS) == reasons


async def test_what_is_done_to_a_migration_is_done_to_its_domain_at_the_source() -> None:
    done: list[tuple[str, Ref, int]] = []

    class Steered(Hypervisor):
        async def abort_job(self, ref: Ref) -> None:
            done.append(("abort", ref, 0))

        async def switch_to_post_copy(self, ref: Ref) -> None:
            done.append(("post-copy", ref, 0))

        async def set_bandwidth(self, ref: Ref, bandwidth: int) -> None:
            done.append(("bandwidth", ref, bandwidth))

    abort, post_copy, limit = JOB_ACTIONS
    source = Steered("kvm1")
    await abort.run(source, transit())
    await post_copy.run(source, transit())
    assert limit.form is not None
    draft = Draft(limit.form(Store(), [transit()]))
    draft.put("bandwidth", "250")
    await limit.run(source, transit(), draft.answers)
    domain = Ref("kvm1", Domain.KIND, "", "web", "u")
    assert done == [("abort", domain, 0), ("post-copy", domain, 0), ("bandwidth", domain, 250)]
