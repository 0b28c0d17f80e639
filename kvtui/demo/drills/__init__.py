"""Troubles of the demo cluster, one small declaration each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvtui.demo.world import World


def begin(world: World) -> None:
    """Let all drills of the default world begin."""
