"""Commands on files and text."""

from __future__ import annotations

import posixpath
import re

from kvtui.demo.guests.call import Call, Command
from kvtui.demo.guests.filesystem import FileError
from kvtui.demo.guests.process import Process
from kvtui.demo.guests.readline import columns
from kvtui.demo.guests.streams import Cat

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "\\": "\\", "f": "\f"}


def list_files(call: Call) -> int:
    """Ls: names in columns and colours, or with -l one line each."""
    flags, operands = call.options()
    files = call.system.files
    status = 0
    for number, operand in enumerate(operands or ["."]):
        path = call.session.resolve(operand)
        try:
            names = files.children(path) if files.node(path).is_dir and "d" not in flags else [operand]
        except FileError as error:
            status = call.fail(f"cannot access '{operand}': {error}", 2)
            continue
        folder = path if files.is_dir(path) and "d" not in flags else call.session.cwd
        if not flags & {"a", "A"} and names != [operand]:
            names = [name for name in names if not name.startswith(".")]
        if len(operands) > 1 and files.is_dir(path):
            call.print(("\n" if number else "") + operand + ":")
        _print_listing(call, folder, names, flags)
    return status


def _print_listing(call: Call, folder: str, names: list[str], flags: set[str]) -> None:
    def path(name: str) -> str:
        return posixpath.normpath(posixpath.join(folder, name))

    def style(name: str) -> str:
        node = call.system.files.node(path(name))
        colour = "01;34" if node.is_dir else "01;32" if "x" in node.mode else ""
        return f"\x1b[{colour}m{name}\x1b[0m" if colour and call.to_terminal else name

    if "l" in flags:
        call.print(f"total {4 * len(names)}")
        for name in names:
            node = call.system.files.node(path(name))
            when = call.system.date(node.modified)
            size = call.system.files.size(path(name))
            links = 2 if node.is_dir else 1
            call.print(
                f"{node.mode} {links} {node.owner:<8} {node.owner:<8} {size:>7} {when:%b %e %H:%M} {style(name)}"
            )
    elif "1" in flags or not call.to_terminal:
        for name in names:
            call.print(style(name))
    else:
        call.out.append(columns(names, call.tty.cols, style))


def cat(call: Call) -> int | Process:
    """Cat: files, or what is typed."""
    if not call.args and call.stdin is None:
        return Cat(call.system, call.tty)
    status = 0
    for arg in call.args or ["-"]:
        text = (call.stdin or "") if arg == "-" else call.read(arg)
        if text is None:
            status = 1
        else:
            call.out.append(text)
    return status


def echo(call: Call) -> int:
    """Echo, with -n and -e."""
    args = list(call.args)
    flags: set[str] = set()
    while args and re.fullmatch(r"-[neE]+", args[0]):
        flags.update(args.pop(0)[1:])
    text = " ".join(args)
    if "e" in flags:
        text = unescape(text)
    call.out.append(text + ("" if "n" in flags else "\n"))
    return 0


