"""Actions carried out: what screen and command line do alike, from what is possible to what came of it."""
