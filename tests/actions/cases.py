"""How each action that has a verb can be done in the simulated cluster.

An action that is new needs a `Case` here: the fields that its form cannot do without, and what must be done before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kvtui.actions.commands import Deed, find_verbs
from kvtui.demo.catalog.owners import owner_of
from kvtui.model import Platform
from kvtui.resources import resources_for
from kvtui.store import View
from tests.actions.preparing import KEY, SNAPSHOT, credentials, marked_to_leave, with_snapshot

KUBERNETES: Final = [
    deed for verb in find_verbs(resources_for({Platform.KUBERNETES})).values() for deed in verb.deeds
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """How an action can be done in the simulated cluster."""

    fields: Sequence[str] = ()
    before: Sequence[str] = ()
    """Actions, by their ids, that must have been done to something, where nothing is possible yet."""
    waits: bool = True
    """Whether its effect comes within seconds."""
    namespace: str = ""
    """Where it is done; empty for anywhere."""
    fleeting: bool = False
    """Whether the state in which it can be done may be over before it is."""
    prepare: Callable[[str], str] | None = None
    """Makes it possible in the cluster of a kubeconfig, on an object whose path it returns."""
    suits: Callable[[Any], bool] = lambda _row: True
    """Whether the fields change anything of a row on which it is possible."""


CASES: Final[dict[str, Case]] = {
    "vm.start": Case(before=("vm.stop",)),
    "vm.start_paused": Case(before=("vm.stop",)),
    "vm.stop": Case(),
    "vm.kill": Case(),
    "vm.restart": Case(),
    "vm.force_restart": Case(),
    "vm.soft_reboot": Case(),
    "vm.reset": Case(),
    "vm.pause": Case(),
    "vm.unpause": Case(before=("vm.pause",)),
    "vm.freeze": Case(),
    "vm.thaw": Case(before=("vm.freeze",)),
    "vm.migrate": Case(),
    "vm.cancel_migration": Case(before=("vm.migrate",), fleeting=True),
    "migration.cancel": Case(before=("vm.migrate",), fleeting=True),
    "vm.cpus": Case(("--cpus", "3"), waits=False),
    "vm.memory": Case(("--memory", "5Gi"), waits=False),
    "vm.run_strategy": Case(("--strategy", "Manual"), suits=lambda row: row.run_strategy != "Manual"),
    "vm.labels": Case(("--labels", "tested=yes")),
    "vm.delete": Case(),
    "node.cordon": Case(),
    "node.uncordon": Case(before=("node.cordon",)),
    "node.labels": Case(("--labels", "tested=yes")),
    "datavolume.create": Case(("--source", "blank", "--size", "5")),
    "datavolume.retry": Case(waits=False, namespace="erp"),
    "datavolume.delete": Case(before=("datavolume.create",), fleeting=True),
    "pvc.create": Case(("--size", "10Gi")),
    "pvc.resize": Case(("--size", "900"), before=("pvc.create",), waits=False),
    "pvc.delete": Case(before=("pvc.create",), fleeting=True),
    "pvc.export": Case(before=("pvc.create",), waits=False),
    "vm.snapshot": Case(),
    "vm.revert": Case(("--snapshot", SNAPSHOT, "--policy", "StopTarget"), prepare=with_snapshot),
    "vm.clone": Case(),
    "vm.export": Case(waits=False),
    "vm.memory_dump": Case(fleeting=True),
    "vm.remove_memory_dump": Case(before=("vm.memory_dump",), fleeting=True),
    "vm.attach_disk": Case(
        ("--volume", "datavolume/scratch-disk-1"),
        namespace="lab",
        waits=False,
        suits=lambda row: (
            row.vm is not None and all(volume.claim != "scratch-disk-1" for volume in row.vm.spec.template.spec.volumes)
        ),
    ),
    "vm.detach_disk": Case(("--name", "scratch-disk-1"), before=("vm.attach_disk",)),
    "vm.attach_nic": Case(("--network", "db-vlan120"), namespace="shop"),
    "vm.detach_nic": Case(("--name", "net2"), before=("vm.attach_nic",), namespace="shop"),
    "vm.expose": Case(("--port", "22")),
    "vm.set_password": Case(("--user", "ada", "--password-file", __file__), prepare=credentials),
    "vm.add_key": Case(("--key", KEY), prepare=credentials),
    "vm.cancel_evacuation": Case(prepare=marked_to_leave, fleeting=True),
    "snapshot.restore": Case(("--target", "new"), before=("vm.snapshot",), fleeting=True),
    "snapshot.clone": Case(before=("vm.snapshot",), fleeting=True),
    "snapshot.export": Case(before=("vm.snapshot",), fleeting=True),
    "snapshot.delete": Case(before=("vm.snapshot",), fleeting=True),
    "restore.delete": Case(before=("snapshot.restore",)),
    "clone.delete": Case(before=("vm.clone",)),
    "export.delete": Case(before=("vm.export",)),
}

VERBLESS: Final = {
    "vm.edit": "in an editor: tests/ui/test_editing.py, tests/wire/test_operations.py",
    "datavolume.upload": "kvtui upload: tests/wire/test_upload.py, tests/wire/test_cli_upload.py",
    "export.download": "kvtui download: tests/wire/test_downloads.py, tests/unit/test_cli_download.py",
}
"""Actions that are no verbs of the command line, and where they are tried."""


def deed_of(action_id: str) -> Deed:
    return next(deed for deed in KUBERNETES if deed.action.id == action_id)


def find_rows(view: View, deed: Deed) -> list[Any]:
    """The rows on which it is possible now, and changes something."""
    case = CASES[deed.action.id]
    rows = (deed.resource.row(view, ref) for ref in deed.resource.refs(view))
    return [
        row
        for row in rows
        if row is not None and not deed.action.of(row).when(row) and case.suits(row)
        for ref in (deed.resource.ref(row),)
        # What has an owner is put back before the next step, and runners come and go by themselves.
        if case.namespace in ("", ref.namespace) and owner_of(ref.namespace, ref.name) is None
    ]
