"""What machines show on their screens, drawn in a terminal."""
