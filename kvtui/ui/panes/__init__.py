"""The live panes and the strips around them."""
