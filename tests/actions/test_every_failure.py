"""Every action that has a verb, failing in every way: what is told, what is logged, and that nothing else is asked for.

The clock of the cluster stands still, so that nothing but what is tried can change anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio
from aiohttp import web

from kvtui.actions.commands import Deed
from kvtui.actions.items import Item, State, Task
from tests.actions.bench import TIMINGS, Bench, bench, movable_time
from tests.actions.cases import KUBERNETES
from tests.actions.faults import Answer
from tests.wire.fake import status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Fault:
    """How a change fares, and what comes of it."""

    answer: Answer | None
    told: str
    state: State = State.FAILED
    result: str = "refused"
    """In the audit log."""
    hangs: bool = False
    """Whether the server keeps the connection, and never answers."""
    replaced: bool = False
    """Whether it is another object of the same name by now, which only the server knows: nothing is asked for then."""


FAULTS: Final[dict[str, Fault]] = {
    "forbidden": Fault(
        lambda: status(403, 'pods "a" is forbidden: User "u" cannot update resource "pods" in API group ""',
                       "Forbidden"),
        'not allowed: pods "a" is forbidden: User "u" cannot update resource "pods" in API group "" (role edit has it: '
        "let it be granted)"),
    "conflict": Fault(
        lambda: status(409, 'Operation cannot be fulfilled on pods "a": the object has been modified; please apply '
                       "your changes to the latest version and try again", "Conflict"),
        "somebody changed it meanwhile: the object has been modified; please apply your changes to the latest version "
        "and try again (nothing was done: look at it, then do it again)"),
    "gone": Fault(
        lambda: status(404, 'virtualmachines.kubevirt.io "a" not found', "NotFound"),
        'it is gone: virtualmachines.kubevirt.io "a" not found (it was deleted, or never was in that namespace: look '
        "at the list again)"),
    "unprocessable": Fault(
        lambda: status(422, 'VirtualMachine.kubevirt.io "a" is invalid: spec: Required value', "Invalid"),
        'it is not valid: VirtualMachine.kubevirt.io "a" is invalid: spec: Required value (correct it and send it '
        "again)"),
    "throttled": Fault(
        lambda: status(429, "too many requests", "TooManyRequests"),
        "the server is busy: too many requests (try again in a moment)"),
    "server error": Fault(
        lambda: status(500, "Internal error occurred: etcd is ill", "InternalError"),
        "the server failed: etcd is ill"),
    "plain server error": Fault(
        lambda: web.Response(status=500, text="etcd is ill\n"), "the server failed: etcd is ill"),
    "cut": Fault(
        None, "nobody knows whether it was accepted: the connection to {url} was cut: Server disconnected",
        State.UNKNOWN, "unknown"),
    "silent": Fault(
        None, "nobody knows whether it was accepted: {url} fell silent: connected, but no answer came in time",
        State.UNKNOWN, "unknown", hangs=True),
    "given up": Fault(
        lambda: status(504, "Timeout: request did not complete within requested timeout - context deadline exceeded",
                       "Timeout"),
        "nobody knows whether it was accepted: the server gave up: Timeout: request did not complete within requested "
        "timeout - context deadline exceeded (it may have been done all the same: look before you repeat it)",
        State.UNKNOWN, "unknown"),
    "given up in between": Fault(
        lambda: web.Response(status=504, text="<html><head><title>504 Gateway Time-out</title></head></html>",
                             content_type="text/html"),
        'nobody knows whether it was accepted: the server gave up: a page of HTML, "504 Gateway Time-out", came from '
        "{url} instead of an answer: is a proxy or a login page in between? (it may have been done all the same: look "
        "before you repeat it)", State.UNKNOWN, "unknown"),
    "bad gateway": Fault(
        lambda: web.Response(status=502, text="upstream prematurely closed connection"),
        "nobody knows whether it was accepted: the server cannot be reached by what stands before it: upstream "
        "prematurely closed connection (it may have been done all the same: look before you repeat it)",
        State.UNKNOWN, "unknown"),
    "etcd gave up": Fault(
        lambda: status(500, "etcdserver: request timed out", "InternalError"),
        "nobody knows whether it was accepted: the server gave up: etcdserver: request timed out (it may have been "
        "done all the same: look before you repeat it)", State.UNKNOWN, "unknown"),
    "virt-api broke off": Fault(
        lambda: web.Response(status=503, text="error trying to reach service: EOF"),
        "nobody knows whether it was accepted: the part of the server that does it broke off: error trying to reach "
        "service: EOF (it may have been done all the same: look before you repeat it)", State.UNKNOWN, "unknown"),
    "virt-api is not there": Fault(
        lambda: web.Response(status=503, text="error trying to reach service: dial tcp 10.96.7.1:443: i/o timeout"),
        "the server is busy, or a part of it is down: error trying to reach service: dial tcp 10.96.7.1:443: i/o "
        "timeout (try again in a moment; for verbs of VMs look at the pods of virt-api)"),
    "its judge gave up": Fault(
        lambda: status(504, 'failed calling webhook "virtualmachine-validator.kubevirt.io": context deadline exceeded',
                       "Timeout"),
        'what judges such changes does not answer: failed calling webhook "virtualmachine-validator.kubevirt.io": '
        "context deadline exceeded (until its pods run, no change of this kind is taken: look at them, KubeVirt's are "
        "virt-api)"),
    "replaced": Fault(
        None, "it is another one by now: {replaced} was re-created since; nothing was done", replaced=True),
}  # fmt: skip


OWN_WORDS: Final = dict.fromkeys(
    [("vm.set_password", "gone"), ("vm.add_key", "gone")],
    "the Secret ci/credentials does not exist (kubectl create secret generic credentials -n ci)",
)
"""By action and fault, where it is something else than the row that is changed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("bench")) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def put_forward() -> AsyncIterator[Callable[[float], None]]:
    with movable_time() as found:
        yield found


