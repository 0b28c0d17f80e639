"""SSH: shells of guests, and the way to remote places. What is here is light; asyncssh comes with the first call."""

from kvtui.backends.ssh.errand import NobodyError
from kvtui.backends.ssh.questions import Asker, Questions
from kvtui.backends.ssh.routes import Routes, Tunnel
from kvtui.backends.ssh.shell import Shell, open_shell

__all__ = ["Asker", "NobodyError", "Questions", "Routes", "Shell", "Tunnel", "open_shell"]
