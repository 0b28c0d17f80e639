"""``kvtui screenshot`` on a demo cluster: files, pipes, terminals, and why there is no picture."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvtui.backends.kubernetes.client import KubernetesBackend
from kvtui.cli import main
from kvtui.cli.demo import DemoCluster
from kvtui.model import Ref
from kvtui.ui.pictures.picture import decode, is_png
from tests.pictures import halves
from tests.sixels import read_sixels

SIZES = [(800, 600), (720, 400)]
"""Of the screens of demo guests: the second while the firmware writes."""
COLUMNS = (59, 79)
"""Of pictures of these sizes that are 22 lines high."""
Shoot = Callable[..., int]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The kubeconfig of a small cluster."""
    with DemoCluster(["--size", "6", "--quiet"]) as demo:
        yield demo.wait_for_kubeconfig()


@pytest.fixture
def shoot(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shoot:
    """Runs the command on the cluster."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda *arguments: main(["screenshot", *arguments, "--kubeconfig", cluster])


@pytest.fixture
def machine(cluster: str, shoot: Shoot, capsys: pytest.CaptureFixture[str]) -> str:
    """A VM that runs, as NAMESPACE/NAME."""
    assert main(["get", "vms", "-f", "status:running", "-o", "name", "--kubeconfig", cluster]) == 0
    return capsys.readouterr().out.split()[0]


def test_a_file_holds_the_picture_and_is_for_its_owner_alone(shoot: Shoot, machine: str, tmp_path: Path) -> None:
    file = tmp_path / "screen.png"
    assert shoot(machine, "-o", str(file)) == 0
    assert is_png(file.read_bytes())
    assert decode(file.read_bytes()).size == (720, 400)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_namespace_may_be_said_apart(shoot: Shoot, machine: str, tmp_path: Path) -> None:
    namespace, name = machine.split("/")
    assert shoot(name, "-n", namespace, "-o", str(tmp_path / "a.png"), "--read-only") == 0, "looking changes nothing"


def test_a_file_is_written_over_by_force_only(
    shoot: Shoot, machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "screen.png"
    file.write_text("dear")
    assert shoot(machine, "-o", str(file)) == 1
    assert capsys.readouterr().err == f"kvtui: {file} exists\nhint: --force writes over it\n"
    assert file.read_text() == "dear"
    assert shoot(machine, "-o", str(file), "--force") == 0
    assert is_png(file.read_bytes())


def test_a_file_that_cannot_be_written_is_a_sentence(
    shoot: Shoot, machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shoot(machine, "-o", str(tmp_path / "none" / "screen.png")) == 1
    assert "none/screen.png: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["PNG", "PPM"])
@pytest.mark.parametrize(
    ("name", "head"),
    [("a.png", b"\x89PNG"), ("a.PNG", b"\x89PNG"), ("a", b"\x89PNG"), ("a.ppm", b"P6"), ("a.PPM", b"P6")],
)
def test_a_file_is_what_its_name_says_whatever_the_server_sent(
    shoot: Shoot, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str, head: bytes
) -> None:
    sent = halves(form=form)

    async def take_screenshot(_self: KubernetesBackend, _ref: Ref) -> bytes:
        return sent

    monkeypatch.setattr(KubernetesBackend, "take_screenshot", take_screenshot)
    assert shoot(machine, "-o", str(tmp_path / name)) == 0
    saved = (tmp_path / name).read_bytes()
    assert saved.startswith(head)
    assert decode(saved).ppm == decode(sent).ppm


@pytest.mark.parametrize("name", ["screen.jpg", "screen.png.gz", "screen.web-1"])
def test_a_name_with_another_ending_is_refused_before_anybody_is_asked(
    shoot: Shoot, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file = tmp_path / name
    assert shoot("shop/nobody", "-o", str(file)) == 2
    said = f"kvtui: {file}: no picture can be saved as {file.suffix}\nhint: name it .png or .ppm\n"
    assert capsys.readouterr().err == said
    assert not file.exists()


def test_a_pipe_gets_the_picture(cluster: str, machine: str) -> None:
    command = [sys.executable, "-m", "kvtui", "screenshot", machine, "-o", "-", "--kubeconfig", cluster]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert decode(done.stdout).size == (720, 400)


def test_why_there_is_no_picture(
    cluster: str, shoot: Shoot, machine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "x.png")
    assert shoot("shop/nobody", "-o", file) == 1
    assert "no VM named nobody in the namespace shop of demo" in capsys.readouterr().err
    assert shoot(machine) == 2
    assert "no terminal to draw the picture in" in capsys.readouterr().err
    assert shoot("shop/", "-o", file) == 2
    assert "names no VM" in capsys.readouterr().err
    assert shoot(machine, "-o", file, "--timeout", "0.0001") == 3
    assert f"no picture of {machine} came within 0.0001 seconds" in capsys.readouterr().err
    assert not Path(file).exists()


# On a terminal -------------------------------------------------------------------------------------------------------


def run_on_terminal(*arguments: str, size: tuple[int, int] = (80, 24), **surroundings: str) -> tuple[int, str]:
    """The exit code, and what a terminal of that size got."""
    terminal, end = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name not in ("COLORTERM", "NO_COLOR", "TMUX")}
    environ |= {"COLUMNS": str(size[0]), "LINES": str(size[1]), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    program = subprocess.Popen(
        [sys.executable, "-m", "kvtui", "screenshot", *arguments], stdin=end, stdout=end, stderr=end,
        env=environ | surroundings,
    )  # fmt: skip
    os.close(end)
    received = b""
    try:
        while piece := os.read(terminal, 65536):
            received += piece
    except OSError:
        pass  # how a terminal says that nobody is at its other end
    os.close(terminal)
    return program.wait(30), received.decode()


def test_without_a_file_it_is_drawn_in_the_terminals_cells(cluster: str, machine: str) -> None:
    code, text = run_on_terminal(machine, "--kubeconfig", cluster)
    lines = re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()
    assert code == 0
    assert (len(lines), {len(line) for line in lines}) == (22, {79}), "720 by 400 pixels, and two lines for the shell"
    assert "\x1b[" in text
    assert any("\u2800" < character <= "\u28ff" for character in text)


def test_no_color_is_obeyed(cluster: str, machine: str) -> None:
    _, text = run_on_terminal(machine, "--kubeconfig", cluster, NO_COLOR="1")
    assert "\x1b" not in text
    assert any("\u2800" < character <= "\u28ff" for character in text)


def test_a_terminal_that_takes_pictures_gets_it_where_the_configuration_says_so(
    cluster: str, machine: str, tmp_path: Path
) -> None:
    arguments = (machine, "--kubeconfig", cluster)
    _, text = run_on_terminal(*arguments, TERM="xterm-kitty")
    assert "\x1b_G" not in text, "an old Kitty has that name too"
    file = tmp_path / "config.toml"
    file.write_text('[console]\npictures = "kitty"\n')
    _, text = run_on_terminal(*arguments, "--config", str(file), TERM="xterm-kitty")
    assert text.startswith("\x1b_Ga=T,U=1,f=100")
    assert text.count("\U0010eeee") in {columns * 22 for columns in COLUMNS}


def test_sixels_are_drawn_where_the_configuration_says_so_and_the_cursor_ends_below_them(
    cluster: str, machine: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[console]\npictures = "sixel"\n')
    _, text = run_on_terminal(machine, "--kubeconfig", cluster, "--config", str(file))
    found = re.fullmatch(r"(\s+)\x1b\[(\d+)A\x1b7(\x1bP.*\x1b\\)\x1b8\x1b\[(\d+)B", text.replace("\r", ""), re.DOTALL)
    assert found, (text[:200], text[-200:])
    (width, height), pixels = read_sixels(found[3])
    assert len(found[1]) == int(found[2]) == int(found[4]) == height / 20 <= 22
    assert len(pixels) == width * height


def test_noise_is_not_written_to_a_terminal(cluster: str, machine: str) -> None:
    code, text = run_on_terminal(machine, "-o", "-", "--kubeconfig", cluster)
    assert code == 2
    assert "leave out -o to have it drawn" in text
    assert "PNG" not in text


def test_a_terminal_without_these_characters_is_told(cluster: str, machine: str) -> None:
    code, text = run_on_terminal(machine, "--kubeconfig", cluster, PYTHONIOENCODING="latin-1")
    assert code == 1
    assert "has no characters to draw with" in text
