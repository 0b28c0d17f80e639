"""What Argo CD put back because it differed from git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kvtui.joins.machine import machines_named
from kvtui.model import Ref
from kvtui.records.gitops import Application
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class PutBack:
    """That a VM was put back, by its application."""

    application: Application
    at: float
    """In seconds since the epoch, to the second."""
    result: str
    """What ``kubectl apply`` said: ``virtualmachine.kubevirt.io/web-1 configured``."""

    def tell(self, often: str = "") -> str:
        """Who did it, and why; `often` stands after it: `` 7 times in 12m``."""
        meta = self.application.metadata
        return f"Application {meta.namespace}/{meta.name} put it back{often}: it heals what differs from git"


def find_put_back(view: View, ref: Ref) -> PutBack | None:
    """The last time that a VM was put back; None where it was not, or its application did something else since."""
    found = [
        PutBack(application, application.finished, one.message)
        for _, application in view.linked(Application, ref.backend, "put back", ref.path)
        for one in application.put_back
        if application.heals and application.finished is not None and f"{one.namespace}/{one.name}" == ref.path
    ]
    return max(found, key=lambda one: one.at, default=None)


def machines_put_back(view: View, ref: Ref, application: Application) -> Iterator[Ref]:
    """For `related`: the VMs that an application put back last."""
    for one in application.put_back:
        yield from machines_named(view, ref.backend, one.namespace, one.name)
