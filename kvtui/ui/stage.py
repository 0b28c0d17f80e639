"""What is only needed once the first frame stands: the screen itself, its dialogs, and what its keys do.

A fifth of a second of imports: they are loaded while the backends are made.
"""

from kvtui.actions.confirm import Question
from kvtui.resources import RESOURCES
from kvtui.ui.actions import ActionRunner
from kvtui.ui.consoles.menu import MENU
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.dialogs.ask import DialogAsker
from kvtui.ui.dialogs.briefing import BriefingDialog
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.form import FormDialog
from kvtui.ui.dialogs.transfer import TransferDialog
from kvtui.ui.editing import run_editor, undisturbed
from kvtui.ui.keys import check_keys, list_bindings, spell_keys
from kvtui.ui.palette import KvtuiCommands
from kvtui.ui.screens.help import HelpScreen, help_lines, screen_lines
from kvtui.ui.screens.main import MainScreen

__all__ = [
    "MENU",
    "RESOURCES",
    "ActionRunner",
    "BriefingDialog",
    "ConfirmDialog",
    "DialogAsker",
    "FormDialog",
    "HelpScreen",
    "KvtuiCommands",
    "MainScreen",
    "Question",
    "Terminal",
    "TransferDialog",
    "check_keys",
    "help_lines",
    "list_bindings",
    "run_editor",
    "screen_lines",
    "spell_keys",
    "undisturbed",
]
