"""Every action that has a verb, of who may only look: told beforehand, and refused where it was confirmed before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kvtui.actions.commands import Deed
from kvtui.actions.items import State
from kvtui.backends.kubernetes.impersonation import NOBODY, Impersonation
from kvtui.errors import BackendError
from tests.actions.bench import Bench, bench
from tests.actions.cases import KUBERNETES

pytestmark = pytest.mark.asyncio(loop_scope="module")

VIEWER = "demo-view"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("bench")) as found:
        yield found


@pytest.mark.parametrize("looker", ["read-only", "view-only"])
@pytest.mark.parametrize("deed", KUBERNETES, ids=lambda deed: deed.action.id)
async def test_who_may_only_look_changes_nothing(site: Bench, deed: Deed, looker: str) -> None:
    row = await site.find_row(deed)
    tasks = await site.plan(deed, row)
    reading = looker == "read-only"
    user = NOBODY if reading else Impersonation(VIEWER)
    async with site.acting(read_only=reading, user=user):
        with pytest.raises(BackendError) as told:
            await site.plan(deed, row)
    needs = tuple(f"needs {permission} in " for permission in (deed.action.needs, *deed.action.also))
    assert told.value.title.startswith("ill is read-only here" if reading else needs)
    site.read_log()
    before = site.cluster.world.storage.revision
    batch = site.begin(deed, tasks)
    (item,) = batch.items
    async with site.acting(read_only=reading, user=user):
        with site.faults.opened():
            await site.batches.carry_out(batch)
    assert site.cluster.world.storage.revision == before
    assert (item.state, site.batches.pending(item.ref)) == (State.FAILED, None)
    log = [(entry.result, entry.account.partition(" as ")[2]) for entry in site.read_log()]
    if reading:
        assert item.words.startswith("ill is read-only: ")
        assert item.words.endswith(" was not sent (by --read-only, or by read_only in the settings)")
        assert log == []
    else:
        assert item.words.startswith("not allowed: ")
        assert f'User "{VIEWER}" cannot ' in item.words
        assert log == [("asked", VIEWER), ("refused", VIEWER)]
