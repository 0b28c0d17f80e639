"""The guest's kernel and its initramfs: Debian's own kernel and programs, nothing of it installed for good.

The kernel comes from Debian's package by `apt-get download`. There are two initramfs, of busybox and the files of the
folder guest/: a large one for terminals, with the programs of PROGRAMS as this machine has them; and a small one for
machines with devices, with the kernel's MODULES and QEMU's guest agent. All is kept in the user's cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import lzma
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

PACKAGE = "linux-image-cloud-amd64"
AGENT = "qemu-guest-agent"
PROGRAMS = ("mc", "top", "vim")
"""What is no part of busybox, or a better one: mc draws with S-Lang, procps' top with ncurses."""
_DATA = ("/etc/mc", "/usr/share/mc", "/usr/lib/locale/C.utf8", "/lib/terminfo/l", "/lib/terminfo/v", "/lib/terminfo/x")
MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_balloon"),
    *("virtio_blk", "failover", "net_failover", "virtio_net", "virtio_console", "button", "evdev", "pvpanic"),
    *("pvpanic-mmio", "scsi_common", "scsi_mod", "virtio_scsi", "cdrom", "sr_mod"),
)
"""In the order in which they need each other. What a kernel has built in is no module of its."""
_FILES = Path(__file__).parent / "guest"
_FOLDERS = ("bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var/log", "var/run")
_PATIENCE = 300.0
_KEPT = 86_400.0
"""Seconds for which an initramfs stays after another one was made."""
PASSWORD = "secret"


class MissingError(Exception):
    """Something that a guest is made of is not to be had here; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Image:
    """What QEMU boots."""

    kernel: Path
    initramfs: Path
    """The one for terminals."""
    small: Path
    """The one for machines with devices."""

    @property
    def version(self) -> str:
        """The kernel's version, as its package names it."""
        return self.kernel.name.removeprefix("vmlinuz-")


def make_image() -> Image:
    """The kernel that Debian has now and what it starts, made unless it is in the cache. Raises MissingError."""
    if platform.machine() != "x86_64":
        raise MissingError(f"the guest is one for x86_64, and this is {platform.machine()}")
    for program in ("qemu-system-x86_64", "apt-get", "dpkg-deb", "cpio", "busybox", *PROGRAMS):
        _found(program)
    folder = platformdirs.user_cache_path("kvtui") / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        kernel = _kernel(folder)
        large = _initramfs(folder, {program: _found(program) for program in PROGRAMS}, _DATA, None)
        devices = _devices_of(kernel)
        return Image(kernel, large, _initramfs(folder, {AGENT: devices / AGENT}, (), devices / "modules"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One maker at a time: the tests run in several processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], folder: Path) -> str:
    """The output of a command that ran in `folder`. Raises MissingError with its last words."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise MissingError(f"{' '.join(command)} did not end within {_PATIENCE:.0f} s") from None
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2]
        raise MissingError(f"{' '.join(command)} failed: {words}")
    return done.stdout


# The kernel


def _kernel(folder: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        try:
            try:
                return _fetch(folder, work, [])
            except MissingError:
                # The machine keeps no lists of packages, or old ones.
                return _fetch(folder, work, _make_lists(work))
        except MissingError:
            # Without a network the one of yesterday will do.
            kept = sorted((k for k in folder.glob("vmlinuz-*") if _devices_of(k).exists()), key=os.path.getmtime)
            if not kept:
                raise
            return kept[-1]


def _fetch(folder: Path, work: Path, options: Sequence[str]) -> Path:
    """The kernel that apt, with these options, says is the newest."""
    found = re.search(r"Depends: (linux-image-\S+)", _run(["apt-cache", *options, "depends", PACKAGE], work))
    if found is None:
        raise MissingError(f"apt knows no package {PACKAGE}")
    kernel = folder / f"vmlinuz-{found[1].removeprefix('linux-image-')}"
    if not kernel.exists() or not _devices_of(kernel).exists():
        _run(["apt-get", *options, "download", found[1], AGENT], work)
        for package in work.glob("*.deb"):
            _run(["dpkg-deb", "-x", package.name, "unpacked"], work)
        _collect_devices(work / "unpacked", work / "devices")
        if not _devices_of(kernel).exists():
            (work / "devices").rename(_devices_of(kernel))
        next(work.glob("unpacked/boot/vmlinuz-*")).rename(kernel)
    return kernel


def _devices_of(kernel: Path) -> Path:
    """The folder with this kernel's MODULES, and the agent of the same Debian."""
    choice = hashlib.sha256(" ".join(MODULES).encode()).hexdigest()[:8]
    return kernel.with_name(f"devices-{choice}-{kernel.name.removeprefix('vmlinuz-')}")


