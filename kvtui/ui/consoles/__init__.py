"""Consoles on the screen: the ways into machines, their terminals, reading, the menu, recordings."""
