"""Shells of guests over SSH: `open_shell` here is light, and the heavy import comes with the first shell."""

from kvtui.backends.ssh.errand import NobodyError
from kvtui.backends.ssh.shell import Asker, Shell, open_shell

__all__ = ["Asker", "NobodyError", "Shell", "open_shell"]
