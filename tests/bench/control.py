"""The demo cluster's control endpoints, for measures and tests in other processes."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import yaml


class Control:
    """Talks to ``/demo/...`` of the cluster that a kubeconfig names, as its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._server = cluster["server"]
        self._tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        tokens = {user["name"]: user["user"]["token"] for user in config["users"]}
        self._token = tokens["demo-admin"]

    def post(self, what: str, **options: object) -> None:
        """One control call; raises HTTPError when the server refuses it."""
        request = urllib.request.Request(
            f"{self._server}/demo/{what}",
            data=json.dumps(options).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=30, context=self._tls) as answer:
            answer.read()

    def churn(self, *, rate: float, seconds: float, visible: bool = False) -> None:
        """Change `rate` VMIs a second for that long; `visible`: always the first one, so that its row must be drawn."""
        self.post("churn", rate=rate, seconds=seconds, visible=visible)
