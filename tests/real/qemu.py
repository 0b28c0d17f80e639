"""A QEMU process as the guest of a demo cluster's machine: its serial port is what the console subresource serves."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable

from kvtui.demo.guest import State
from kvtui.demo.seriallog import SerialLog
from tests.real.image import Image

_CHUNK = 65_536


class QemuGuest:
    """Boots when it is made, in the running loop; implements the demo cluster's SerialGuest.

    The other end of the serial port is connected before QEMU runs, so not even the firmware's first byte is lost.
    """

    def __init__(self, image: Image) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                _command(image, theirs.fileno()),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ours, self._read)
        self._typed = bytearray()
        self._log = SerialLog()
        self._send: Callable[[bytes], None] | None = None

    @property
    def state(self) -> State:
        """QEMU ends when its guest powers off."""
        return "running" if self._process.poll() is None else "off"

    def attach(self, send: Callable[[bytes], None]) -> None:
        """Let output go to `send` from now on."""
        self._send = send

    def detach(self) -> None:
        """Let output go to the log alone."""
        self._send = None

    @property
    def log(self) -> SerialLog:
        """What it said on its serial line, attached or not."""
        return self._log

    def receive(self, data: bytes) -> None:
        """Bytes typed by the user; they wait until the port has room for them."""
        if not self._typed:
            self._loop.add_writer(self._ours, self._write)
        self._typed += data

    def advance(self, seconds: float) -> None:
        """Virtual time is nothing to a real guest."""

    def reboot(self) -> None:
        """Push the reset button."""
        self._command("system_reset")

    def shut_down(self) -> None:
        """Push the power button, which this guest does not heed: it has no ACPI daemon."""
        self._command("system_powerdown")

    def power_off(self) -> None:
        """Pull the plug, and wait for the end of QEMU. A second call does nothing."""
        self._process.kill()
        self._process.communicate()
        self._hang_up()

    def _command(self, command: str) -> None:
        """Say something to QEMU's monitor."""
        if self._process.stdin is not None and self.state == "running":
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()

    def _read(self) -> None:
        try:
            data = self._ours.recv(_CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            self._hang_up()
            return
        self._log.write(data)
        if self._send is not None:
            self._send(data)

    def _write(self) -> None:
        try:
            del self._typed[: self._ours.send(self._typed)]
        except BlockingIOError:
            return
        except ConnectionError:
            self._hang_up()
        if not self._typed:
            self._loop.remove_writer(self._ours)

    def _hang_up(self) -> None:
        if self._ours.fileno() >= 0:
            self._typed.clear()
            self._loop.remove_reader(self._ours)
            self._loop.remove_writer(self._ours)
            self._ours.close()


# On a busy machine the kernel would find QEMU's timer too late, and panic.
_KERNEL = "console=ttyS0 no_timer_check"


def _command(image: Image, serial: int) -> list[str]:
    """QEMU without hardware acceleration; `graphics=off` makes the firmware speak on the serial port, too."""
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg", "-machine", "pc,graphics=off", "-m", "256", "-display", "none"),
        *("-no-user-config", "-nodefaults", "-monitor", "stdio"),
        *("-chardev", f"socket,id=serial,fd={serial}", "-serial", "chardev:serial"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initramfs), "-append", _KERNEL),
    ]
