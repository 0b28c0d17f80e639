"""Scripted incidents in the simulated world."""