def _collect_devices(unpacked: Path, target: Path) -> None:
    """Gather the agent, and the modules under names that sort as they are to be loaded."""
    (target / "modules").mkdir(parents=True)
    shutil.copy(unpacked / "usr" / "sbin" / "qemu-ga", target / AGENT)
    found = {path.name.partition(".")[0]: path for path in unpacked.rglob("*.ko*")}
    for number, name in enumerate(MODULES):
        if path := found.get(name):
            content = path.read_bytes()
            module = target / "modules" / f"{number:02}-{name}.ko"
            module.write_bytes(lzma.decompress(content) if path.suffix == ".xz" else content)


def _make_lists(work: Path) -> list[str]:
    """Lists of packages for apt, and the options that make it use them. Nobody's right is needed for that."""
    (work / "lists" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache"]
    _run(["apt-get", *options, "--error-on=any", "update"], work)
    return options


# The initramfs


def _initramfs(folder: Path, programs: Mapping[str, Path], data: Sequence[str], modules: Path | None) -> Path:
    recipe = hashlib.sha256()
    files = [
        Path(__file__),
        *_FILES.rglob("*"),
        *(modules.iterdir() if modules else ()),
        _found("busybox"),
        *programs.values(),
    ]
    for path in sorted(files):
        if path.is_file():
            recipe.update(path.name.encode() + path.read_bytes())
    initramfs = folder / f"initramfs-{recipe.hexdigest()[:16]}.cpio"
    if not initramfs.exists():
        with tempfile.TemporaryDirectory(dir=folder) as name:
            root = Path(name) / "root"
            _fill(root, programs, data)
            if modules:
                shutil.copytree(modules, root / "modules")
            _run(["sh", "-c", "find . | cpio -o -H newc -R 0:0 --quiet > ../initramfs"], root)
            (Path(name) / "initramfs").rename(initramfs)
        _drop_old(folder)
    return initramfs


def _drop_old(folder: Path) -> None:
    """Let go of what an older checkout left, but not of what another one may be about to boot."""
    for old in folder.glob("initramfs-*"):
        if time.time() - old.stat().st_mtime > _KEPT:
            old.unlink()


def _fill(root: Path, programs: Mapping[str, Path], data: Sequence[str]) -> None:
    """Put the guest's files under `root`."""
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    _copy(_found("busybox"), root / "bin" / "busybox")
    (root / "init").symlink_to("/bin/busybox")
    for applet in _run(["busybox", "--list-full"], root).split():
        link = root / applet
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to("/bin/busybox")
    for program, path in programs.items():
        _copy(path, root / "usr" / "bin" / program)
        for library in re.findall(r"/\S+", _run(["ldd", str(path)], root)):
            _copy(Path(library), root / library.lstrip("/"))
    for place in data:
        if Path(place).exists():
            shutil.copytree(place, root / place.lstrip("/"), dirs_exist_ok=True)
    shutil.copytree(_FILES, root, dirs_exist_ok=True)
    digest = _run(["busybox", "mkpasswd", "-m", "md5", PASSWORD], root).strip()
    (root / "etc" / "passwd").write_text(f"root:{digest}:0:0:root:/root:/bin/sh\n")


def _found(program: str) -> Path:
    path = shutil.which(program)
    if path is None:
        raise MissingError(f"there is no {program} here; make test installs it on Debian")
    return Path(path).resolve()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy(source, target)
