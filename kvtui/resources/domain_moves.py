"""Moving domains to other hosts of the fleet: both sides are asked first, and the answers are in the form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kvtui.backends.base import Backend, MoveCheck, MovePlan, Movers, Permission, Transport
from kvtui.errors import BackendError, KvtuiError
from kvtui.joins.domain import Guest, host_of
from kvtui.joins.domain_holdups import hold_job
from kvtui.joins.transit import OUTGOING, tell_progress
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.resources.base import Action, Danger, Progress
from kvtui.resources.domain_changes import is_there
from kvtui.resources.form import Answers, Choice, Form, Number, Option, Text, Toggle
from kvtui.store import View
from kvtui.text import size

_PATIENCE: Final = 15.0
"""Seconds that a host may take to say whether a domain can move to it."""
_NEEDS: Final = Permission("write", "libvirt", "domains")
_ARRIVING: Final = frozenset({"migrating", "starting up", "post-copy", "post-copy failed"})
"""Reasons of the state of a domain that is not wholly on its new host yet."""
_DIRECT: Final = "kvtui holds both ends: should it end, the VM stays where it is"
_NAMED: Final = 6
"""Obstacles that a form tells one by one."""
_ENDED: Final = frozenset({"shutdown", "destroyed", "crashed"})
"""Reasons of one that is off and ran before."""
_FASTEST: Final = 1_000_000
"""MiB a second: more than any network has, and libvirt would take what overflows."""


@dataclass(frozen=True, slots=True)
class Target:
    """One host, and what it says of each of the domains that shall move there."""

    name: str
    checks: Mapping[str, MoveCheck]
    """By the name of the domain."""
    failure: str = ""
    """Why it could not be asked."""

    @property
    def reason(self) -> str:
        """Why nothing can move there; empty when all can."""
        if self.failure:
            return self.failure
        blocking = [
            f"{name}: {obstacle.words}" if len(self.checks) > 1 else obstacle.words
            for name, check in self.checks.items()
            for obstacle in check.obstacles
            if obstacle.blocks
        ]
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        return blocking[0] + more if blocking else ""

    @property
    def warnings(self) -> list[str]:
        """What does not forbid it, and must be known."""
        found = [
            f"{name}: {obstacle.words}" if len(self.checks) > 1 else obstacle.words
            for name, check in self.checks.items()
            for obstacle in check.obstacles
            if not obstacle.blocks
        ]
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        return found[:_NAMED] + more

    @property
    def copied(self) -> list[str]:
        """The disks that have to be copied: ``web/vda``."""
        return [f"{name}/{target}" for name, check in self.checks.items() for target in check.copied]

    @property
    def overwritten(self) -> list[str]:
        """Those of them for which a file is there already that no VM has."""
        return [f"{name}/{target}" for name, check in self.checks.items() for target in check.overwritten]

    @property
    def bytes(self) -> int:
        """How much that is."""
        return sum(check.copied_bytes for check in self.checks.values())


async def ask_hosts(backends: Mapping[str, Backend], view: View, guests: Sequence[Guest]) -> list[Target]:
    """Every other host of the fleet, with its answers or why there are none. Raises BackendError when there is none."""
    sources = {guest.backend for guest in guests}
    hosts = {ref.backend: host for ref, host in view.items(Host) if ref.backend not in sources}
    if not hosts:
        raise BackendError("there is no other host to move to", "only one is known", "name one with --host or [[host]]")
    lost = [
        Target(name, {}, f"it is {host.link}: {host.trouble}" if host.trouble else f"it is {host.link}")
        for name, host in sorted(hosts.items())
        if not host.connected
    ]
    connected = sorted(name for name, host in hosts.items() if host.connected)
    return [*await asyncio.gather(*(_ask_host(backends, name, guests) for name in connected)), *lost]


async def _ask_host(backends: Mapping[str, Backend], name: str, guests: Sequence[Guest]) -> Target:
    checks: dict[str, MoveCheck] = {}
    try:
        async with asyncio.timeout(_PATIENCE):
            for guest in guests:
                checks[guest.domain.metadata.name] = await _mover(backends[guest.backend]).check_move(guest.ref, name)
    except TimeoutError:
        return Target(name, checks, "it does not answer")
    except KvtuiError as error:
        return Target(name, checks, error.detail or error.title)
    return Target(name, checks)


def _mover(backend: Backend) -> Movers:
    if not isinstance(backend, Movers):
        raise BackendError(f"{backend.name} does not move its VMs to other hosts")
    return backend


def _form(view: View, guests: Sequence[Guest], targets: Sequence[Target]) -> Form:
    by_name = {target.name: target for target in targets}
    active = any(guest.domain.active for guest in guests)
    off = {guest.domain.metadata.name for guest in guests if not guest.domain.active}

    def copied(answers: Answers) -> bool:
        target = by_name.get(answers.text("target"))
        return target is not None and bool(target.copied)

    def overwritten(answers: Answers) -> list[str]:
        target = by_name.get(answers.text("target"))
        return target.overwritten if target is not None and answers.flag("copy") else []

    def check_overwrite(answers: Answers) -> str:
        disks = overwritten(answers)
        if not disks or answers.flag("overwrite"):
            return ""
        return (f"{answers.text('target')} has files already where {', '.join(disks)} would be copied to: "
                "answer yes to lose what is in them; if both hosts see the very same disk, copy none")  # fmt: skip

    def check_copy(answers: Answers) -> str:
        target = by_name.get(answers.text("target"))
        disks = [disk for disk in target.copied if disk.partition("/")[0] in off] if target is not None else []
        if not disks or not answers.flag("copy"):
            return ""
        return (f"libvirt copies no disks of a VM that is off ({', '.join(disks)}): start it first, "
                "or answer no, and its description moves alone")  # fmt: skip

    def transports(answers: Answers) -> Sequence[Option]:
        tunnel = "no VM that is off goes through a tunnel" if off else ""
        if not tunnel and copied(answers) and answers.flag("copy"):
            tunnel = "no disks are copied through a tunnel"
        return (
            Option(Transport.DIRECT, note=_DIRECT),
            Option(Transport.PEER_TO_PEER, note="the source host carries it on alone"),
            Option(Transport.TUNNELLED, note="encrypted by the daemons, slower", reason=tunnel),
        )

    def untunnelled(answers: Answers) -> bool:
        return answers.text("transport") != Transport.TUNNELLED

    def warn(answers: Answers) -> Sequence[str]:
        target = by_name.get(answers.text("target"))
        if target is None:
            return ()
        said = target.warnings
        if target.copied and not answers.flag("copy"):
            disks = ", ".join(target.copied)
            said.append(f"{disks}: not copied; unless both hosts see the very same disk, the guest loses its data")
        if answers.flag("post_copy"):
            said.append("once switched to post-copy it cannot be taken back: if a host fails then, the guest is lost")
        return said

    options = [_option(view, target) for target in targets]
    if all(target.reason for target in targets):
        # What cannot be chosen must not look chosen.
        why = "; ".join(f"{target.name}: {target.reason}" for target in targets)
        options.insert(0, Option("", "none can take it", reason=f"no host can take it: {why}"))
    name = guests[0].domain.metadata.name if len(guests) == 1 else f"{len(guests)} VMs"
    return Form(
        f"migrate {name}",
        (
            Choice("target", "to", options=options, named=len(options) > 1,
                   hint="hosts that cannot take it say why"),
            Toggle("copy", "copy its disks", default=True, asked=copied, check=check_copy,
                   hint="over the network, while it runs; it takes as long as they are large"),
            Toggle("overwrite", "overwrite files there",
                   asked=lambda answers: copied(answers) and answers.flag("copy"),
                   check=check_overwrite, hint="what is in them is lost; never one that another VM there has"),
            Choice("transport", "transport", options=transports),
            Toggle("auto_converge", "slow the guest", hint="auto-converge: takes CPU from a guest that writes too fast",
                   asked=lambda _: active),
            Toggle("post_copy", "allow post-copy", hint="so that it can be switched to post-copy when it does not end",
                   asked=lambda answers: active and untunnelled(answers)),
            Number("bandwidth", "bandwidth at most", unit="MiB/s", needed=False, least=1, most=_FASTEST,
                   hint="empty: as fast as it goes", asked=lambda _: active),
            Number("downtime", "standstill at most", unit="ms", needed=False, least=1, most=60_000,
                   hint="empty: what libvirt has (300 ms)", asked=lambda _: active),
            Text("uri", "address", needed=False, asked=untunnelled,
                 hint="where the source sends to, if not to the name of the target: tcp://10.0.0.2"),
        ),
        about=_tell_off(len(off), len(guests)),
        warn=warn,
    )  # fmt: skip


def _tell_off(off: int, of: int) -> list[str]:
    if not off:
        return []
    if of == 1:
        return ["it is off: only its description moves"]
    return [f"{off} of {of} are off: of those only the description moves"]


def _option(view: View, target: Target) -> Option:
    host = host_of(view, target.name)
    usage = view.usage(target.name, Host.KIND, "", target.name)
    running = sum(1 for _, domain in view.items(Domain, target.name) if domain.active)
    notes = [f"{running} VM{'' if running == 1 else 's'}"]
    if host is not None and usage is not None:
        notes.append(f"{size(host.memory - usage.memory)} memory free")
    if target.copied:
        notes.append(f"{size(target.bytes)} of disks to copy")
    return Option(target.name, note=", ".join(notes), reason=target.reason)


async def _migrate(backend: Backend, guest: Guest, answers: Answers) -> None:
    target = answers.text("target")
    mover = _mover(backend)
    # Asked anew for the disks of this very one: the form was for all of them.
    check = await mover.check_move(guest.ref, target)
    copy = bool(check.copied) and answers.flag("copy")
    plan = MovePlan(
        target,
        transport=Transport(answers.text("transport")),
        copied=check.copied if copy else (),
        post_copy=answers.flag("post_copy"),
        auto_converge=answers.flag("auto_converge"),
        bandwidth=answers.number("bandwidth"),
        downtime=answers.number("downtime"),
        uri=answers.text("uri"),
        unsafe=bool(check.copied) and not copy,
        overwrite=copy and answers.flag("overwrite"),
    )
    await mover.move(guest.ref, plan)


async def _abort(backend: Backend, guest: Guest) -> None:
    await _mover(backend).abort_job(guest.ref)


def _follow(view: View, before: Guest, answers: Answers, since: float) -> Progress:
    """It is over when the domain has left its host, and stands on the other as it stood here."""
    target, uuid = answers.text("target"), before.domain.metadata.uid
    here = view.find(Domain, before.ref)
    there = next((one for ref, one in view.everywhere(Domain, "uuid", uuid) if ref.backend == target), None)
    jobs = [job for _, job in view.linked(DomainJob, before.backend, "domain", uuid) if job.operation == OUTGOING]
    failed = next((job for job in jobs if job.phase in ("Failed", "Cancelled") and (job.ended or 0.0) >= since), None)
    if failed is not None and here is not None:
        stays = "it stays" if here.active or not before.domain.active else f"it is {here.state.value}"
        return Progress(f"{stays} on {before.backend}", failure=failed.reason or "libvirt gives no reason")
    source = host_of(view, before.backend)
    if source is not None and not source.connected:
        return Progress(f"{before.backend} is {source.link}: nobody knows how far it is")
    if here is not None and here.reason == "post-copy failed":
        return Progress(f"it hangs between {before.backend} and {target}", failure="the way between them failed")
    if here is not None:
        job = next((job for job in jobs if not job.is_final), None)
        return Progress(f"moving to {target}{f', {tell_progress(job)}' if job is not None else ''}")
    if there is None:
        return Progress(f"it has left {before.backend}, and is not seen on {target} yet")
    if before.domain.active and there.state is DomainState.SHUTOFF and there.reason in _ENDED:
        return Progress(f"it is on {target}, and off since: {there.reason}", over=True)
    if before.domain.active and not before.paused and (not there.active or there.reason in _ARRIVING):
        return Progress(f"it has left {before.backend}; on {target} it is {there.state.value} ({there.reason})")
    return Progress(f"it {'runs' if there.active and not before.paused else 'is'} on {target}", over=True)


def _carried(answers: Answers) -> bool:
    return answers.text("transport") == Transport.DIRECT


def _migrate_when(guest: Guest) -> str:
    if away := is_there(guest):
        return away
    if guest.job is not None:
        return f"a job is under way: {guest.job.operation}"
    if guest.domain.saved:
        return "its memory is saved on this host: start it, or drop what is saved, first"
    if not guest.domain.active and not guest.domain.persistent:
        return "it is gone when it is off"
    return ""


def _abort_when(guest: Guest) -> str:
    if guest.job is None:
        return "nothing is under way"
    return "it has left already: what it lacks comes from here" if guest.job.phase == "PostCopy" else ""


MOVES: tuple[Action[Guest], ...] = (
    Action(
        id="vm.migrate",
        command="migrate",
        key="m",
        label="migrate",
        help="Move the VM to another host of the fleet, after asking both whether that works.",
        needs=_NEEDS,
        when=_migrate_when,
        prepare=ask_hosts,
        form=_form,
        run=_migrate,
        settled=lambda _before, _now: False,
        follow=_follow,
        carried=_carried,
        abandon=_abort,
        shown=lambda _before, now: now.moving is not None,
        awaits="migration asked",
        danger=Danger.ASK,
        usual=60.0,
        lasts=3600.0,
    ),
    Action(
        id="vm.cancel_migration",
        command="cancel-migration",
        key="M",
        label="cancel migration",
        help="Abort the migration or other job under way; the guest runs on where it is.",
        needs=_NEEDS,
        when=_abort_when,
        already=lambda guest: guest.job is None,
        run=_abort,
        settled=lambda _before, now: now.job is None,
        remark=lambda _before, _now: "no job runs on it any more",
        holds=lambda _view, _before, now, _clock: hold_job(now),
        awaits="cancelling migration",
        danger=Danger.ASK,
        usual=60.0,
        footer=False,
    ),
)
