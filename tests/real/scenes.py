"""What is done at the guest's console. Each scene begins and ends at the shell's prompt.

What the guest says meanwhile is compared with tmux at once (test_scenes.py), and kept (record.py) for the tests that
have no guest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.real.operator import Capture, Operator

_PROMPT = r"guest:\S+#\s*\Z"


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene, the Debian package of the program in it, the terminal it needs, and the TERM that the guest is told."""

    play: Callable[[Operator], Awaitable[None]]
    package: str = "busybox-static"
    term: str = "vt220"
    columns: int = 80
    lines: int = 24


async def _edit_with_vi(operator: Operator) -> None:
    """busybox's vi: insert, move, change, delete, put, search, save.

    It takes what follows Escape at once for Alt, and knows no UTF-8: what it would break up, tmux 3.3 would leave out.
    """
    command, insert = "(?m)^- notes.txt", "(?m)^I notes.txt"
    await operator.ask("vi notes.txt\r", f"{command} 1/1")
    await operator.ask("i" + "\r".join(f"line {number} of the notes" for number in range(1, 41)), f"{insert}.* 40/40")
    await operator.ask("<escape>", f"{command}.* 40/40")
    await operator.ask("ggddp3GdwiLINE ", f"{insert}.* 3/40")
    await operator.ask("<escape>", f"{command}.* 3/40")
    await operator.ask("5GxxxxxGothe end", f"{insert}.* 41/41")
    await operator.ask("<escape>", f"{command}.* 41/41")
    await operator.ask("gg/7 of\r", f"{command}.* 7/41")
    await operator.ask(":wq\r", _PROMPT)


async def _edit_with_vim(operator: Operator) -> None:
    """Debian's vim: two windows, lines inserted, deleted, put, undone, a search that is lit."""
    await operator.ask("vim -u NONE -i NONE samples/boxes.txt\r", 'boxes.txt" (6L|6 lines)')
    await operator.ask(":set nocompatible number hlsearch laststatus=2 ruler showcmd\r", r"1,1 +All")
    await operator.ask(":split samples/wide.txt\r", "wide.txt")
    await operator.ask("GOnew line of 日本語", "INSERT")
    await operator.ask("<escape>", r"7,\S+ +Bot|7,\S+ +All")
    await operator.ask("ggxjj3ddPu\x17wjjllyypdd/worker\r", "4,[0-9-]+ +All")
    await operator.ask(":wqall\r", _PROMPT)


async def _watch_top(operator: Operator) -> None:
    """busybox's top, three of its pictures."""
    await operator.ask("top -d 1\r", "PID  PPID USER")
    begin = operator.session.received
    await operator.wait_until(lambda: operator.session.received > begin + 3000, "more pictures of top")
    operator.type("q")


async def _watch_procps_top(operator: Operator) -> None:
    """procps' top: in colours, its help, its tree of processes."""
    await operator.ask("/usr/bin/top -d 5\r", "PID USER +PR")
    await operator.ask("z")
    await operator.ask("h", "Help for Interactive Commands")
    await operator.ask("q", "PID USER +PR")
    await operator.ask("V", "`- ")
    operator.type("q")


async def _list_in_colours(operator: Operator) -> None:
    await operator.run("ls --color=always kinds; ls --color=always -la kinds / ; ls --color=always -C /bin")


async def _show_unicode(operator: Operator) -> None:
    await operator.run("cat samples/*.txt")


async def _read_with_less(operator: Operator) -> None:
    """busybox's less over the kernel's log."""
    await operator.ask("dmesg | less\r", "Linux version")
    for key in (" ", " ", "b", *"jjjjjkkG"):
        await operator.ask(key)
    await operator.ask("g", "Linux version")
    await operator.ask("/", r"/\Z")
    await operator.ask("CPU\r", r"CPU(.*\n)*(:|%)")
    await operator.ask("n")
    operator.type("q")


async def _browse_with_mc(operator: Operator) -> None:
    """Midnight Commander: a file in its viewer, a menu, a dialog, the other panel."""
    await operator.ask("mc -u samples kinds\r", "10 ?Quit")
    await operator.ask("<down>")
    await operator.ask("<down>")
    await operator.ask("<f3>", "5 ?Goto")
    await operator.ask("<f10>", "5 ?Copy")
    await operator.ask("<f9>")
    await operator.ask("<down>", "Listing format|File listing")
    await operator.ask("<right>", "Rename/Move")
    await operator.ask("<f10>", "Hint")
    await operator.ask("<tab>")
    await operator.ask("<down>")
    await operator.ask("<f7>", "Create a new Directory")
    await operator.ask("日本語", "日本語")
    await operator.ask("<f10>", "Hint")
    await operator.ask("<f10>", _PROMPT)


async def _reboot(operator: Operator) -> None:
    """The same line goes on, over the firmware of the next boot."""
    operator.type("reboot\r")
    await operator.wait_for("SeaBIOS", 40)
    await operator.log_in()


SCENES = {
    "vi": Scene(_edit_with_vi),
    "vim": Scene(_edit_with_vim, "vim", "xterm", 100, 30),
    "vim-linux": Scene(_edit_with_vim, "vim", "linux"),
    "top": Scene(_watch_top),
    "procps-top": Scene(_watch_procps_top, "procps", "xterm-256color", 100, 30),
    "ls-color": Scene(_list_in_colours, term="linux"),
    "unicode": Scene(_show_unicode),
    "less": Scene(_read_with_less),
    "mc": Scene(_browse_with_mc, "mc", "xterm-256color", 100, 30),
    "mc-vt220": Scene(_browse_with_mc, "mc"),
    "reboot": Scene(_reboot),
}


async def play(scene: Scene, operator: Operator) -> Capture:
    """Play a scene in a fresh folder; what the guest said."""
    operator.session.resize(scene.columns, scene.lines)
    await operator.tell_size()
    await operator.run(f"export TERM={scene.term}; cd; rm -rf work; mkdir work; cp -a samples kinds work; cd work")
    with operator.hearing() as heard:
        await operator.run("clear")
        await scene.play(operator)
        await operator.run("")
    return heard()
