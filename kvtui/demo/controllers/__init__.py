"""The control loops of the demo cluster, each after the component it stands for."""
