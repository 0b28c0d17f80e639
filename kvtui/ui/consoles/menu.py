"""The menu of an open console: what other terminals have keys for, without taking a key from the guest.

Its entries are declared once; the help and the README show the same declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from kvtui.actions.confirm import Question
from kvtui.config import ConsoleSettings
from kvtui.console.foreground import Foreground, foreground_of
from kvtui.console.keys import BACKSPACE, DELETE, Layout, encode
from kvtui.console.state import Stream
from kvtui.records.libvirt import Domain, Host
from kvtui.ui.consoles.channels import Channel
from kvtui.ui.consoles.recordings import toggle_recording
from kvtui.ui.consoles.terminal import Terminal
from kvtui.ui.dialogs.confirm import ConfirmDialog
from kvtui.ui.dialogs.menu import Item, MenuDialog
from kvtui.ui.panes.consoles import ConsolePane
from kvtui.ui.screens.help import name_key


class Console(NamedTuple):
    """The console that the menu is about."""

    pane: ConsolePane
    channel: Channel
    terminal: Terminal
    settings: ConsoleSettings

    @property
    def label(self) -> str:
        """What it is called."""
        return self.pane.label(self.channel)


def _always(_: Console) -> str:
    return ""


@dataclass(frozen=True)
class Entry:
    """One entry of a menu."""

    key: str
    """The character that chooses it."""
    label: str
    help: str
    run: Callable[[Console], None]
    possible: Callable[[Console], str] = _always
    """Why it is impossible now; empty when it is possible."""
    note: Callable[[Console], str] | None = None
    """What it would do now, where the help is not enough."""
    belongs: Callable[[Console], bool] = lambda _: True
    """Whether it is in the menu of this console at all."""

    def item(self, console: Console) -> Item:
        """The line of the menu."""
        return Item(self.key, self.label, self.note(console) if self.note else self.help, self.possible(console))


def open_menu(console: Console) -> None:
    """Let the user choose something, and do it."""
    _choose(console, console.label, MENU)


def _choose(console: Console, title: str, entries: Sequence[Entry]) -> None:
    def run(key: str | None) -> None:
        for entry in entries:
            if entry.key == key:
                entry.run(console)

    shown = [entry for entry in entries if entry.belongs(console)]
    console.pane.app.push_screen(MenuDialog(title, lambda: [entry.item(console) for entry in shown]), run)


def _ask(console: Console, question: Question, then: Callable[[], object]) -> None:
    def answer(yes: bool | None) -> None:
        if yes:
            then()

    console.pane.app.push_screen(ConfirmDialog(question), answer)


# Typing --------------------------------------------------------------------------------------------------------------

_KILL_LINE: Final = b"\x15"


def _may_type(console: Console) -> str:
    if console.terminal.session.is_read_only:
        return "a boot log cannot be typed into"
    return "" if console.terminal.session.is_connected else "the console is not connected"


def _may_command(console: Console) -> str:
    if console.terminal.session.emulator.modes.alternate:
        return "a full-screen program would take it for keys: leave it first"
    return _may_type(console)


def _type(data: bytes, console: Console) -> None:
    if not console.terminal.session.send(data):
        console.pane.notify("nothing was typed: the guest takes nothing", severity="warning")


def _type_command(command: str, console: Console) -> None:
    """Type a line for a shell, instead of what is typed there already; a blank keeps it out of most histories."""
    _type(_KILL_LINE + f" {command}\r".encode(), console)


def _no_shell_waits(console: Console) -> bool:
    return foreground_of(console.terminal.emulator) is not Foreground.PROMPT


def _doubts(console: Console) -> list[str]:
    """Why a line should not be typed without a question."""
    words = "no shell's prompt is seen at the cursor: a program (top, less) would take each letter for a key"
    return [words] if _no_shell_waits(console) else []


def _ask_in_doubt(console: Console, command: str, then: Callable[[], object]) -> None:
    """Do at once what types a command where a shell waits; else ask."""
    if doubts := _doubts(console):
        _ask(console, Question(f"type {command}?", [console.label], doubts), then)
    else:
        then()


# Size ----------------------------------------------------------------------------------------------------------------


def _size_command(console: Console) -> str:
    size = console.terminal.size
    return f"stty rows {size.height} cols {size.width}"


def _may_size(console: Console) -> str:
    if console.terminal.session.is_sized:
        return "the shell knows the size of its pane"
    return _may_command(console)


def _send_size(console: Console) -> None:
    def send() -> None:
        # What the size is when it is sent.
        command = _size_command(console)
        console.terminal.take_size()
        _type_command(command, console)

    _ask_in_doubt(console, _size_command(console), send)


def _note_size(console: Console) -> str:
    asks = "; asks first" if _no_shell_waits(console) else ""
    return f"types ctrl+u, {_size_command(console)}, enter{asks}"


# The terminal -------------------------------------------------------------------------------------------------------


def _recover(console: Console) -> None:
    console.terminal.session.emulator.recover()
    console.terminal.session.touch()


def _note_recover(console: Console) -> str:
    modes = console.terminal.session.emulator.modes
    if modes.cut_lines:
        return "firmware turned wrapping off: long lines are cut now"
    if modes.alternate:
        return "back to the main screen, when a full-screen program is gone"
    return "colours, line drawing and mouse as at the begin"


def _no_shell_has(console: Console) -> str:
    """What a serial line may have, a shell has not."""
    return "a shell over ssh has none; SysRq can be typed" if console.channel.stream is Stream.SHELL else ""


# Keys ----------------------------------------------------------------------------------------------------------------


def _code(key: str, console: Console) -> bytes | None:
    return encode(key, None, console.terminal.session.emulator.modes, console.terminal.options)


def _press(key: str, console: Console) -> None:
    _type(_code(key, console) or b"", console)


def _may_press(key: str, console: Console) -> str:
    if _code(key, console) is None:
        return f"{console.terminal.options.layout.value} has no such key"
    return _may_type(console)


def _spell(key: str, console: Console) -> str:
    return (_code(key, console) or b"").decode().replace("\x1b", "esc ")


def _key(character: str, key: str, meaning: str) -> Entry:
    return Entry(character, name_key(key), meaning, partial(_press, key), partial(_may_press, key))


def _interrupt(console: Console) -> None:
    console.terminal.session.interrupt()


def _choose_function_key(console: Console) -> None:
    layout = console.terminal.options.layout.value
    _choose(console, f"{console.label}: type a function key of {layout}", _FUNCTION_KEYS)


def _choose_key(console: Console) -> None:
    """The keys below, and chords of the user that are not among them."""
    known = {_code(chord, console) for chord in _CHORDS}
    own = [chord.strip() for chord in console.settings.detach.split(",") if _code(chord.strip(), console) not in known]
    more = [_key(str(number), chord, "leads out of a console") for number, chord in enumerate(own[:9], start=1)]
    _choose(console, f"{console.label}: type a key", [*_AWKWARD_KEYS, *more])


_CHORDS: Final = ("ctrl+right_square_bracket", "ctrl+5")
_FUNCTION_KEYS: Final = tuple(
    replace(_key(character, f"f{number}", ""), note=partial(_spell, f"f{number}"))
    for number, character in enumerate("1234567890-=", start=1)
)
_AWKWARD_KEYS: Final = (
    Entry("c", "ctrl+c now", "stops a paste, forgets what waits to be typed", _interrupt, _may_type),
    _key("]", "ctrl+right_square_bracket", "leaves telnet and virsh console"),
    _key("\\", "ctrl+backslash", "ends a program, with a core file"),
    _key("^", "ctrl+circumflex_accent", "the escape of many switches"),
    _key("_", "ctrl+underscore", "undoes, in readline and Emacs"),
    _key("@", "ctrl+@", "NUL; sets the mark in Emacs"),
    _key("[", "escape", "the same as ctrl+["),
    _key("<", "shift+pageup", "scrolls here when pressed"),
    _key(">", "shift+pagedown", "scrolls here when pressed"),
    Entry("f", "f1 to f12 ...", "where the terminal keeps them for itself", _choose_function_key, _may_type),
    Entry(
        "x",
        "ctrl+alt+del",
        "",
        lambda _: None,
        lambda console: _no_shell_has(console) or "a serial line has neither it nor pause; R restarts the VM",
    ),
)


# SysRq ---------------------------------------------------------------------------------------------------------------


def _do_sysrq(letter: str, word: str, meaning: str, console: Console) -> None:
    line = f"echo {letter} > /proc/sysrq-trigger"
    command = partial(_type_command, line, console)
    if word:
        of_host = console.channel.ref.kind == Host.KIND
        warnings = ["this is the host itself: all its VMs suffer with it"] if of_host else []
        _ask(console, Question(f"{meaning}?", [console.label], warnings + _doubts(console), word), command)
    else:
        _ask_in_doubt(console, line, command)


def _sysrq(letter: str, label: str, meaning: str, word: str = "") -> Entry:
    note = f"{meaning}; asks first" if word else meaning
    return Entry(letter, label, note, partial(_do_sysrq, letter, word, meaning), _may_command)


def _choose_sysrq(console: Console) -> None:
    title = f"{console.label}: types echo LETTER > /proc/sysrq-trigger for a root shell"
    _choose(console, title, _SYSRQ)


# Linux, Documentation/admin-guide/sysrq.rst. For root this way all of them work, whatever kernel.sysrq says.
_SYSRQ: Final = (
    _sysrq("h", "help", "list what this kernel knows"),
    _sysrq("9", "log level", "show all kernel messages on the console"),
    _sysrq("t", "tasks", "show every task and where it is"),
    _sysrq("w", "blocked tasks", "show tasks that wait and cannot be interrupted"),
    _sysrq("l", "processors", "show what every processor does"),
    _sysrq("m", "memory", "show how memory is used"),
    _sysrq("s", "sync", "write everything to the disks"),
    _sysrq("f", "oom kill", "kill the process that takes most memory", "kill"),
    _sysrq("e", "terminate all", "ask all processes but init to end", "terminate"),
    _sysrq("i", "kill all", "kill all processes but init", "kill all"),
    _sysrq("u", "read-only", "make all file systems read-only", "read-only"),
    _sysrq("b", "reboot", "reboot at once, with nothing written to the disks", "reboot"),
    _sysrq("c", "crash", "crash the kernel, for a dump if it is set up", "crash"),
    _sysrq("o", "power off", "power off at once, with nothing written to the disks", "power off"),
)


# What the keys send --------------------------------------------------------------------------------------------------


def _other_backspace(console: Console) -> bytes:
    return DELETE if console.terminal.options.backspace == BACKSPACE else BACKSPACE


def _change_backspace(console: Console) -> None:
    terminal = console.terminal
    terminal.options = replace(terminal.options, backspace=_other_backspace(console))


def _note_backspace(console: Console) -> str:
    names = {DELETE: "DEL (7f)", BACKSPACE: "BS (08)"}
    return f"sends {names[console.terminal.options.backspace]}; b changes it to {names[_other_backspace(console)]}"


def _may_backspace(console: Console) -> str:
    if console.terminal.options.layout is not Layout.XTERM:
        return "UEFI firmware takes BS (08) alone"
    return ""


def _next_layout(console: Console) -> Layout:
    layouts = list(Layout)
    return layouts[(layouts.index(console.terminal.options.layout) + 1) % len(layouts)]


def _change_layout(console: Console) -> None:
    console.terminal.options = replace(console.terminal.options, layout=_next_layout(console))


def _note_layout(console: Console) -> str:
    return f"as {_LAYOUTS[console.terminal.options.layout]}; f changes that to {_LAYOUTS[_next_layout(console)]}"


_LAYOUTS: Final = {Layout.XTERM: "xterm", Layout.VT_UTF8: "UEFI (vt-utf8)", Layout.PC_ANSI: "old UEFI (pc-ansi)"}


# Consoles ------------------------------------------------------------------------------------------------------------


def _record(console: Console) -> None:
    toggle_recording(console.terminal.session, console.channel, console.settings, console.pane, console.label)


def _note_record(console: Console) -> str:
    transcript = console.terminal.session.transcript
    return (
        "ends the recording" if transcript is not None and transcript.is_open else "every byte from now on, into a file"
    )


def _read(console: Console, *, key: str = "") -> None:
    """Read what the console has shown, and press a key of reading."""
    console.pane.read()
    if key:
        console.terminal.take_key(key, key)


def _may_step(console: Console) -> str:
    return "" if len(console.pane.channels) > 1 else "no other console is open"


def _show_alone(console: Console) -> None:
    console.pane.call_later(console.pane.screen.run_action, "zoom_console")


def _close(console: Console) -> None:
    """End the session; a line is given up only after a question, for another may have it next."""
    close = partial(console.pane.call_later, console.pane.close, console.channel)
    if console.terminal.session.is_open and not console.terminal.session.is_read_only:
        _ask(console, Question("close the console?", [console.label]), close)
    else:
        close()


def _platform(console: Console) -> str:
    return "libvirt" if console.channel.ref.kind == Domain.KIND else "KubeVirt"


def _has_lines(console: Console) -> bool:
    return len(console.pane.lines_of(console.channel)) > 1


def _choose_line(console: Console) -> None:
    """Show another serial line, in a tab of its own."""
    entries = [
        Entry(str(number), alias, "" if number else "the first one", partial(_open_line, alias))
        for number, alias in enumerate(console.pane.lines_of(console.channel)[:10])
    ]
    _choose(console, f"{console.label}: open a serial line", entries)


def _open_line(line: str, console: Console) -> None:
    first = console.pane.lines_of(console.channel)[:1]
    channel = console.channel._replace(stream=Stream.SERIAL, line="" if (line,) == first else line)
    console.pane.open(channel)


MENU: Final = (
    Entry(
        "z",
        "send size",
        "type stty with the size of the pane, for full-screen programs",
        _send_size,
        _may_size,
        _note_size,
    ),
    Entry("k", "keys ...", "type a key that is kept by kvtui or the terminal", _choose_key, _may_type),
    Entry("q", "SysRq ...", "commands to a Linux kernel, through a root shell", _choose_sysrq, _may_command),
    Entry(
        "B",
        "break",
        "a break on the line, where the backend has it",
        lambda _: None,
        lambda console: _no_shell_has(console) or f"{_platform(console)}'s consoles carry none; SysRq can be typed",
    ),
    Entry("b", "backspace", "what Backspace sends: DEL or BS", _change_backspace, _may_backspace, _note_backspace),
    Entry("f", "function keys", "as xterm's, or as those of UEFI firmware", _change_layout, _always, _note_layout),
    Entry("[", "read", "stand still: search, select, copy and save", _read),
    Entry("t", "read with times", "the same, with when each line was written", partial(_read, key="t")),
    Entry("s", "save", "save all that was shown to a file", partial(_read, key="s")),
    Entry("R", "reset terminal", "wrap lines, plain colours, no mouse, the main screen", _recover, note=_note_recover),
    Entry("r", "record", "record the console into a file, or end that", _record, _always, _note_record),
    Entry(
        "l", "serial lines ...", "another serial line of the VM, where it has several", _choose_line, belongs=_has_lines
    ),
    Entry("n", "next console", "show the next console", lambda console: console.pane.step(1), _may_step),
    Entry(
        "p",
        "previous console",
        "show the console before",
        lambda console: console.pane.step(-1),
        _may_step,
    ),
    Entry("Z", "console alone", "give the console the whole screen, until it is left", _show_alone),
    Entry("x", "close", "end the session and close the console", _close),
)
