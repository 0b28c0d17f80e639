"""Every action that has a verb, tried out only: the server has nothing against it, and nothing is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kvtui.actions.commands import Deed
from kvtui.actions.rehearsal import rehearsal
from kvtui.backends.objects import Rehearser
from kvtui.errors import UntriableError
from tests.actions.bench import Bench, bench
from tests.actions.cases import KUBERNETES
from tests.actions.faults import CONTEXT

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNTRIABLE = {
    "vm.soft_reboot", "vm.reset", "vm.freeze", "vm.thaw", "vm.memory_dump", "vm.remove_memory_dump",
}  # fmt: skip
"""Of these KubeVirt has no dry run."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("bench")) as found:
        yield found


@pytest.mark.parametrize("deed", KUBERNETES, ids=lambda deed: deed.action.id)
async def test_what_is_tried_out_changes_nothing_and_is_refused_only_where_it_is_refused(
    site: Bench, deed: Deed
) -> None:
    row = await site.find_row(deed)
    (task,) = await site.plan(deed, row)
    backend = site.fleet.backends[CONTEXT]
    assert isinstance(backend, Rehearser)
    site.read_log()
    before = site.cluster.world.storage.revision
    with site.faults.opened():
        if task.answers is not None:
            rehearse = rehearsal(backend, deed.action.of(row), row, deed.resource.ref(row))
            assert rehearse is not None
            assert await rehearse(task.answers) == ""
        elif deed.action.id in UNTRIABLE:
            with pytest.raises(UntriableError):
                await deed.action.of(row).run(backend.rehearse(), row)
        else:
            await deed.action.of(row).run(backend.rehearse(), row)
    assert site.cluster.world.storage.revision == before
    log = site.read_log()
    assert all(entry.dry_run for entry in log)
    if task.answers is not None and not deed.makes:
        names = [{one.path for one in entry.subjects} for entry in log]
        assert all(deed.resource.ref(row).path in found for found in names)
    assert log or deed.action.id in UNTRIABLE