def unescape(text: str) -> str:
    """Backslash sequences as echo -e and printf know them."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] == "u":
            return chr(int(code[1:], 16)).encode("utf-8", "replace").decode()
        if code[0] == "0":
            return chr(int(code, 8) & 0xFF)
        return _ESCAPES.get(code, "\\" + code)

    return re.sub(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|0[0-7]{1,3}|.)", one, text)


def printf(call: Call) -> int:
    """Printf with %s, %d and %%, and backslash sequences."""
    values = iter(call.args[1:])
    text = unescape(call.args[0]) if call.args else ""
    call.out.append(re.sub(r"%([sd%])", lambda match: "%" if match[1] == "%" else next(values, ""), text))
    return 0


def change_directory(call: Call) -> int:
    """Cd, with ~ and -."""
    target = call.args[0] if call.args else "~"
    session = call.session
    path = session.resolve(session.env.get("OLDPWD", session.cwd) if target == "-" else target)
    if not call.system.files.is_dir(path):
        reason = "Not a directory" if call.system.files.exists(path) else "No such file or directory"
        call.errors.append(f"-bash: cd: {target}: {reason}\n")
        return 1
    session.env["OLDPWD"], session.cwd, session.env["PWD"] = session.cwd, path, path
    return 0


def print_directory(call: Call) -> int:
    """Pwd."""
    call.print(call.session.cwd)
    return 0


def make_directory(call: Call) -> int:
    """Mkdir, with -p."""
    flags, operands = call.options()
    status = 0
    for operand in operands:
        path = call.session.resolve(operand)
        parts = path.split("/")
        wanted = ["/".join(parts[:end]) for end in range(2, len(parts) + 1)] if "p" in flags else [path]
        try:
            for each in wanted:
                if "p" not in flags or not call.system.files.is_dir(each):
                    call.system.files.make_dir(each, call.session.user)
        except FileError as error:
            status = call.fail(f"cannot create directory '{operand}': {error}")
    return status


def touch(call: Call) -> int:
    """Touch: create what is not there."""
    status = 0
    for operand in call.options()[1]:
        path = call.session.resolve(operand)
        try:
            if not call.system.files.exists(path):
                call.system.files.write(path, "", call.session.user)
        except FileError as error:
            status = call.fail(f"cannot touch '{operand}': {error}")
    return status


def remove(call: Call) -> int:
    """Rm, with -r and -f."""
    flags, operands = call.options()
    status = 0
    for operand in operands:
        path = call.session.resolve(operand)
        if "f" in flags and not call.system.files.exists(path):
            continue
        try:
            call.system.files.remove(path, call.session.user, recursive=bool(flags & {"r", "R"}))
        except FileError as error:
            status = call.fail(f"cannot remove '{operand}': {error}")
    return status


def copy(call: Call) -> int:
    """Cp and mv of one file."""
    operands = call.options()[1]
    if len(operands) != 2:
        return call.fail("missing file operand")
    source, target = (call.session.resolve(operand) for operand in operands)
    files = call.system.files
    if files.is_dir(target):
        target = posixpath.join(target, posixpath.basename(source))
    text = call.read(operands[0])
    if text is None:
        return 1
    try:
        files.write(target, text, call.session.user)
        if call.name == "mv" and source != target:
            files.remove(source, call.session.user)
    except FileError as error:
        return call.fail(f"cannot create '{operands[1]}': {error}")
    return 0


def _input_lines(call: Call, paths: list[str]) -> list[str] | None:
    texts = [call.read(path) for path in paths] if paths else [call.stdin or ""]
    if None in texts:
        return None
    return "".join(text or "" for text in texts).splitlines()


def head_or_tail(call: Call) -> int:
    """Head and tail, with -n N or -N."""
    args = list(call.args)
    count = 10
    if args and (match := re.fullmatch(r"-n?(\d{0,6})", args[0])):
        args.pop(0)
        digits = match[1] or (args.pop(0) if args else "")
        if not digits.isdecimal():
            return call.fail(f"invalid number of lines: '{digits}'")
        count = int(digits[:6])
    lines = _input_lines(call, args)
    if lines is None:
        return 1
    for line in lines[:count] if call.name == "head" else lines[len(lines) - min(count, len(lines)) :]:
        call.print(line)
    return 0


def grep(call: Call) -> int:
    """Grep for a plain text, with -i, -v and -n, and colours."""
    flags, operands = call.options()
    if not operands:
        return call.fail("usage: grep [-inv] PATTERN [FILE]...", 2)
    lines = _input_lines(call, operands[1:])
    if lines is None:
        return 2
    pattern = re.compile(re.escape(operands[0]), re.IGNORECASE if "i" in flags else 0)
    found = 1
    for number, line in enumerate(lines, 1):
        if bool(pattern.search(line)) != ("v" in flags):
            found = 0
            shown = pattern.sub(lambda match: f"\x1b[01;31m{match[0]}\x1b[m", line) if call.to_terminal else line
            call.print(f"{number}:{shown}" if "n" in flags else shown)
    return found


def count_words(call: Call) -> int:
    """Wc: lines, words and bytes."""
    flags, operands = call.options()
    text = (call.stdin or "") if not operands else call.read(operands[0])
    if text is None:
        return 1
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode("utf-8", "replace"))}
    shown = [str(count) for key, count in counts.items() if not flags or key in flags]
    call.print(" ".join([*shown, *operands[:1]]))
    return 0


COMMANDS: dict[str, Command] = {
    "ls": list_files,
    "cat": cat,
    "echo": echo,
    "printf": printf,
    "cd": change_directory,
    "pwd": print_directory,
    "mkdir": make_directory,
    "touch": touch,
    "rm": remove,
    "cp": copy,
    "mv": copy,
    "head": head_or_tail,
    "tail": head_or_tail,
    "grep": grep,
    "wc": count_words,
}
