"""What is used of the official package `kubernetes`: its client for asyncio, and nothing else of it.

Whatever is imported of the package has it import all its other clients too, and requests, urllib3 and oauthlib for
them: a tenth of what a short command takes. So the two packages above this client are there without having been run.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

for _name in ("kubernetes", "kubernetes.aio"):
    _spec = find_spec(_name)
    if _spec is not None and _name not in sys.modules:
        sys.modules[_name] = module_from_spec(_spec)

# The package carries no types.
kube_config: Any = import_module("kubernetes.aio.config.kube_config")
incluster_config: Any = import_module("kubernetes.aio.config.incluster_config")
Configuration: Any = import_module("kubernetes.aio.client").Configuration
RESTClientObject: Any = import_module("kubernetes.aio.client.rest").RESTClientObject
ConfigException: Any = import_module("kubernetes.aio.config.config_exception").ConfigException
