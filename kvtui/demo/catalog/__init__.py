"""What the demo cluster consists of: nodes, storage, platform, applications."""
