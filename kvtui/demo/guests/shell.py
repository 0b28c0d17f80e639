"""The shell: prompt, history, completion, and running what the user typed."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import deque

from kvtui.demo.guests import commands, editor, monitors, pager, showcase, streams, sysinfo, systemd, terminal
from kvtui.demo.guests.call import Call, Command, Session
from kvtui.demo.guests.filesystem import FileError
from kvtui.demo.guests.process import INTERRUPTED, Process
from kvtui.demo.guests.readline import Readline
from kvtui.demo.guests.syntax import Piece, ShellSyntaxError, Simple, Step, parse
from kvtui.demo.guests.system import System
from kvtui.demo.guests.tty import END_OF_FILE, INTERRUPT, Tty

HISTORY_SIZE = 1000

COMMANDS: dict[str, Command] = {
    **commands.COMMANDS,
    **sysinfo.COMMANDS,
    **systemd.COMMANDS,
    **terminal.COMMANDS,
    **showcase.COMMANDS,
    **streams.COMMANDS,
    **monitors.COMMANDS,
    **editor.COMMANDS,
    **pager.COMMANDS,
}


class Shell(Process):
    """An interactive bash for one login."""

    def __init__(self, system: System, tty: Tty, user: str) -> None:
        super().__init__(system, tty)
        self.session = Session(system, tty, user)
        self.session.cwd = self.session.home
        self.session.env = {
            "HOME": self.session.home,
            "LANG": "en_US.UTF-8",
            "LOGNAME": user,
            "PATH": "/usr/local/bin:/usr/bin:/usr/local/sbin:/usr/sbin",
            "PWD": self.session.cwd,
            "SHELL": "/bin/bash",
            "TERM": "xterm-256color",
            "USER": user,
        }
        self._readline = Readline(self.tty, self.session.history, self._complete)
        self._steps: deque[Step] = deque()

    def start(self) -> None:
        """Show the first prompt."""
        self.prompt()

    def on_key(self, key: str) -> None:
        """Edit the line; run it when it is complete."""
        if key == INTERRUPT:
            self._readline.leave("^C")
            self.session.status = INTERRUPTED
            self.prompt()
            return
        line = self._readline.key(key)
        if line == END_OF_FILE:
            self.finish()
        elif line is not None:
            self.execute(line)

    def prompt(self) -> None:
        """Ask for the next line."""
        session = self.session
        place = "~" if session.cwd == session.home else posixpath.basename(session.cwd) or "/"
        colour = "1;31" if session.user == "root" else "1;32"
        sign = "#" if session.user == "root" else "$"
        host = self.system.facts.hostname.split(".")[0]
        self._readline.begin(f"[\x1b[{colour}m{session.user}@{host}\x1b[0m \x1b[1;34m{place}\x1b[0m]{sign} ")

    def leave(self) -> None:
        """End the session that was left."""
        self.tty.write("logout\n")
        self.finish(self.session.status)

    def execute(self, line: str) -> None:
        """Run one line."""
        history = self.session.history
        if line.strip() and (not history or history[-1] != line):
            history.append(line)
            del history[:-HISTORY_SIZE]
        try:
            self._steps = deque(parse(line))
        except ShellSyntaxError as error:
            self.session.status = 2
            self.tty.write(f"-bash: {error}\n")
        self._go_on()

    def _go_on(self) -> None:
        """Run the steps that are left until one takes the terminal, then prompt."""
        while self._steps and not self.session.exited:
            step = self._steps.popleft()
            if (step.operator == "&&" and self.session.status) or (step.operator == "||" and not self.session.status):
                continue
            process = self._run_pipeline(step.pipeline)
            if process is not None:
                self.run(process, self._child_ended)
                return
        if self.session.exited:
            self.leave()
        elif self.system.power_request is None:
            self.prompt()

    def _child_ended(self, status: int) -> None:
        self.session.status = status
        if status == INTERRUPTED:
            self._steps.clear()
        self._go_on()

    def _run_pipeline(self, pipeline: list[Simple]) -> Process | None:
        text: str | None = None
        for number, simple in enumerate(pipeline):
            last = number == len(pipeline) - 1
            result, text = self._run_simple(simple, text, last=last)
            if isinstance(result, Process):
                return result
            self.session.status = result
        return None

    def _run_simple(self, simple: Simple, stdin: str | None, *, last: bool) -> tuple[int | Process, str]:
        """Status (or the process that takes over) and what goes into the pipe."""
        words = [expanded for word in simple.words for expanded in self._expand(word)]
        while words and (match := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[0], re.DOTALL)):
            self.session.env[match[1]] = match[2]
            words.pop(0)
        redirects = [(operator, "".join(self._expand(target))) for operator, target in simple.redirects]
        captured = not last or any(operator in (">", ">>", "&>") for operator, _target in redirects)
        try:
            for operator, target in redirects:
                if operator == "<":
                    stdin = self.system.files.read(self.session.resolve(target))
        except FileError as error:
            self.tty.write(f"-bash: {target}: {error}\n")
            return 1, ""
        if not words:
            call, result = Call(self.session, "", [], stdin, to_terminal=False), 0
        else:
            call = Call(self.session, words[0], words[1:], stdin, to_terminal=self.tty.is_terminal and not captured)
            outcome = self._call(call)
            if isinstance(outcome, Process):
                if not captured:
                    return outcome, ""
                outcome = call.fail("its output goes to the terminal only")
            result = outcome
        return self._deliver(call, redirects, result, last=last)

    def _call(self, call: Call) -> int | Process:
        if call.name == "sudo" and call.args:
            call.name, *call.args = call.args
        command = COMMANDS.get(posixpath.basename(call.name) if "/" in call.name else call.name)
        if command is not None:
            return command(call)
        if "/" in call.name:
            there = self.system.files.exists(self.session.resolve(call.name))
            reason, status = ("Permission denied", 126) if there else ("No such file or directory", 127)
            call.errors.append(f"-bash: {call.name}: {reason}\n")
            return status
        call.errors.append(f"-bash: {call.name}: command not found\n")
        return 127

    def _deliver(
        self, call: Call, redirects: list[tuple[str, str]], status: int, *, last: bool
    ) -> tuple[int | Process, str]:
        out, errors = "".join(call.out), "".join(call.errors)
        for operator, target in redirects:
            if operator in ("2>&1", "&>"):
                out, errors = out + errors, ""
            if operator == "2>":
                errors = self._save(target, errors, append=False)
            elif operator in (">", ">>", "&>"):
                refusal = self._save(target, out, append=operator == ">>")
                out = ""
                errors += refusal
                status = 1 if refusal else status
        self.tty.write(errors + (out if last else ""))
        return status, out

    def _save(self, target: str, text: str, *, append: bool) -> str:
        """Write to a file; bash's complaint when that fails, else nothing."""
        path = self.session.resolve(target)
        if path == "/dev/null":
            return ""
        files = self.system.files
        try:
            before = files.read(path) if append and files.exists(path) else ""
            files.write(path, before + text, self.session.user)
        except FileError as error:
            return f"-bash: {target}: {error}\n"
        return ""

    def _expand(self, word: list[Piece]) -> list[str]:
        """Variables, ~ and file name patterns of one word; an unquoted word that becomes empty vanishes."""
        text = "".join(self._variables(piece.text) if piece.expands else piece.text for piece in word)
        first = word[0] if word else None
        if first and not first.literal and (text == "~" or text.startswith("~/")):
            text = self.session.home + text[1:]
        if any(not piece.literal and re.search(r"[*?[]", piece.text) for piece in word):
            return self._glob(text) or [text]
        return [text] if text or any(piece.literal for piece in word) else []

    def _variables(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1].strip("{}")
            return str(self.session.status) if name == "?" else self.session.env.get(name, "")

        return re.sub(r"\$(\?|\w+|\{\w+\})", value, text)

    def _glob(self, pattern: str) -> list[str]:
        folder, name = posixpath.split(pattern)
        try:
            names = self.system.files.children(self.session.resolve(folder or "."))
        except FileError:
            return []
        hidden = name.startswith(".")
        found = [other for other in names if fnmatch.fnmatchcase(other, name) and (hidden or other[0] != ".")]
        return [posixpath.join(folder, other) for other in found]

    def _complete(self, left: str) -> tuple[str, list[str]]:
        word = re.split(r"[\s;|&<>]", left)[-1]
        before = left[: len(left) - len(word)].rstrip()
        if "/" not in word and (not before or before[-1] in ";|&" or before.endswith("sudo")):
            return word, sorted(name for name in COMMANDS if name.startswith(word))
        folder, name = posixpath.split(word)
        absolute = self.session.resolve(folder or ".")
        files = self.system.files
        if not files.is_dir(absolute):
            return word, []
        found = []
        for other in files.children(absolute):
            if other.startswith(name) and (name or not other.startswith(".")):
                slash = "/" if files.is_dir(posixpath.join(absolute, other)) else ""
                found.append(posixpath.join(folder, other) + slash)
        return word, found
