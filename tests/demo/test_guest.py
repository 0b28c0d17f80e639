"""The simulated guest, driven by bytes and judged by the screen that a terminal shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvtui.demo.guest import Guest
from kvtui.demo.guests.syntax import ShellSyntaxError, parse
from kvtui.demo.guests.tty import KeyReader, clip, width
from tests.demo.guest_terminal import Terminal, make_guest

UP = b"\x1b[A"


@pytest.fixture
def terminal() -> Terminal:
    """A terminal with root logged in."""
    terminal = Terminal(make_guest())
    terminal.type("\rroot\rsecret\r")
    assert terminal.current == "[root@db-2 ~]#"
    return terminal


def test_boot_log_comes_in_its_time_and_reaches_the_login() -> None:
    terminal = Terminal(make_guest(booted_ago=None))
    assert terminal.raw == b""
    terminal.guest.advance(0.2)
    assert "SeaBIOS" in terminal.text
    assert "GRUB" not in terminal.text
    terminal.guest.advance(2.5)
    assert "[    0.000000] Linux version 6.11.4" in "\n".join(terminal.guest.log.lines())
    assert terminal.power() == "booting"
    terminal.guest.advance(20)
    assert terminal.power() == "running"
    assert "[  OK  ] Reached target multi-user.target" in terminal.text
    assert terminal.current == "db-2 login:"
    assert b"\x1b[0;32m  OK  " in terminal.raw


def test_boot_is_the_same_in_small_steps_and_in_one() -> None:
    slow, quick = Terminal(make_guest(booted_ago=None)), Terminal(make_guest(booted_ago=None))
    for _ in range(300):
        slow.guest.advance(0.05)
    quick.guest.advance(15)
    assert slow.raw == quick.raw


def test_kernel_stamps_never_go_back() -> None:
    stamps = [line[1:13] for line in make_guest().log.lines() if line.startswith("[ ") and "OK" not in line]
    assert len(stamps) > 40
    assert stamps == sorted(stamps)


def test_a_long_running_guest_says_nothing_until_asked() -> None:
    guest = make_guest(booted_ago=90 * 86400.0)
    terminal = Terminal(guest)
    guest.advance(5)
    assert terminal.raw == b""
    assert guest.log.lines()[-1] == "db-2 login: "
    terminal.type("\r")
    assert terminal.current == "db-2 login:"
    terminal.type("root\rx\r")
    assert "up 90 days" in terminal.run("uptime")


def test_output_while_nobody_is_attached_is_lost_but_logged(terminal: Terminal) -> None:
    terminal.guest.detach()
    before = terminal.raw
    terminal.type("echo unseen\r")
    assert terminal.raw == before
    assert terminal.guest.log.lines()[-2].endswith("unseen")


def test_windows_is_silent_after_the_firmware() -> None:
    terminal = Terminal(make_guest(os_name="Microsoft Windows Server", booted_ago=None))
    terminal.guest.advance(60)
    said = terminal.raw
    assert b"SeaBIOS" in said
    terminal.type("\r\rhello\r", 60)
    assert terminal.raw == said


def test_login_hides_the_password_and_wants_one() -> None:
    terminal = Terminal(make_guest())
    terminal.type("\rroot\r")
    assert terminal.current == "Password:"
    terminal.type("\r")
    assert "Login incorrect" in terminal.text
    terminal.type("root\rhunter2\r")
    assert "hunter2" not in terminal.text
    assert b"hunter2" not in terminal.raw
    assert terminal.current == "[root@db-2 ~]#"


def test_unknown_user_is_refused_and_the_image_user_is_not_root() -> None:
    terminal = Terminal(make_guest())
    terminal.type("\rmallory\rx\r")
    assert "Login incorrect" in terminal.text
    terminal.type("fedora\rx\r")
    assert terminal.current == "[fedora@db-2 ~]$"
    assert "Permission denied" in terminal.run("cat /var/log/messages")
    assert "Permission denied" in terminal.run("echo x > /etc/hostname")


def test_login_times_out_waiting_for_the_password() -> None:
    terminal = Terminal(make_guest())
    terminal.type("\rroot\r", 61)
    assert "Login timed out after 60 seconds." in terminal.text
    assert terminal.current == "db-2 login:"


def test_ls_shows_directories_in_blue(terminal: Terminal) -> None:
    output = terminal.run("ls /")
    assert {"etc", "home", "var"} <= set(output.split())
    row = next(number for number, line in enumerate(terminal.lines) if "etc" in line)
    column = terminal.lines[row].index("etc")
    assert terminal.screen.buffer[row][column].fg == "blue"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pwd", "/root"),
        ("cd /etc && pwd", "/etc"),
        ("uname -r", "6.11.4-301.fc41.x86_64"),
        ("hostname", "db-2"),
        ("nproc", "4"),
        ("stty size", "24 80"),
        ("tput cols", "80"),
        ("cat /etc/os-release", "ID=fedora"),
        ("grep inet < /dev/none", "No such file or directory"),
        ("ip a", "10.244.3.17/24"),
        ("date", "UTC 2026"),
        ("free -h", "3.9Gi"),
        ("df -h", "/dev/vda2"),
        ("ps aux | head -4", "[kthreadd]"),
        ("dmesg | tail -3", "systemd[1]: Detected architecture x86-64."),
        ("journalctl -n 3", "systemd[1]:"),
        ("systemctl status sshd", "● sshd.service - OpenSSH server daemon"),
        ("systemctl status sshd", "└─791"),
        ("systemctl list-units", "NetworkManager.service"),
        ("systemctl stop sshd; systemctl is-active sshd", "inactive"),
        ("frobnicate", "-bash: frobnicate: command not found"),
        ("false || echo $?", "1"),
        ("echo 'a;b' \"$USER\" > f; cat f", "a;b root"),
        ("echo one > f; echo two >> f; wc -l f", "2 f"),
        ("ls /etc/host* | wc -l", "2"),
        ("echo 'open", "unexpected EOF"),
        ("| x", "syntax error near unexpected token `|'"),
        ("yes | head", "its output goes to the terminal only"),
        ("mkdir -p a/b; touch a/b/c; ls a/b", "c"),
        ("rm /etc/hostname; cat /etc/hostname", "No such file or directory"),
        ("printf '%s-%s\\n' a b", "a-b"),
        ("utf8", "│ Chinese    │ 虚"),
        ("sudo whoami", "root"),
    ],
)
def test_commands(terminal: Terminal, command: str, expected: str) -> None:
    assert expected in terminal.run(command)
    assert terminal.current.endswith("]#")


def test_colours_and_line_drawing_are_sent(terminal: Terminal) -> None:
    terminal.run("colors; boxes; acstest")
    assert b"\x1b[48;5;16m" in terminal.raw
    assert b"\x1b[48;2;0;255;128m" in terminal.raw
    assert b"\x1b(0lqqq" in terminal.raw
    assert b"\x1b)0\x0e" in terminal.raw


def test_vi_edits_and_saves_what_cat_shows(terminal: Terminal) -> None:
    terminal.run("echo before")
    before = terminal.text
    terminal.type("vi a.txt\r")
    assert terminal.lines[2] == "~"
    assert '"a.txt" [New]' in terminal.lines[-1]
    assert b"\x1b[?1049h\x1b[?1h" in terminal.raw
    terminal.type("ione\rtwo\rthree")
    assert terminal.lines[:3] == ["one", "two", "three"]
    assert terminal.lines[-1].startswith("-- INSERT --")
    terminal.type("\x1b")
    terminal.type("ggjddAX\x1b:w\r")
    assert terminal.lines[:3] == ["one", "threeX", "~"]
    assert '"a.txt" 2L, 11B written' in terminal.lines[-1]
    terminal.type(":q\r")
    assert terminal.text.startswith(before)
    assert terminal.run("cat a.txt").splitlines()[:2] == ["one", "threeX"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("x", "lpha beta\ngamma\n"),
        ("3x", "ha beta\ngamma\n"),
        ("dw", "beta\ngamma\n"),
        ("wiX\x1b", "alpha Xbeta\ngamma\n"),
        ("$aX\x1b", "alpha betaX\ngamma\n"),
        ("oX\x1b", "alpha beta\nX\ngamma\n"),
        ("\x1b[BOX\x1b", "alpha beta\nX\ngamma\n"),
        ("yyP", "alpha beta\nalpha beta\ngamma\n"),
        ("ddp", "gamma\nalpha beta\n"),
        ("ddu", "alpha beta\ngamma\n"),
        ("J", "alpha beta gamma\n"),
        ("/mm\rx", "alpha beta\ngama\n"),
        ("Gx", "alpha beta\namma\n"),
        ("jA\x7f\x7f\x1b", "alpha beta\ngam\n"),
        ("ji\x7f-\x1b", "alpha beta-gamma\n"),
        ("\x1bOCx", "apha beta\ngamma\n"),
    ],
)
def test_vi_commands(terminal: Terminal, keys: str, expected: str) -> None:
    terminal.type("printf 'alpha beta\\ngamma\\n' > f; vi f\r")
    terminal.type(keys)
    terminal.type(":wq\r")
    assert terminal.run("cat f").startswith(expected)


def test_vi_does_not_lose_changes_silently(terminal: Terminal) -> None:
    terminal.type("vi a.txt\rihello\x1b:q\r")
    assert "E37" in terminal.lines[-1]
    terminal.type(":q!\r")
    assert "No such file" in terminal.run("cat a.txt")


def test_top_refreshes_every_three_seconds_and_quits(terminal: Terminal) -> None:
    terminal.type("top\r")
    first = terminal.text
    assert terminal.lines[0].startswith("top - ")
    assert terminal.screen.buffer[6][0].reverse
    assert terminal.cursor_hidden()
    terminal.guest.advance(1)
    assert terminal.text == first
    terminal.guest.advance(2)
    assert terminal.lines[0] != first.splitlines()[0]
    terminal.type("q")
    assert not terminal.cursor_hidden()
    assert terminal.current == "[root@db-2 ~]#"
    assert b"\x1b[?1l" in terminal.raw


@pytest.mark.parametrize("program", ["htop", "less /etc/passwd", "vi /etc/passwd"])
def test_full_screen_programs_restore_the_screen(terminal: Terminal, program: str) -> None:
    terminal.run("echo kept")
    terminal.type(f"{program}\r")
    assert "kept" not in terminal.text
    terminal.type(":q\r" if program.startswith("vi") else "q")
    assert terminal.lines[1:3] == ["kept", f"[root@db-2 ~]# {program}"]
    assert terminal.current == "[root@db-2 ~]#"


def test_less_pages_searches_and_ends(terminal: Terminal) -> None:
    terminal.type("dmesg | less\r")
    assert "Linux version" in terminal.lines[0]
    assert terminal.lines[-1] == ":"
    terminal.type(" ")
    assert "Linux version" not in terminal.lines[0]
    terminal.type("b")
    assert "Linux version" in terminal.lines[0]
    terminal.type("/Zone ranges\r")
    assert "Zone ranges" in terminal.lines[0]
    terminal.type("G")
    assert terminal.lines[-1] == "(END)"


def test_interrupt_ends_programs_and_drops_the_line(terminal: Terminal) -> None:
    terminal.type("sleep 100\r", 5)
    terminal.type("\x03")
    assert "^C" in terminal.text
    terminal.type("half a line\x03")
    assert "130" in terminal.run("echo $?")


def test_what_is_typed_during_a_command_is_read_after_it(terminal: Terminal) -> None:
    terminal.type("sleep 2\recho ear", 1)
    terminal.type("ly\r", 1.5)
    assert "early" in terminal.lines


def test_flood_prints_what_was_asked_and_can_be_stopped(terminal: Terminal) -> None:
    terminal.raw = b""
    terminal.guest.receive(b"flood 0.5\r")
    for _ in range(10):
        terminal.guest.advance(0.1)
    assert 0.5 <= len(terminal.raw) / (1 << 20) < 0.52
    assert terminal.current == "[root@db-2 ~]#"
    terminal.guest.receive(b"yes\r")
    terminal.guest.advance(0.01)
    terminal.type("\x03", 0)
    said = len(terminal.raw)
    terminal.guest.advance(1)
    assert len(terminal.raw) == said
    assert len(terminal.guest.log.lines()) <= 2001


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("echp\x7fo a", "echo a"),
        ("echo ab\x08c", "echo ac"),
        ("junk\x15echo a", "echo a"),
        ("echo wrong\x17a", "echo a"),
        ("cho a\x01e\x05b", "echo ab"),
        ("echo ac\x1b[Db", "echo abc"),
        ("echo a b c\x1bb\x1bb\x0b", "echo a "),
        ("echo x\x1b[D\x1b[3~a", "echo a"),
        ("echo ü日\x7f本", "echo ü本"),
        ("ec\t\x7f\x7f\x7fhos", "echos"),
        ("cat /etc/hostn\t", "cat /etc/hostname"),
        ("\x1b[200~echo paste\x1b[201~", "echo paste"),
    ],
)
def test_line_editing(terminal: Terminal, keys: str, expected: str) -> None:
    terminal.type(keys)
    assert terminal.current == f"[root@db-2 ~]# {expected}".rstrip()


def test_a_long_paste_is_shown_once_and_run_whole(terminal: Terminal) -> None:
    script = "".join(f"echo {number:03} {'x' * 60}\r" for number in range(300))
    terminal.type(f"\x1b[200~{script}\x1b[201~")
    assert terminal.current == ""
    terminal.type("\r")
    assert [line[:7] for line in terminal.lines[-3:]] == ["298 xxx", "299 xxx", "[root@d"]


def test_a_line_longer_than_the_screen_wraps_and_unwraps(terminal: Terminal) -> None:
    terminal.type("\x0c" + "echo " + "x" * 100)
    assert terminal.lines[1] == "x" * (15 + 5 + 100 - 80)
    terminal.type("\x7f" * 60)
    assert terminal.lines[:2] == ["[root@db-2 ~]# echo " + "x" * 40, ""]
    terminal.type("y" * 20)
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (1, 0)


def test_tab_lists_several_candidates(terminal: Terminal) -> None:
    terminal.type("\x0cls /etc/host\t\t")
    assert terminal.lines[:3] == ["[root@db-2 ~]# ls /etc/host", "hostname  hosts", "[root@db-2 ~]# ls /etc/host"]


def test_history_is_recalled(terminal: Terminal) -> None:
    terminal.run("echo one")
    terminal.run("echo two")
    terminal.type(b"half" + UP + UP)
    assert terminal.current == "[root@db-2 ~]# echo one"
    terminal.type("\x1b[B\x1b[B")
    assert terminal.current == "[root@db-2 ~]# half"
    terminal.type("\x15")
    assert "    1  echo one" in terminal.run("history")


def test_stty_changes_the_size_top_draws_in(terminal: Terminal) -> None:
    terminal.type("stty rows 12 cols 60\rtop\r")
    assert (terminal.guest.rows, terminal.guest.cols) == (12, 60)
    assert all(not line for line in terminal.lines[12:])
    assert all(len(line) <= 60 for line in terminal.lines)
    terminal.type("q")
    assert "invalid integer argument: '0'" in terminal.run("stty rows 0")


def test_resize_asks_the_terminal(terminal: Terminal) -> None:
    terminal.type("resize\r")
    assert terminal.raw.endswith(b"\x1b[6n")
    terminal.type("\x1b[30;", 0)
    terminal.type("100R")
    assert (terminal.guest.rows, terminal.guest.cols) == (30, 100)
    terminal.type("resize\r", 6)
    assert "resize: Time out occurred" in terminal.text


def test_only_resize_sends_queries() -> None:
    terminal = Terminal(make_guest(booted_ago=None))
    terminal.guest.advance(30)
    terminal.type("root\rx\rls\rtop\rqvi x\r:q\rhtop\rqutf8\rcolors\r")
    assert b"\x1b[6n" not in terminal.raw
    assert b"\x1b[c" not in terminal.raw


@pytest.mark.parametrize("command", ["reboot", "systemctl reboot", "shutdown -r now"])
def test_reboot_goes_down_and_boots_again(terminal: Terminal, command: str) -> None:
    terminal.type("echo kept > note\r")
    terminal.type(f"{command}\r", 3)
    assert "Restarting system" in "\n".join(terminal.guest.log.lines())
    terminal.guest.advance(20)
    assert terminal.current == "db-2 login:"
    terminal.type("root\rx\r")
    assert "kept" in terminal.run("cat note")
    assert "up 0 min" in terminal.run("uptime")


def test_power_off_is_silent_until_switched_on(terminal: Terminal) -> None:
    terminal.type("poweroff\r", 30)
    assert terminal.power() == "off"
    assert "reboot: Power down" in terminal.text
    said = terminal.raw
    terminal.type("hello\r", 30)
    assert terminal.raw == said
    terminal.guest.reboot()
    terminal.guest.advance(30)
    assert terminal.current == "db-2 login:"


def test_the_power_button_shuts_down_in_order() -> None:
    terminal = Terminal(make_guest())
    terminal.guest.shut_down()
    assert terminal.power() == "stopping"
    terminal.guest.advance(10)
    assert terminal.power() == "off"
    assert "Stopped target multi-user.target" in terminal.text


def test_exit_and_end_of_file_lead_back_to_the_login(terminal: Terminal) -> None:
    terminal.type("exit\r")
    assert terminal.current == "db-2 login:"
    terminal.type("root\rx\r\x04")
    assert terminal.current == "db-2 login:"


def test_cat_says_again_what_is_typed(terminal: Terminal) -> None:
    terminal.type("\x0ccat\rwroth\x7fng\x15hello\r")
    assert terminal.lines[1:3] == ["hello", "hello"]
    terminal.type("\x04")
    assert terminal.current == "[root@db-2 ~]#"


def test_a_full_disk_is_said(terminal: Terminal) -> None:
    terminal.type("dmesg > a\r")
    for _ in range(12):
        terminal.type("cat a a > b; cp b a\r")
    assert "No space left on device" in terminal.run("cat a a > b")


def test_failed_services_are_shown() -> None:
    broken = next(
        guest for guest in (make_guest(seed=seed, booted_ago=None) for seed in range(100)) if _has_failed_unit(guest)
    )
    terminal = Terminal(broken)
    terminal.type("root\rx\r")
    assert "Failed Units: 1" in terminal.text
    assert "failed" in terminal.run("systemctl --failed")


def test_what_a_machine_is_for_runs_whatever_else_has_failed() -> None:
    for seed in range(100):
        guest = make_guest(seed=seed, hostname="web-1", booted_ago=None)
        guest.advance(30)
        assert guest.is_listening(80)


def _has_failed_unit(guest: Guest) -> bool:
    guest.advance(30)
    return any("FAILED" in line for line in guest.log.lines())


WORDS = st.sampled_from([
    b"\r", b"\x1b", b"\x1b[A", b"\x1b[", b"\x03", b"\x04", b"\t", b"root\rx\r", b"top\r", b"htop\r", b"q", b"vi f\r",
    b"i", b":wq\r", b"dd", b"p", b"less /etc/passwd\r", b"/", b"ls -l\r", b"stty rows 1 cols 1\r", b"echo $? > f\r",
    b"cat\r", b"resize\r", b"\x1b[9;9R", b"reboot\r", b"flood 0.01\r", b"sleep 1\r", b"rm -r /\r", b"cd /\r",
    b"journalctl\r", b"journalctl -f\r", b"systemctl status\r", b"utf8|less\r", b"date +%\r", b"\x1b[200~",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(WORDS, st.binary(max_size=20), st.text(max_size=10).map(str.encode)), max_size=40))
def test_no_bytes_ever_raise(chunks: list[bytes]) -> None:
    guest = make_guest()
    guest.attach(lambda data: None)
    guest.receive(b"\rroot\rx\r")
    for chunk in chunks:
        guest.receive(chunk)
        guest.advance(0.7)


@given(st.text(alphabet="ab \"'\\$|&;<>2#*\n(", max_size=20))
def test_any_line_parses_or_is_a_syntax_error(line: str) -> None:
    try:
        steps = parse(line)
    except ShellSyntaxError:
        return
    assert all(simple.words or simple.redirects for step in steps for simple in step.pipeline)


@given(st.lists(st.sampled_from(["a", "ü", "日", "\x1b[A", "\x1bOB", "\x1b[1;5C", "\x7f", "\x1bb"])), st.data())
def test_keys_do_not_depend_on_how_the_bytes_arrive(keys: list[str], data: st.DataObject) -> None:
    sent = "".join(keys).encode()
    cut = data.draw(st.integers(0, len(sent)))
    reader = KeyReader()
    assert reader.feed(sent[:cut]) + reader.feed(sent[cut:]) == keys


@given(st.text(), st.integers(0, 30))
def test_clip_never_exceeds_the_columns(text: str, columns: int) -> None:
    assert text.startswith(clip(text, columns))
    assert sum(width(char) for char in clip(text, columns)) <= columns
