"""The options of ``python -m kvtui.demo``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvtui.demo.drills import DRILLS
from kvtui.demo.kubeconfig import CONTEXTS
from kvtui.demo.world import DEFAULT_SIZE

LARGEST = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    size: int = DEFAULT_SIZE
    speed: float = 1.0
    seed: int = 0
    port: int = 0
    user: str = "admin"
    with_parent: bool = False
    quiet: bool = False
    drill: str = ""


def _bounded(kind: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return read


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the command line; a bad one ends the program with a sentence, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m kvtui.demo",
        description="Serve a simulated KubeVirt cluster on the loopback interface. The first line on standard output "
        "is the path of a kubeconfig; it serves until it is interrupted.",
    )
    parser.add_argument(
        "--size",
        type=_bounded(int, 1, LARGEST),
        default=DEFAULT_SIZE,
        metavar="N",
        help="virtual machines (%(default)s)",
    )
    parser.add_argument(
        "--speed", type=_bounded(float, 0, 1000), default=1.0, metavar="X",
        help="virtual seconds that pass in a real one (%(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=_bounded(int, 0, 2**63), default=0, metavar="N", help="the same seed makes the same world"
    )
    parser.add_argument(
        "--port", type=_bounded(int, 0, 65535), default=0, metavar="N", help="the port to listen on; 0 for any free one"
    )
    parser.add_argument("--user", choices=sorted(CONTEXTS), default="admin", help="whose context is the current one")
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="end when standard input is closed: with the program that started it; its lines tell of the machines "
        "below nodes",
    )
    world = parser.add_mutually_exclusive_group()
    world.add_argument(
        "--quiet", action="store_true", help="a world without troubles, in which nothing happens by itself"
    )
    world.add_argument(
        "--drill", choices=sorted(DRILLS), default="", metavar="NAME",
        help="a world in which that incident alone has happened; kvtui demo --list-drills names them",
    )  # fmt: skip
    found = parser.parse_args(arguments)
    return Options(
        size=int(found.size),
        speed=float(found.speed),
        seed=int(found.seed),
        port=int(found.port),
        user=found.user,
        with_parent=found.with_parent,
        quiet=found.quiet,
        drill=found.drill,
    )
