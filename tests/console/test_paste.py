"""Pastes on the way to a guest: what is sent, and at which pace it arrives whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvtui.console.paste import LINE_LIMIT, Paste

BAUD_115200 = 11_520
"""Bytes a second of a serial line with 8 data bits, no parity and 1 stop bit."""


class Uart:
    """A guest's serial port without flow control: it holds 16 bytes, and drops what finds no room."""

    FIFO = 16

    def __init__(self, rate: float = BAUD_115200) -> None:
        self.received = b""
        self.dropped = 0
        self._rate = rate
        self._held = b""
        self._credit = 0.0

    def send(self, data: bytes) -> None:
        """Bytes arrive at once, as they do over a network."""
        room = self.FIFO - len(self._held)
        self._held += data[:room]
        self.dropped += max(0, len(data) - room)

    def run(self, seconds: float) -> None:
        """The guest fetches what it can in that time."""
        self._credit = min(self._credit + seconds * self._rate, float(self.FIFO))
        count = min(int(self._credit + 1e-9), len(self._held))
        self.received += self._held[:count]
        self._held = self._held[count:]
        self._credit = self._credit - count if self._held else 0.0


def script(lines: int = 300) -> str:
    """A script with lines of up to 200 columns: about 20 kB."""
    return "".join(f"echo {number:03} {'x' * (200 if number % 20 == 0 else 58)}\n" for number in range(lines))


def deliver(paste: Paste, uart: Uart) -> float:
    """Send a paste piece by piece, each followed by its pause; the seconds that it took."""
    seconds = 0.0
    while paste.left:
        data, pause = paste.take()
        uart.send(data)
        uart.run(pause)
        seconds += pause
    uart.run(1.0)
    return seconds


def whole(paste: Paste) -> bytes:
    sent = b""
    while paste.left:
        sent += paste.take()[0]
    return sent


def test_300_lines_arrive_whole_at_115200_baud() -> None:
    text, uart = script(), Uart()
    assert 20_000 < len(text) < 25_000
    seconds = deliver(Paste(text), uart)
    assert (uart.dropped, uart.received) == (0, text.replace("\n", "\r").encode())
    assert 2.0 < seconds < 3.5


def test_the_uart_of_these_tests_does_drop_what_comes_too_fast() -> None:
    """A kilobyte each 50 ms loses most of it for the buffer; as much in small pieces, a good part for the baud rate."""
    uart, data = Uart(), script().encode()
    for start in range(0, len(data), 1024):
        uart.send(data[start : start + 1024])
        uart.run(0.05)
    assert uart.dropped > len(data) // 2
    uart = Uart()
    deliver(Paste(script(), pace=20_000), uart)
    assert uart.dropped > len(data) // 3


@pytest.mark.parametrize(("baud_rate", "pace"), [(1152, 1000), (3840, 3800), (BAUD_115200, 11_000)])
def test_a_slower_line_takes_a_slower_pace(baud_rate: int, pace: int) -> None:
    text, uart = script(40), Uart(baud_rate)
    deliver(Paste(text, pace=pace), uart)
    assert (uart.dropped, uart.received) == (0, text.replace("\n", "\r").encode())


def test_a_stream_with_flow_control_is_not_slowed_down() -> None:
    paste = Paste("x" * 2500, pace=None)
    assert paste.seconds == 0
    assert [len(paste.take()[0]) for _ in range(3)] == [1024, 1024, 452]


def test_lines_end_as_with_enter() -> None:
    assert whole(Paste("one\ntwo\r\nthree\r")) == b"one\rtwo\rthree\r"


def test_a_paste_cannot_leave_its_brackets_nor_press_control_keys() -> None:
    paste = Paste("a\x1b[201~\x03b\tc\x9b", bracketed=True)
    assert whole(paste) == b"\x1b[200~a[201~b\tc\x1b[201~"


@given(st.text(), st.booleans())
def test_a_paste_sends_no_controls_but_its_brackets(text: str, bracketed: bool) -> None:
    sent = whole(Paste(text, bracketed=bracketed))
    if bracketed:
        assert sent.startswith(b"\x1b[200~")
        assert sent.endswith(b"\x1b[201~")
        sent = sent[6:-6]
    assert not set(sent.decode()) & {chr(code) for code in (*range(9), 0x0A, 0x1B, 0x7F, 0x9B)}


@given(st.text(max_size=200), st.integers(0, 20))
def test_stopping_leaves_no_half_of_a_bracket(text: str, pieces: int) -> None:
    paste, sent = Paste(text, bracketed=True), b""
    for _ in range(pieces):
        sent += paste.take()[0]
    paste.stop()
    sent += whole(paste)
    assert sent == b"" or (sent.startswith(b"\x1b[200~") and sent.endswith(b"\x1b[201~"))
    assert sent.count(b"\x1b") in (0, 2)


@given(st.text(max_size=300))
def test_a_piece_holds_the_whole_of_an_escape_sequence(text: str) -> None:
    paste = Paste(text, bracketed=True)
    pieces = []
    while paste.left:
        pieces.append(paste.take()[0])
    assert pieces[0].startswith(b"\x1b[200~")
    assert pieces[-1] == b"\x1b[201~"


def test_stopping_without_brackets_sends_nothing_more() -> None:
    paste = Paste("x" * 100)
    paste.take()
    paste.stop()
    assert (paste.left, paste.percent) == (0, 100)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("ls", ["ls"]),
        ("ls\n", ["ls"]),
        ("ls\r\n", ["ls"]),
        ("a\nb", ["a", "b"]),
        ("a\nb\n", ["a", "b"]),
        ("\n\n", ["", ""]),
    ],
)
def test_the_lines_of_a_paste(text: str, lines: list[str]) -> None:
    assert Paste(text).lines == lines


def test_what_a_guest_would_cut_or_complete_is_known() -> None:
    assert Paste("x" * LINE_LIMIT + "\n" + "x" * (LINE_LIMIT + 1)).too_long == 1
    assert Paste("if true\n\tthen\n").has_tabs
    assert not Paste("ls\n").has_tabs


def test_progress_is_told_in_percent() -> None:
    paste = Paste("x" * 160)
    assert paste.percent == 0
    paste.take()
    assert paste.percent == 10
