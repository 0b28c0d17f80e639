"""``kvtui console``, ``ssh`` and ``port-forward`` as scripts use them, on a demo cluster in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvtui.cli.demo import DemoCluster
from kvtui.console.recording import Output, Recording

Kvtui = Callable[..., "subprocess.CompletedProcess[bytes]"]
MACHINE = "web/frontend-1"
_PATIENCE = 40.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The kubeconfig of a small cluster."""
    with DemoCluster(["--size", "20", "--quiet"]) as demo:
        yield demo.wait_for_kubeconfig()


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment without keys, agent and configuration."""
    folders = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "STATE")}
    kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    return {**kept, **folders, "HOME": str(tmp_path)}


def command(cluster: str, name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "kvtui", name, "--kubeconfig", cluster, *arguments]


@pytest.fixture
def kvtui(cluster: str, home: dict[str, str]) -> Kvtui:
    """Runs a command to its end, with `said` on its standard input."""

    def run(name: str, *arguments: str, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(cluster, name, *arguments),
            input=said,
            capture_output=True,
            env=home,
            timeout=_PATIENCE,
            check=False,
        )

    return run


class Terminal:
    """A terminal of its own for a command, whose standard output and input may lie elsewhere."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self.pid, self._handle = pty.fork()
        if self.pid == 0:
            os.execvpe(arguments[0], arguments, env)
        self.text = ""

    def wait_for(self, pattern: str) -> None:
        while not re.search(pattern, self.text):
            assert self._read(), self.text

    def _read(self) -> bool:
        """Read more; False at the end."""
        assert select.select([self._handle], [], [], _PATIENCE)[0], self.text
        try:
            data = os.read(self._handle, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def type(self, words: str) -> None:
        os.write(self._handle, words.encode())

    def wait(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# The console ---------------------------------------------------------------------------------------------------------


def test_a_script_waits_for_what_the_guest_says(kvtui: Kvtui) -> None:
    done = kvtui("console", MACHINE, "--until", "login: ", "--timeout", "30", said=b"\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"login: ")
    assert done.stderr == b""


def test_what_is_never_said_is_a_failure_when_the_time_is_up(kvtui: Kvtui) -> None:
    done = kvtui("console", MACHINE, "--until", "no such words", "--timeout", "2")
    assert done.returncode == 1
    assert b"did not say what was waited for in time" in done.stderr


def test_a_guest_is_listened_to_for_a_while(kvtui: Kvtui) -> None:
    assert kvtui("console", MACHINE, "--timeout", "2").returncode == 0


def test_a_console_in_a_pipe_is_recorded_as_on_the_screen(kvtui: Kvtui, tmp_path: Path) -> None:
    folder = tmp_path / "casts"
    done = kvtui("console", MACHINE, "--record", str(folder), "--until", "login: ", "--timeout", "30", said=b"\n")
    assert (done.returncode, done.stderr) == (0, b"")
    (path,) = folder.iterdir()
    with Recording(path) as recording:
        heard = b"".join(event.data for event in recording.events() if isinstance(event, Output))
    assert heard == done.stdout


def test_nothing_is_recorded_of_a_vm_that_is_not_there(kvtui: Kvtui, tmp_path: Path) -> None:
    assert kvtui("console", "web/nobody", "--record", str(tmp_path / "casts")).returncode == 1
    assert not (tmp_path / "casts").exists()


def test_a_folder_that_takes_no_recording_is_told_and_the_console_comes_all_the_same(
    kvtui: Kvtui, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "casts"
    done = kvtui("console", MACHINE, "--record", str(folder), "--until", "login: ", "--timeout", "30", said=b"\n")
    assert done.stdout.endswith(b"login: ")
    assert f"nothing is recorded: no file can be made in {folder}" in done.stderr.decode()
    assert done.returncode == 0


def test_a_read_only_program_opens_nothing(kvtui: Kvtui) -> None:
    for name, more in (("console", ()), ("ssh", ("--", "true")), ("port-forward", ("0:22",))):
        done = kvtui(name, "--read-only", MACHINE, *more)
        assert done.returncode == 1, name
        assert b"read-only" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("console", MACHINE),
        ("ssh", MACHINE, "--", "true"),
        ("port-forward", MACHINE, "0:22"),
        ("stop", MACHINE, "--yes"),
        ("stop", MACHINE, "--yes", "--dry-run"),
        ("delete", "vm", MACHINE, "--yes"),
        ("snapshot", MACHINE, "--yes"),
        ("upload", "IMAGE", "--name", "disk", "-n", "web", "--size", "1Gi"),
        ("upload", "IMAGE", "--name", "disk", "-n", "web", "--size", "1Gi", "--reuse"),
        ("download", "web/export"),
    ],
    ids=" ".join,
)
def test_a_context_that_is_read_only_is_so_for_every_command(
    kvtui: Kvtui, tmp_path: Path, words: tuple[str, ...]
) -> None:
    settings, image = tmp_path / "config.toml", tmp_path / "image.raw"
    settings.write_text('[context."*"]\nread_only = true\n', encoding="utf-8")
    image.write_bytes(bytes(1024))
    given = [str(image) if word == "IMAGE" else word for word in words]
    options = ("--config", str(settings))
    done = kvtui(given[0], *options, *given[1:])
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"is read-only" in done.stderr


@pytest.mark.parametrize("name", ["web/", "a/b/c", "Web/x"])
def test_a_name_that_names_no_vm(kvtui: Kvtui, name: str) -> None:
    done = kvtui("console", name)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"write NAME or NAMESPACE/NAME" in done.stderr


def test_a_pipe_that_nobody_reads_ends_it(cluster: str, home: dict[str, str]) -> None:
    with subprocess.Popen(
        command(cluster, "console", MACHINE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=home
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(_PATIENCE) == 0


def test_plain_bytes_never_reach_a_terminal(cluster: str, home: dict[str, str]) -> None:
    screen = Terminal(["sh", "-c", f"{' '.join(command(cluster, 'console', MACHINE))} </dev/null"], home)
    assert screen.wait() == 2
    assert "must both be the terminal" in screen.text


def test_on_a_terminal_the_console_has_the_whole_screen_and_one_key_quits_behind_the_chord(
    cluster: str, home: dict[str, str]
) -> None:
    screen = Terminal(command(cluster, "console", MACHINE), {**home, "TERM": "xterm-256color"})
    screen.wait_for("Connected")
    screen.type("\x1d")
    screen.wait_for("Problems")
    screen.type("q")
    assert screen.wait() == 0


# Names ---------------------------------------------------------------------------------------------------------------

COMMANDS = {"console": (), "ssh": ("--", "true"), "port-forward": ("0:22",), "screenshot": ("-o", "-")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_vm_that_never_was_is_told_at_once(kvtui: Kvtui, name: str) -> None:
    done = kvtui(name, "web/nobody", *COMMANDS[name])
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"kvtui: no VM named nobody in the namespace web of demo\n"


def test_a_vm_of_that_name_in_another_namespace_is_hinted_at(kvtui: Kvtui) -> None:
    done = kvtui("console", "frontend-1")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "kvtui: no VM named frontend-1 in the namespace default of demo",
        "hint: there is web/frontend-1",
    ]


@pytest.mark.parametrize("name", ["console", "ssh"])
def test_on_a_terminal_a_vm_that_never_was_ends_the_screen_with_the_sentence(
    cluster: str, home: dict[str, str], name: str
) -> None:
    screen = Terminal(command(cluster, name, "web/nobody"), {**home, "TERM": "xterm-256color"})
    assert screen.wait() == 1
    assert screen.text.endswith("kvtui: no VM named nobody in the namespace web of demo\r\n")


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A kubeconfig whose server listens no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    names = {"current-context": "gone", "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}]}
    clusters, users = [{"name": "gone", "cluster": {"server": address}}], [{"name": "me", "user": {"token": "t"}}]
    path = tmp_path_factory.mktemp("gone") / "kubeconfig"
    path.write_text(json.dumps({**names, "clusters": clusters, "users": users}))
    return str(path)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_that_is_not_reached_is_another_exit_code(unreachable: str, home: dict[str, str], name: str) -> None:
    arguments = command(unreachable, name, MACHINE, *COMMANDS[name])
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, capture_output=True, env=home, timeout=_PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"kvtui: cannot connect to http://127.0.0.1:")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(cluster: str, home: dict[str, str], number: signal.Signals) -> None:
    screen = Terminal(command(cluster, "console", MACHINE), {**home, "TERM": "xterm-256color"})
    screen.wait_for("Connected")
    os.kill(screen.pid, number)
    assert screen.wait() == 128 + number
    assert screen.text.rindex("\x1b[?1049l") > screen.text.rindex("\x1b[?1049h")
    assert "\x1b[?1003l" in screen.text


def test_a_terminal_that_is_typed_into_shows_no_password(cluster: str, home: dict[str, str], tmp_path: Path) -> None:
    line = shlex.join(command(cluster, "console", MACHINE))
    screen = Terminal(["sh", "-c", f"{line} >{tmp_path / 'out'}"], home)
    assert screen.wait() == 2
    assert "</dev/null to listen" in screen.text


# A shell -------------------------------------------------------------------------------------------------------------


def trust_and_log_in(
    cluster: str, home: dict[str, str], *remote: str, redirection: str = "", source: str = ""
) -> Terminal:
    line = shlex.join(command(cluster, "ssh", f"root@{MACHINE}", "--", *remote))
    screen = Terminal(["sh", "-c", f"{source} {line} {redirection}"], home)
    screen.wait_for(r"SHA256:\S+ Trust it \(yes/no\)\?")
    screen.type("yes\n")
    screen.wait_for("assword")
    screen.type("secret\n")
    return screen


def test_a_command_has_its_output_and_status(cluster: str, home: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "out"
    screen = trust_and_log_in(cluster, home, "uname -n; false", redirection=f">{file}")
    assert screen.wait() == 1
    assert file.read_bytes() == b"frontend-1\n"
    assert "secret" not in screen.text, "a password is not shown"


def test_who_gives_up_at_the_password_has_the_prompt_of_the_shell_on_a_line_of_its_own(
    cluster: str, home: dict[str, str]
) -> None:
    screen = Terminal(command(cluster, "ssh", f"root@{MACHINE}", "--", "true"), home)
    screen.wait_for(r"Trust it \(yes/no\)\?")
    screen.type("yes\n")
    screen.wait_for("assword")
    screen.type("\x03")
    assert screen.wait() == 130
    assert screen.text.endswith("\r\n")


def test_a_reader_that_goes_away_ends_the_command_in_silence(
    cluster: str, home: dict[str, str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    screen = trust_and_log_in(cluster, home, "yes", redirection=f"</dev/zero 2>{told} | head -1")
    screen.wait()
    assert told.read_text() == ""


def test_input_that_still_comes_when_the_command_has_ended_is_no_fault(
    cluster: str, home: dict[str, str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    screen = trust_and_log_in(cluster, home, "true", source="yes |", redirection=f"2>{told}")
    assert screen.wait() == 0
    assert told.read_text() == ""


def test_output_on_a_terminal_cannot_command_it(cluster: str, home: dict[str, str]) -> None:
    screen = trust_and_log_in(cluster, home, "printf '\\033]52;c;aGk=\\007done'")
    assert screen.wait() == 0
    assert "done" in screen.text
    assert "\x1b]52" not in screen.text


@pytest.mark.parametrize("before", [("-n", "web", "--"), ("--",), ("-p", "22", "--")])
def test_a_command_may_have_options_of_its_own(kvtui: Kvtui, before: tuple[str, ...]) -> None:
    done = kvtui("ssh", f"root@{MACHINE}", *before, "journalctl", "-b", "-p", "err")
    assert done.returncode == 1, "nobody can be asked for the host key, but the command line was understood"
    assert b"unrecognized" not in done.stderr


def test_without_a_terminal_nobody_can_be_asked(cluster: str, home: dict[str, str]) -> None:
    done = subprocess.run(
        command(cluster, "ssh", f"root@{MACHINE}", "--", "true"),
        stdin=subprocess.DEVNULL, capture_output=True, env=home, timeout=_PATIENCE, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 1
    words = rb"its host key is not known yet: ssh-ed25519 SHA256:\S+\s.*log in once on a terminal to trust it"
    assert re.search(words, done.stderr, re.DOTALL)


def test_the_screen_with_a_shell_ends_with_the_shell(cluster: str, home: dict[str, str]) -> None:
    screen = Terminal(command(cluster, "ssh", f"root@{MACHINE}"), {**home, "TERM": "xterm-256color"})
    screen.wait_for("SHA256")
    screen.type("yes\r")
    screen.wait_for("assword")
    screen.type("secret\r")
    screen.wait_for("root@frontend-1")
    screen.type("exit\r")
    assert screen.wait() == 0


# Ports ---------------------------------------------------------------------------------------------------------------


def test_a_port_of_a_guest_is_reached_until_the_program_is_interrupted(cluster: str, home: dict[str, str]) -> None:
    with subprocess.Popen(
        command(cluster, "port-forward", MACHINE, "0:80"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().decode()
        found = re.fullmatch(r"(127\.0\.0\.1:\d+) -> web/frontend-1:80\n", line)
        assert found is not None, line
        with urllib.request.urlopen(f"http://{found[1]}/", timeout=_PATIENCE) as answer:
            assert answer.read() == b"frontend-1: it works\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(_PATIENCE) == 0
        assert re.fullmatch(r"kvtui: 1 connections, sent \S+B, received \S+B\n", process.stderr.read().decode())


def test_a_service_that_is_not_up_yet_is_told_and_listened_for(cluster: str, home: dict[str, str]) -> None:
    with subprocess.Popen(
        command(cluster, "port-forward", MACHINE, "0:81"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b":81\n")
        assert b"connection refused" in process.stderr.readline()
        process.terminate()
        assert process.wait(_PATIENCE) == 0


@pytest.mark.parametrize("ports", ["x", "80:", ":80", "1:2:3", "70000", "80:0"])
def test_ports_that_are_none(kvtui: Kvtui, ports: str) -> None:
    done = kvtui("port-forward", MACHINE, ports)
    assert done.returncode == 2
    assert b"is not a port" in done.stderr
