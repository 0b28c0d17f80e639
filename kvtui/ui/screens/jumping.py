"""From whatever names an object to its row on the main screen, or to all that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kvtui.actions.batch import Batches
from kvtui.fleet import Fleet
from kvtui.model import Ref
from kvtui.resources.base import AnyResource
from kvtui.stack import find_row
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.detail import DetailScreen
from kvtui.ui.screens.panes import PanesScreen


class Jumping:
    """Finds rows, shows them, and opens them in full."""

    def __init__(
        self, screen: PanesScreen, fleet: Fleet, resources: Mapping[str, AnyResource], batches: Batches
    ) -> None:
        self._screen = screen
        self._fleet = fleet
        self._resources = resources
        self._batches = batches

    def find(self, ref: Ref) -> tuple[AnyResource, Ref] | None:
        """The row that tells of an object, with its resource, be it on no pane; None where there is no such row."""
        found = find_row(self._fleet.view, ref, self._resources.values())
        return found if found is not None and found[0].row(self._fleet.view, found[1]) is not None else None

    def has_row(self, ref: Ref) -> bool:
        """Whether there is a row to go to."""
        return self.find(ref) is not None or _find_listed(self._screen.panes, ref) is not None

    def jump(self, ref: Ref) -> None:
        """Put the cursor on a row, taking back what hides it."""
        panes = self._screen.panes
        pane = _find_listed(panes, ref)
        found = self.find(ref) if pane is None else None
        if found is not None:
            resource, ref = found
            pane = next((one for one in panes if one.resource.name == resource.name), None)
            if pane is None:
                self._screen.call_later(self._invite, resource, ref)
                return
        pane = pane or _find_pane(panes, ref.kind)
        if pane is None:
            self._screen.notify(f"{self._fleet.name(ref)} is on none of the panes", severity="warning")
            return
        self._reveal(pane, ref)

    async def _invite(self, resource: AnyResource, ref: Ref) -> None:
        """Show a resource without a pane of its own, with the cursor on a row."""
        await self._screen.invite(resource, "")
        self._reveal(self._screen.current, ref)

    def _reveal(self, pane: ResourcePane, ref: Ref) -> None:
        """Put the cursor on a row of a pane, taking back what hides it."""
        if pane.listing.index(ref) is None:
            pane.filter("", pane.meant)
            pane.show_faults(False)
        if self._screen.namespace and ref.namespace not in ("", self._screen.namespace):
            self._screen.show_namespace("")
        self._screen.choose(pane)
        pane.table.move_to(ref)

    def open(self, resource: AnyResource, ref: Ref, tab: str = "overview") -> None:
        """Show a row in full, at a tab; what is chosen there is jumped to."""

        def go(chosen: Ref | None) -> None:
            if chosen is not None:
                self.jump(chosen)

        self._screen.app.push_screen(DetailScreen(self._fleet, self._batches, resource, ref, tab), go)


def _find_listed(panes: Collection[ResourcePane], ref: Ref) -> ResourcePane | None:
    """The pane that has a row of that identity, of the same name if not of the same uid."""
    return next((pane for pane in panes if pane.listing.index(ref) is not None), None)


def _find_pane(panes: Collection[ResourcePane], kind: str) -> ResourcePane | None:
    """The pane whose rows are of a kind, else one whose rows are joined with it."""
    ranked = [
        (position, pane.number, pane)
        for pane in panes
        for position, source in enumerate((*pane.resource.own, *pane.resource.joined))
        if source.kind == kind
    ]
    return min(ranked, key=lambda found: found[:2])[2] if ranked else None
