"""Objects as they may be shown: without secrets, bookkeeping and control characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kvtui.text import clean

MASK: Final = "<hidden>"

# Copies of whole objects, with whatever those hold.
_COPIES: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
# cloud-init, sysprep and ignition: passwords and keys in the clear (kubevirt-api.md 2.1).
_USER_DATA: Final = frozenset({"userdata", "userdatabase64", "networkdata", "networkdatabase64"})
_IGNITION: Final = "kubevirt.io/ignitiondata"
# Whole words of a key, so that `tokenExpirationSeconds` or `secretRef` stay readable.
_SECRET_KEY: Final = re.compile(
    r"(?:.*[^a-z])?(?:password|passwd|passphrase|token|secret|apikey|api_key|api-key|accesskey|secretkey|privatekey"
    r"|private_key|private-key|credential|authorization|bearer|dhcert)s?",
    re.IGNORECASE,
)
_CAMEL_SECRET: Final = re.compile(
    r".*[a-z0-9](?:Password|Passwd|Passphrase|Token|Secret|ApiKey|PrivateKey|Credential)s?"
)
_ENV_SECRET: Final = re.compile(r"(?i)pass(?:word|wd|phrase)?|token|secret|api_?key|private_?key|credential")
# The name of a secret, not the secret.
_HARMLESS: Final = frozenset({"imagepullsecret"})
# Headers of CDI's sources may carry an Authorization; access credentials say where a guest's keys are.
_WHOLLY: Final = frozenset({"extraHeaders", "accessCredentials"})
# Objects within texts: annotations of other tools that keep copies of what they applied.
_EMBEDDED: Final = re.compile(
    r"\\?\"(?:userData|networkData|stringData|password|passwd|token|secret)[A-Za-z0-9]*\\?\"\s*:", re.IGNORECASE
)
# Sought from `://` on, whose login ends before the next slash: no character is looked at twice.
_URL_LOGIN: Final = re.compile(r"(?<=[a-zA-Z0-9+.-]://)[^/\s@\"']+@")


def masked(item: Mapping[str, object]) -> dict[str, object]:
    """A copy of an object of the API that may be shown.

    ``managedFields`` and last-applied copies are left out; the data of Secrets, cloud-init data and values under keys
    that name a password, token or the like are replaced by `MASK`; texts are cleaned of control characters.
    """
    whole = {clean(str(key)): value for key, value in item.items()}
    if whole.get("kind") == "Secret":
        for part in ("data", "stringData"):
            held = whole.get(part)
            if isinstance(held, Mapping):
                whole[part] = dict.fromkeys(map(str, held), MASK)
            elif held is not None:
                whole[part] = MASK
    return _mapping(whole)


def _mapping(value: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, item in value.items():
        name = clean(str(key))
        if name == "managedFields" or name in _COPIES:
            continue
        result[name] = MASK if _is_secret(name, item) else _value(item)
    if _is_secret_setting(result):
        result["value"] = MASK
    return result


def _value(value: object) -> object:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, str):
        if _EMBEDDED.search(value):
            return MASK
        return _URL_LOGIN.sub(f"{MASK}@", clean(value))
    return value


def _is_secret(name: str, value: object) -> bool:
    """Whether the value under a key is a secret; a mapping (``secret: {secretName: x}``) only says where one is."""
    if name in _WHOLLY:
        return bool(value)
    if not isinstance(value, str) or not value:
        return False
    lowered = name.lower()
    if lowered in _USER_DATA or lowered == _IGNITION:
        return True
    if lowered in _HARMLESS:
        return False
    return bool(_SECRET_KEY.fullmatch(name) or _CAMEL_SECRET.fullmatch(name))


def _is_secret_setting(value: Mapping[str, object]) -> bool:
    """Whether it is a ``{name, value}`` pair such as an environment variable, named like a secret."""
    name = value.get("name")
    return isinstance(name, str) and isinstance(value.get("value"), str) and bool(_ENV_SECRET.search(name))
