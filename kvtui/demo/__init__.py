"""The embedded cluster: a simulated world served over the real Kubernetes wire protocol."""
