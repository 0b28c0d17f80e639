"""kvtui: what is broken with your virtual machines, why, and the way to mend it."""

__version__ = "0.1.0"
