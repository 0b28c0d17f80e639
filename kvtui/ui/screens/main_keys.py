"""The keys of the main screen, each with its word for the footer and its sentence for the help."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding, BindingType

MAIN_KEYS: Final[list[BindingType]] = [
    *(
        Binding(str(number), f"go({number})", f"pane {number}", show=False, tooltip=tooltip)
        for number, tooltip in enumerate(
            ("problems", "first pane", "second pane", "third pane", "fourth pane", "the open console")
        )
    ),
    Binding("tab", "step(1)", "next pane", show=False, tooltip="the next pane", id="main.next"),
    Binding("shift+tab", "step(-1)", "previous pane", show=False, tooltip="the pane before", id="main.previous"),
    Binding("z", "zoom", "zoom", tooltip="show this pane alone, or all again", id="main.zoom"),
    Binding("Z", "zoom_console", "console alone", tooltip="the console alone, until it is left", id="main.alone"),
    Binding("slash", "filter", "filter", tooltip="filter the rows of this pane", id="main.filter"),
    Binding("colon", "go_to", "go to", tooltip="go to a resource or namespace (ns NAME)", id="main.goto"),
    Binding("exclamation_mark", "faults", "faults", tooltip="show only rows that are not well", id="main.faults"),
    Binding("c", "console('SERIAL')", "console", tooltip="the serial console of the VM", id="main.console"),
    Binding("L", "console('LOG')", "boot log", tooltip="what the VM said on its serial line", id="main.boot_log"),
    Binding(
        "C",
        "console('SHELL')",
        "shell",
        tooltip="a shell of the VM's guest or of the libvirt host, over ssh",
        id="main.shell",
    ),
    Binding(
        "ctrl+pageup", "step_console(-1)", "", show=False, tooltip="the console before", id="main.previous_console"
    ),
    Binding("ctrl+pagedown", "step_console(1)", "", show=False, tooltip="the next console", id="main.next_console"),
    Binding(
        "v",
        "screens",
        "screens",
        tooltip="what the marked VMs, or the chosen one, show on their screens",
        id="main.screens",
    ),
    Binding(
        "J",
        "jobs",
        "jobs",
        show=False,
        tooltip="what was done, and what came of each row: cancel, retry",
        id="main.jobs",
    ),
    Binding(
        "P",
        "problems",
        "problems",
        show=False,
        tooltip="all problems: by cause, node or namespace, with their evidence; acknowledge",
        id="main.problems",
    ),
    *(
        Binding(key, f"tell('{tab}')", word, show=False, tooltip=f"from a problem: {words}", id=f"pane.{word}")
        for key, tab, word, words in (
            ("w", "overview", "why", "what is wrong with its row, and why"),
            ("x", "stack", "stack", "the stack of its row"),
            ("t", "timeline", "timeline", "what happened to its row and its layers, and when"),
        )
    ),
    Binding("a", "offer", "actions", tooltip="all that can be done to the row, by name", id="main.actions"),
    Binding(
        "full_stop",
        "console_menu",
        "console menu",
        show=False,
        tooltip="the menu of the open console; from inside it behind ctrl+]",
        id="main.console_menu",
    ),
    Binding(
        "left_square_bracket",
        "read_console",
        "read",
        show=False,
        tooltip="read what the open console has shown: search, select, copy, save",
        id="main.read",
    ),
    Binding(
        "ctrl+r",
        "retry",
        "try again",
        show=False,
        tooltip="try again at once what failed: servers that do not answer, logins that were refused",
        id="main.retry",
    ),
    Binding("question_mark", "app.help", "help", tooltip="this help", id="main.help"),
    Binding("escape", "back", "back", tooltip="take back marks, filter, faults only, zoom: one at a time"),
    Binding("q", "app.leave", "quit", tooltip="quit", id="main.quit"),
]
