"""What a command with ``--yes`` decides by itself: of each form, the fields that need not be given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from kvtui.actions.commands import Deed
from kvtui.actions.confirm import Confirmer, Sheet
from kvtui.resources.form import Answers, Draft, Field, Number, Text, Toggle
from tests.actions.bench import Bench, Filler, bench
from tests.actions.cases import KUBERNETES

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNSAID: Final[dict[str, set[str]]] = {
    # Any node: the scheduler's own choice, as for every pod.
    "vm.migrate": {"node"},
    # Five minutes: nothing stays frozen because somebody forgot it.
    "vm.freeze": {"seconds"},
    # Names are made of that of the VM, and none that is taken; the times are the API's own.
    "vm.snapshot": {"name", "minutes"},
    "vm.export": {"name", "hours"},
    "pvc.export": {"name", "hours"},
    "snapshot.export": {"name", "hours"},
    "vm.clone": {"name", "labels"},
    "snapshot.clone": {"name", "labels"},
    "snapshot.restore": set(),
    "vm.expose": {"protocol", "type", "name"},
    # A new claim, as large as the memory is.
    "vm.memory_dump": {"claim", "name", "size", "class"},
    "vm.attach_disk": {"bus", "persist"},
    "vm.attach_nic": {"name", "binding"},
    # The only Secret that the VM names; of several it has to be said which.
    "vm.set_password": {"secret"},
    "vm.add_key": {"secret"},
    # The namespace is that of the command line; the class and its modes are the cluster's.
    "datavolume.create": {"namespace", "class", "access", "mode"},
    "pvc.create": {"namespace", "class", "access", "mode"},
}  # fmt: skip
"""By action, what goes without saying. None of it destroys anything, costs more than the verb says, or guesses what
is meant: a field that is added here has to be judged by that.
"""


class Reader(Filler):
    """Keeps the form, and fills in nothing."""

    form: Draft | None = None

    async def fill_in(self, sheet: Sheet) -> Answers | None:
        self.form = Draft(sheet.form)
        return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("bench")) as found:
        yield found


def goes_without_saying(field: Field, draft: Draft) -> bool:
    """Whether it decides something though nobody gave it: an empty text and a no decide nothing."""
    if field.named:
        return False
    if isinstance(field, Toggle):
        return field.default
    if isinstance(field, Text | Number):
        return bool(field.default)
    return True


@pytest.mark.parametrize("deed", [deed for deed in KUBERNETES if deed.action.form is not None],
                         ids=lambda deed: deed.action.id)  # fmt: skip
async def test_a_command_decides_nothing_that_destroys_costs_or_guesses(site: Bench, deed: Deed) -> None:
    row = await site.find_row(deed)
    reader = Reader({})
    confirmer = Confirmer(site.fleet, site.fleet.resources, site.batches, reader)
    await confirmer.confirm(deed.action, await confirmer.check(deed.action, [row]))
    assert reader.form is not None
    decided = {field.name for field in reader.form.asked if goes_without_saying(field, reader.form)}
    assert decided <= UNSAID.get(deed.action.id, set())
