"""The menu of all that can be done to the chosen rows."""

from __future__ import annotations

from collections.abc import Mapping

from kvtui.chords import spell_all
from kvtui.resources.base import AnyAction, AnyResource
from kvtui.resources.united import LACKS
from kvtui.ui.dialogs.search import Offer, SearchDialog
from kvtui.ui.panes.resource import ResourcePane
from kvtui.ui.screens.help import name_key


def offer_actions(pane: ResourcePane, keys: Mapping[str, str]) -> None:
    """Let the user choose an action of the pane's resource, and do it; `keys` are those that the user has set.

    Where there is none the menu opens too, and says why: what is typed for it must not act on the list.
    """
    pane.hold_row()
    rows, resource = pane.chosen, pane.resource
    actions = resource.verbs if rows else resource.makers
    why_none = pane.why_unchosen if resource.actions else f"nothing can be done to {resource.title} here"
    reasons = pane.reasons()
    offers = [
        Offer(
            action.id,
            action.label,
            action.of(pane.rows_for(action)[0]).help,
            name_key(keys.get(action.id, action.key)) if keys.get(action.id, action.key) else "",
            reasons[action.id],
        )
        for action in actions
        if not reasons[action.id].endswith(LACKS)
    ]

    def start(name: str | None) -> None:
        if name is not None:
            pane.start(next(action for action in actions if action.id == name))

    many = f"{len(rows)} {resource.title}" if rows else resource.title
    subject = resource.ref(rows[0]).path if len(rows) == 1 else many
    pane.app.push_screen(SearchDialog(subject, offers, why_none), start)


def find_by_key(resource: AnyResource, key: str, keys: Mapping[str, str]) -> AnyAction | None:
    """The action on rows that a key, in Textual's spelling, is of; `keys` are those that the user has set."""
    chords = {action.id: spell_all(keys[action.id]) if action.id in keys else action.key for action in resource.actions}
    return next((action for action in resource.actions if key in chords[action.id].split(",")), None)
