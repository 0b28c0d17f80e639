"""``kvtui upload``: an image of this machine into a disk of a cluster, until it can be used; or to a host."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from kvtui.actions.items import State
from kvtui.backends.objects import Rehearser
from kvtui.cli.codes import OK, UNSEEN
from kvtui.cli.confirming import confirm_where_careful
from kvtui.cli.connecting import make_fleet, read_settings
from kvtui.cli.machine import own_namespace
from kvtui.cli.signals import Ending
from kvtui.cli.transfers import Outcome
from kvtui.errors import ConfigError
from kvtui.model import Platform, Ref
from kvtui.records.cdi import DataVolume, Upload
from kvtui.text import age, clean_line, fit, quantity, size

if TYPE_CHECKING:
    from kvtui.backends.base import Backend
    from kvtui.backends.uploads import ImageUpload
    from kvtui.config import Settings

_BAR = 20
_LINE_EVERY = 10.0
"""Seconds between two lines of progress where no terminal shows them in one."""


def upload(options: Namespace) -> int:
    """Send the image; the exit code."""
    outcome = Outcome(options, "pool.upload" if options.host else "datavolume.upload")
    with outcome.telling():
        settings = read_settings(options)
        if options.host:
            return asyncio.run(_upload_to_host(options, settings, outcome))
        return asyncio.run(_upload(options, settings, outcome))


async def _upload(options: Namespace, settings: Settings, outcome: Outcome) -> int:
    from kvtui.backends.uploads import Uploads
    from kvtui.resources.base import able

    if len(options.context) > 1 or options.all_namespaces:
        raise ConfigError("an image goes to one namespace of one cluster", hint="give one --context, and -n NAMESPACE")
    options.namespace = options.namespace or own_namespace(options, settings)
    fleet = make_fleet(options, settings)
    backend = next(one for one in fleet.backends.values() if one.info.platform is Platform.KUBERNETES)
    shown, ending = _Shown(), Ending()
    try:
        await fleet.prepare()
        wanted = _wanted(options, backend.name, shown, outcome)
        await _check_class(backend, options)
        title = f"upload {options.file.name} to {wanted.ref.path}?"
        await confirm_where_careful(fleet, wanted.ref, options, title, outcome.note)
        meant = backend.rehearse() if options.dry_run and isinstance(backend, Rehearser) else backend
        outcome.begin(wanted.ref)
        async with asyncio.timeout(options.timeout):
            with outcome.hearing(shown.clear):
                ref = await able(meant, Uploads).upload(wanted)  # type: ignore[type-abstract]
    except TimeoutError:
        return _tell_left(outcome, shown, f"--timeout is over after {age(options.timeout)}", UNSEEN)
    except asyncio.CancelledError:
        return _tell_left(outcome, shown, "interrupted", ending.status)
    finally:
        shown.clear()
        await fleet.close()
    if options.dry_run:
        words = "the server would make the DataVolume, and the upload proxy answers"
        outcome.end(State.ACCEPTED, words, line=f"{ref.path}: would be sent: {words}", bytes=0)
    else:
        outcome.identify(ref.uid)
        words = f"DataVolume {ref.path} has got {options.file.name}"
        outcome.end(State.DONE, words, line=words, made=True, bytes=shown.size)
    return OK


def _tell_left(outcome: Outcome, shown: _Shown, why: str, code: int) -> int:
    """It was left off: what is left is told; the exit code."""
    shown.end(why)
    outcome.identify(shown.volume)
    words = f"{why}; {shown.left}"
    if shown.is_sent:
        outcome.end(State.ACCEPTED, words, error=words, made=True, bytes=shown.size)
    else:
        outcome.end(State.FAILED, words, error=words, bytes=0)
    return code


async def _upload_to_host(options: Namespace, settings: Settings, outcome: Outcome) -> int:
    from kvtui.cli.volume_upload import upload_to_host

    ending, why, code = Ending(), "interrupted", 0
    try:
        async with asyncio.timeout(options.timeout):
            await upload_to_host(options, settings, outcome)
        return OK
    except TimeoutError:
        why, code = f"--timeout is over after {age(options.timeout)}", UNSEEN
    except asyncio.CancelledError:
        code = ending.status
    words = f"{why}; volume {options.name} is deleted again" if outcome.begun else f"{why}; nothing was sent"
    sys.stderr.write(f"kvtui: {clean_line(words)}\n")
    outcome.end(State.FAILED, words, error=words, bytes=0)
    return code


async def _check_class(backend: Backend, options: Namespace) -> None:
    """Raise ConfigError for a storage class that the cluster has not: its disk would wait for ever."""
    from kvtui.resources.storage import read_facts

    if not options.storage_class or backend.info.read_only:
        return
    known = (await read_facts(backend)).names
    if known and options.storage_class not in known:
        raise ConfigError(f"--class is not {clean_line(options.storage_class)!r}", f"there is {', '.join(known)}")


def _wanted(options: Namespace, backend: str, shown: _Shown, outcome: Outcome) -> ImageUpload:
    from kvtui.backends.images import read_image
    from kvtui.backends.uploads import ImageUpload
    from kvtui.resources.datavolume_upload import upload_body
    from kvtui.resources.form import Answers

    file = options.file.expanduser()
    if options.insecure:
        outcome.warn(
            "WARNING: --insecure: nobody checks that the upload proxy is the one that it says it is; "
            "whoever stands between sees the image, and may change it"
        )
    image = read_image(file)
    gibibytes = _gibibytes(options.size) if options.size else max(1, -(-(image.disk or 0) // 2**30))
    if not options.size and image.disk is None:
        raise ConfigError(f"how large the disk in {file.name} is, only CDI will know", hint="give --size, as in 20Gi")
    if image.disk is not None and image.disk > gibibytes * 2**30:
        raise ConfigError(
            f"--size {clean_line(options.size)} is too small",
            f"the disk of the {image.format} image has {size(image.disk)}",
            f"give --size {-(-image.disk // 2**30)}Gi, or none",
        )
    if options.size and (quantity(options.size) or 0.0) >= 2**20 and quantity(options.size) != gibibytes * 2**30:
        outcome.warn(f"the disk gets {gibibytes}Gi, not {options.size}: whole GiB")
    answers: dict[str, Any] = {
        "size": gibibytes, "class": options.storage_class, "access": options.access, "mode": options.mode,
    }  # fmt: skip
    return ImageUpload(
        Ref(backend, DataVolume.KIND, options.namespace, options.name),
        file,
        upload_body(Answers(answers)),
        reuse=options.reuse,
        proxy=options.proxy_url,
        insecure=options.insecure,
        retries=options.retries,
        tell=shown.tell,
    )


def _gibibytes(text: str) -> int:
    amount = quantity(text)
    if not amount or amount <= 0:
        raise ConfigError(f"--size {clean_line(text)} is no size", hint="as in 20Gi")
    return max(1, -(-int(amount if amount >= 2**20 else amount * 2**30) // 2**30))


class _Shown:
    """How far it is: one line that is written over on a terminal, and now and then a line elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""
        self._next = 0.0
        self.left = "nothing was sent"
        """What is left of one that was left off."""
        self.size = 0
        """Bytes of the file."""
        self.is_sent = False
        self.volume = ""
        """The uid of the DataVolume; empty while there is none."""

    def tell(self, upload: Upload) -> None:
        """It has gone on."""
        if upload.phase == "Left off":
            self.left = upload.words
            return
        self.size, self.is_sent, self.volume = upload.total, upload.phase == "Processing", upload.volume
        text = _line(upload)
        news = f"{upload.phase} {upload.words}"
        if self._live:
            sys.stderr.write(f"\r{fit(text, _columns() - 1)}")
        elif news != self._last or time.monotonic() >= self._next:
            sys.stderr.write(f"kvtui: {text}\n")
            self._next = time.monotonic() + _LINE_EVERY
        self._last = news
        sys.stderr.flush()

    def clear(self) -> None:
        """Nothing more will be shown."""
        if self._live and self._last:
            sys.stderr.write(f"\r{' ' * (_columns() - 1)}\r")
        self._last = ""

    def end(self, why: str) -> None:
        """It was left off: say why, and what is left."""
        self.clear()
        sys.stderr.write(f"kvtui: {why}; {clean_line(self.left)}\n")


def _line(upload: Upload) -> str:
    from kvtui.backends.uploads import describe_upload

    if upload.phase != "Sending":
        return describe_upload(upload)
    full = _BAR * upload.sent // (upload.total or 1)
    return f"[{'=' * full}{' ' * (_BAR - full)}] {describe_upload(upload)}"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