async def fare(site: Bench, deed: Deed, tasks: list[Task], put_forward: Callable[[float], None]) -> Item:
    """The item when it has ended, without waiting for what is not answered; nothing has changed, and no row bears a
    mark.
    """
    before = site.cluster.world.storage.revision
    work = asyncio.create_task(site.carry_out(deed, tasks))
    held = asyncio.create_task(site.faults.held.wait())
    await asyncio.wait([work, held], return_when=asyncio.FIRST_COMPLETED)
    if held.done():
        put_forward(TIMINGS.answer + 1)
    held.cancel()
    (item,) = (await work).items
    assert site.cluster.world.storage.revision == before
    assert (site.batches.pending(item.ref), site.batches.awaiting) == (None, False)
    return item


@pytest.mark.parametrize(
    ("deed", "fault"),
    # What makes something of nothing is about no object that could be another one.
    [(deed, name) for deed in KUBERNETES for name, fault in FAULTS.items() if not (deed.makes and fault.replaced)],
    ids=lambda value: value.action.id if isinstance(value, Deed) else value,
)
async def test_what_fails_is_told_and_logged_and_nothing_more_is_asked_for(
    site: Bench, put_forward: Callable[[float], None], deed: Deed, fault: str
) -> None:
    meant = FAULTS[fault]
    tasks = await site.plan(deed, await site.find_row(deed))
    site.read_log()
    with site.faults.faring(meant.answer, hangs=meant.hangs, replaced=meant.replaced):
        item = await fare(site, deed, tasks, put_forward)
    told = OWN_WORDS.get((deed.action.id, fault), meant.told).format(url=site.faults.url, replaced=site.faults.replaced)
    assert (item.state, item.words) == (meant.state, told)
    assert len(site.faults.asked) == (not meant.replaced)
    asked, answered = site.read_log()
    assert (asked.result, answered.result) == ("asked", meant.result)
    assert answered.words
    assert answered.words in item.words or (deed.action.id, fault) in OWN_WORDS
