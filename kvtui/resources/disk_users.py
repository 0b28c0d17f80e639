"""What one should know of the VMs that use a disk before it is taken from them."""

from __future__ import annotations

from collections.abc import Sequence

from kvtui.joins.disk import User

_NAMED = 3


def warn_users(users: Sequence[User]) -> tuple[str, ...]:
    """Who uses it, and what that means."""
    running = [user.name for user in users if user.running]
    stopped = [user.name for user in users if not user.running]
    said = []
    if running:
        verb = "uses it and runs" if len(running) == 1 else "use it and run"
        said.append(f"{_enumerate(running)} {verb}: the claim goes only when nothing uses it any more")
    if stopped:
        verb = "uses it: without it it does" if len(stopped) == 1 else "use it: without it they do"
        said.append(f"{_enumerate(stopped)} {verb} not start")
    return tuple(said)


def _enumerate(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"VM {', '.join(names[:_NAMED])}{more}"
