"""A real guest through kvtui's own session: from the firmware's first byte to the power that goes off."""

from __future__ import annotations

import hashlib
import re

import pytest

from kvtui.console.state import State
from tests.real.conftest import Site
from tests.real.image import Image
from tests.real.operator import Capture, Operator

PROMPT = r"guest:~#\s*\Z"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


async def test_who_waits_for_the_start_sees_the_boot_from_the_first_byte(boot: Capture, image: Image) -> None:
    assert boot.data.startswith(b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version "), boot.data[:80]
    kernel = re.findall(r"\[ +\d+\.\d+\] (.*)\r\n", boot.data.decode())
    assert kernel[0].startswith(f"Linux version {image.version} ")
    assert kernel.count("Run /init as init process") == 1
    assert len(kernel) > 200


async def test_boot_log_is_what_came_over_the_line_and_takes_it_from_nobody(
    site: Site, boot: Capture, shell: Operator
) -> None:
    log = await site.backend.open_boot_log(site.ref)
    seen = b""
    while b"Run /init" not in seen:
        seen += await log.read()
    await log.close()
    whole_lines = seen[: seen.rindex(b"\r\n")]
    assert whole_lines == boot.data[: len(whole_lines)]
    assert await shell.run("echo still here") == "still here\n"


async def test_megabyte_of_output_arrives_whole(shell: Operator) -> None:
    await shell.run("seq 1 165000 > numbers")
    output = await shell.run("cat numbers", 60)
    assert output == "".join(f"{number}\n" for number in range(1, 165_001))
    assert len(output) > 1_000_000
    emulator = shell.session.emulator
    newest = ["".join(run.text for run in emulator.row(y)) for y in range(-3, 0)]
    end = [int(line) for line in newest]
    assert end == [*range(end[0], end[0] + 3)]
    assert f"{end[-1] + 1}\n" in shell.screen


async def test_pasted_lines_arrive_whole(shell: Operator) -> None:
    text = "".join(f"{number:03} # a line of a configuration = {'x' * (number % 50)} 日本 é\n" for number in range(300))
    shell.type("cat > pasted\r")
    await shell.wait_for(r"cat > pasted\n\Z")
    assert shell.session.paste(text)
    await shell.wait_for("(?m)^299 # a line", 60)
    shell.type("\x04")
    await shell.wait_until(lambda: shell.is_prompted, "the end of cat")
    assert await shell.run("wc -l < pasted") == "300\n"
    assert (await shell.run("md5sum < pasted")).split()[0] == hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize(("columns", "lines"), [(132, 43), (40, 10), (80, 24)])
async def test_vi_fills_a_screen_whose_size_the_guest_was_told(columns: int, lines: int, shell: Operator) -> None:
    shell.session.resize(columns, lines)
    await shell.tell_size()
    assert await shell.run("stty size") == f"{lines} {columns}\n"
    await shell.run(f"echo {'x' * columns}y > wide")
    await shell.ask("vi wide\r", "(?m)^- wide 1/1")
    rows = shell.session.emulator.text()
    assert rows[0] == "x" * columns
    assert rows[1:-1] == ["~"] * (lines - 2)
    assert rows[-1].startswith("- wide 1/1")
    await shell.ask(":q\r", PROMPT)


async def test_file_edited_with_vi_holds_what_was_typed(shell: Operator) -> None:
    await shell.run("rm -f letter")
    await shell.ask("vi letter\r", "(?m)^- letter")
    await shell.ask("iDear guest,\rhow are you?", "you[?]")
    await shell.ask("<escape>", "(?m)^- letter")
    await shell.ask("<up>")
    await shell.ask("<home>")
    await shell.ask("xid", "dear")
    await shell.ask("<escape>", "(?m)^- letter")
    await shell.ask(":wq\r", PROMPT)
    assert await shell.run("cat letter") == "dear guest,\nhow are you?\n"


async def test_top_shows_itself_again_and_again_until_q(shell: Operator) -> None:
    await shell.ask("top -d 1\r", r"\d+ +\d+ root +R .* top -d 1")
    drawn = shell.session.received
    await shell.wait_until(lambda: shell.session.received > drawn + 2000, "another picture")
    await shell.wait_for(r"CPU: +\d+% usr")
    begin = shell.session.received
    assert begin > drawn
    await shell.ask("q", PROMPT)


async def test_interrupt_ends_a_command(shell: Operator) -> None:
    # Before it has begun the shell would take the interrupt for itself.
    shell.type("sh -c 'echo sleeping; exec sleep 1000'\r")
    await shell.wait_for(r"\nsleeping\n\Z")
    shell.type("\x03")
    await shell.wait_until(lambda: shell.is_prompted, "the prompt")
    assert await shell.run("echo $?") == "130\n"


async def test_panic_can_be_read_after_the_guest_has_rebooted_by_itself(shell: Operator, site: Site) -> None:
    await shell.run("dmesg -n 8; echo 1 > /proc/sys/kernel/panic")
    shell.type("echo c > /proc/sysrq-trigger\r")
    await shell.wait_for("SeaBIOS", 40)
    await shell.log_in()
    assert shell.session.state is State.LIVE
    assert len(site.guests) == 1, "the line is one of the same process"
    emulator = shell.session.emulator
    history = ["".join(run.text for run in emulator.row(y)) for y in range(-emulator.scrollback_size, 0)]
    panics = [y for y, line in enumerate(history) if "Kernel panic - not syncing: sysrq triggered crash" in line]
    boots = [y for y, line in enumerate(history) if "Linux version" in line]
    assert len(panics) == 1
    assert max(boots) > panics[0]
    assert any("Call Trace:" in line for line in history[panics[0] : max(boots)])


async def test_poweroff_ends_the_session_and_the_machine(shell: Operator, site: Site) -> None:
    shell.type("poweroff\r")
    await shell.wait_until(lambda: not shell.session.is_connected, "the end of the line")
    assert site.guests[-1].state == "off"
    assert "Power down" in shell.screen
