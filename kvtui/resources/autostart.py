"""Whether something starts with its host: the same question for domains, pools and networks of libvirt."""

from __future__ import annotations

from kvtui.resources.form import Form, Toggle


def autostart_form(whom: str, now: bool) -> Form:
    """Asks for it; a screen offers the other way than it is, a command has to say which it means."""
    hint = f"it is {'on' if now else 'off'} now"
    return Form(
        f"autostart of {whom}", (Toggle("autostart", "start with its host", hint, default=not now, named=True),)
    )
