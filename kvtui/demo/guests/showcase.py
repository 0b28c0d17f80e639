"""Commands that show what a terminal must be able to draw."""

from __future__ import annotations

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.tty import width

_SAMPLES = (
    ("Latin", "Grüße, naïve façade, Łódź"),
    ("Greek", "Ελληνικά αβγδ"),
    ("Cyrillic", "Привет, мир"),
    ("Hebrew", "שלום"),
    ("Arabic", "مرحبا"),
    ("Chinese", "虚拟机管理"),
    ("Japanese", "仮想マシン カタカナ"),
    ("Half kana", "ｶﾀｶﾅ"),
    ("Korean", "가상 머신"),
    ("Combining", "e\u0301 a\u0308 n\u0303 o\u0302\u0323"),
    ("Emoji", "🚀 🐧 💾 🔥"),
    ("Emoji ZWJ", "👩\u200d💻 👨\u200d👩\u200d👧"),
    ("Flags", "🇩🇪 🇯🇵"),
    ("Selector", "☁\ufe0f ⚠\ufe0f ✔\ufe0e"),
    ("Boxes", "┌─┬─┐ ╔═╦═╗ ╭───╮ ▁▂▃▄▅▆▇█"),
    ("Braille", "⠋⠙⠹⠸⠼⠴⠦⠧"),
)


def utf8(call: Call) -> int:
    """A table of scripts: the right border is straight on a terminal that knows the widths."""
    inner = 34
    call.print(f"┌{'─' * 12}┬{'─' * (inner + 2)}┐")
    for name, text in _SAMPLES:
        call.print(f"│ {name:<10} │ {text}{' ' * max(0, inner - width(text))} │")
    call.print(f"└{'─' * 12}┴{'─' * (inner + 2)}┘")
    return 0


def colors(call: Call) -> int:
    """16 colours, 256 colours, true colour and attributes."""
    call.print("16:    " + "".join(f"\x1b[{30 + n}m {n} \x1b[0m" for n in range(8)))
    call.print("       " + "".join(f"\x1b[{90 + n}m {n} \x1b[0m" for n in range(8)))
    call.print("       " + "".join(f"\x1b[{40 + n}m {n} \x1b[0m" for n in range(8)))
    call.print("       " + "".join(f"\x1b[{100 + n}m {n} \x1b[0m" for n in range(8)))
    for row in range(6):
        label = "256:   " if row == 0 else " " * 7
        call.print(label + "".join(f"\x1b[48;5;{16 + row * 36 + n}m \x1b[0m" for n in range(36)))
    call.print("       " + "".join(f"\x1b[48;5;{232 + n}m \x1b[0m" for n in range(24)))
    ramp = "".join(f"\x1b[48;2;{n * 4};{255 - n * 4};128m \x1b[0m" for n in range(64))
    call.print("true:  " + ramp)
    names = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 5: "blink", 7: "reverse", 8: "hidden", 9: "struck"}
    call.print("attr:  " + " ".join(f"\x1b[{code}m{name}\x1b[0m" for code, name in names.items()))
    return 0


def acs_test(call: Call) -> int:
    """The DEC special graphics, once by designating G0 and once by shifting to G1."""
    letters = "`afgijklmnopqrstuvwxyz{|}~"
    call.print(f"letters  {letters}")
    call.print(f"ESC ( 0  \x1b(0{letters}\x1b(B")
    call.print(f"SO / SI  \x1b)0\x0e{letters}\x0f")
    return 0


def boxes(call: Call) -> int:
    """Two panels side by side as Midnight Commander draws them, with DEC line drawing."""
    left = ("/..", "/bin", "/boot", "/etc", "/home", " notes.txt")
    right = ("UP--DIR", "4096", "4096", "4096", "4096", "172")
    panel = 36
    blue, off = "\x1b[37;44m", "\x1b[0m"

    def line(start: str, middle: str, end: str) -> str:
        return f"{blue}\x1b(0{start}{'q' * 24}{middle}{'q' * (panel - 27)}{end}\x1b(B{off}"

    def row(name: str, size: str) -> str:
        bar = "\x1b(0x\x1b(B"
        return f"{blue}{bar}{name:<24}{bar}{size:>{panel - 27}}{bar}{off}"

    call.print(line("l", "w", "k") * 2)
    call.print(row("\x1b[1;33mName\x1b[22;37m" + " " * 20, "Size") * 2)
    call.print(line("t", "n", "u") * 2)
    for name, size in zip(left, right, strict=True):
        call.print(row(name, size) * 2)
    call.print(line("m", "v", "j") * 2)
    call.print("".join(f" {n}\x1b[30;46m{name:<6}{off}" for n, name in enumerate(("Help", "Menu", "View", "Edit"), 1)))
    return 0


def help_text(call: Call) -> int:
    """What there is to try."""
    call.out.append(
        "This is a simulated guest. Besides the usual commands (ls, cat, ps, df, ip a, systemctl, journalctl, ...):\n"
        "  full screen   top  htop  vi FILE  less FILE\n"
        "  drawing       colors  utf8  boxes  acstest\n"
        "  much output   flood MIB  yes\n"
        "  the size      stty rows R cols C  or  resize\n"
        "  power         reboot  poweroff\n"
    )
    return 0


COMMANDS: dict[str, Command] = {
    "utf8": utf8,
    "colors": colors,
    "acstest": acs_test,
    "boxes": boxes,
    "mc": boxes,
    "help": help_text,
}
