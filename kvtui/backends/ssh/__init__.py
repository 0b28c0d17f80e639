"""Shells of guests over SSH: `open_shell` here is light, and the heavy import comes with the first shell."""

from kvtui.backends.ssh.shell import Asker, Shell, open_shell

__all__ = ["Asker", "Shell", "open_shell"]
