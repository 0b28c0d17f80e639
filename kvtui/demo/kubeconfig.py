"""The kubeconfig that lets clients into the demo cluster."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

from kvtui.demo.server import Server

CONTEXTS = {"admin": "demo", "view": "demo-view", "edit": "demo-edit"}
"""The context of each user that has one."""


def write_kubeconfig(path: Path, server: Server, user: str = "admin") -> None:
    """Write the file, readable for its owner alone; the context of `user` is the current one."""
    authority = base64.b64encode(server.certificate.certificate.encode()).decode()
    accounts = server.access.accounts
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": {"server": server.url, "certificate-authority-data": authority}}],
        "users": [{"name": f"demo-{name}", "user": {"token": accounts[name].token}} for name in CONTEXTS],
        "contexts": [
            {"name": context, "context": {"cluster": "demo", "user": f"demo-{name}"}}
            for name, context in CONTEXTS.items()
        ],
        "current-context": CONTEXTS[user],
        "preferences": {},
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
