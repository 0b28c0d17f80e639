"""The inside of a simulated virtual machine, as far as its serial console shows it."""
