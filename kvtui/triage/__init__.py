"""What is wrong and because of what: pure rules over the view."""
