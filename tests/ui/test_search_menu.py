"""The searched menu: nothing of why something is impossible is lost on a small screen."""

from __future__ import annotations

from textual.app import App
from textual.widgets import OptionList

from kvtui.ui.dialogs.search import Offer, SearchDialog

_NEED = "needs update on virtualmachineinstances/softreboot: role kubevirt.io:edit"


async def test_a_missing_right_is_told_wholly_at_80_columns() -> None:
    app: App[None] = App()
    async with app.run_test(size=(80, 24)) as pilot:
        offers = [Offer("a", "start", "Start the VM.", "s"), Offer("b", "cancel evacuation", key="", reason=_NEED)]
        await app.push_screen(SearchDialog("shop/web", offers))
        await pilot.pause()
        options = app.screen.query_one(OptionList)
        prompt = str(options.get_option_at_index(1).prompt)
        assert " ".join(prompt.split()).endswith(_NEED)
        assert all(len(line) <= 74 for line in prompt.splitlines())
