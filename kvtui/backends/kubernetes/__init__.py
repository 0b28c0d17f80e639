"""Kubernetes contexts; the only package that imports `kubernetes`."""
