"""Record the streams of tests/data/console anew: boot a guest, play all scenes, and ask tmux what it shows.

Run: python -m tests.real.record; then read the difference.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

from tests.console.captures import Kept, cuts, keep
from tests.console.tmux import Tmux
from tests.real.conftest import open_session, open_site, switch_on
from tests.real.image import Image, make_image
from tests.real.operator import Capture
from tests.real.scenes import SCENES, play

_PLACES = 5


def _version(package: str) -> str:
    """The package as it is installed here, with its version."""
    form = "${Package} ${Version}"
    return subprocess.run(["dpkg-query", "-W", "-f", form, package], capture_output=True, text=True, check=True).stdout


def _judge(tmux: Tmux, image: Image, capture: Capture, term: str, package: str) -> Kept:
    size = capture.columns, capture.lines
    screens = [(place, tmux.show(capture.data[:place], *size)) for place in cuts(capture.data, _PLACES)]
    origin = {"kernel": image.version, "program": _version(package), "term": term, "judge": _version("tmux")}
    return Kept(capture.data, *size, origin, screens)


async def _record() -> None:
    image = make_image()
    with tempfile.TemporaryDirectory() as folder, Tmux() as tmux:
        async with open_site(image, Path(folder)) as site, open_session(site) as operator:
            capture = await switch_on(site, operator)
            keep("boot", _judge(tmux, image, capture, "vt220", "seabios"))
            for name, scene in SCENES.items():
                capture = await play(scene, operator)
                keep(name, _judge(tmux, image, capture, scene.term, scene.package))
                print(f"{name}: {len(capture.data)} bytes")


if __name__ == "__main__":
    asyncio.run(_record())
