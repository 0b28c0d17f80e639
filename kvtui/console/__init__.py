"""Serial consoles: emulator, keys, sessions."""
