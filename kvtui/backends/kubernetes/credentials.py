"""Who we are for the server: every way of authentication that a kubeconfig can name, on kubernetes.aio.

The package reads kubeconfigs, files, tokens and TLS. What it gets wrong for a program that owns the terminal is done
here: its exec plugins inherit standard input and their failures are only logged, a token file's newline breaks the
header, OIDC is renewed without verifying TLS, and impersonation (``as``) is ignored.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import re
import shlex
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict

from kvtui.backends.kubernetes.impersonation import Impersonation
from kvtui.backends.kubernetes.kubeconfig import Entry, Kubeconfig
from kvtui.backends.kubernetes.official import (
    ConfigException,
    Configuration,
    RESTClientObject,
    incluster_config,
    kube_config,
)
from kvtui.backends.kubernetes.timings import Timings
from kvtui.errors import ConfigError, KvtuiError
from kvtui.text import clean, clean_line, parse_time

_EARLY: Final = 10.0
"""Seconds before a token's end at which it is renewed."""
_BELIEVED: Final = 5.0
"""Seconds for which what a plugin gave is used, also where it says that this ended already: clocks differ."""


class Credentials:
    """The account of one context. Requests ask for `headers` each time; tokens are renewed in there when due."""

    def __init__(self, kubeconfig: Kubeconfig | None, context: str, timings: Timings, acting_as: Impersonation) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._timings = timings
        self._acting_as = acting_as
        self._configuration: Any = Configuration()
        self._configuration.disable_strict_ssl_verification = True  # cluster CAs lack what Python 3.13 asks for
        self._loader: _Loader | None = None
        self._lock = asyncio.Lock()
        self._failed: tuple[float, KvtuiError] | None = None
        self._renewed = -math.inf

    async def load(self) -> None:
        """Read everything for the first time. Raises ConfigError."""
        async with self._lock:
            with explained(self._where):
                if self._kubeconfig is None:
                    incluster_config.load_incluster_config(self._configuration)
                else:
                    self._loader = _Loader(self._kubeconfig, self._context, self._timings)
                    await self._loader.load_and_set(self._configuration)
            if not self.address.startswith(("http://", "https://")):
                raise ConfigError(f"the cluster of {self._where} has no server address", self.address)

    @property
    def address(self) -> str:
        """The URL of the server."""
        return str(self._configuration.host).rstrip("/")

    @property
    def proxy(self) -> str:
        """The proxy that the kubeconfig names."""
        return self._configuration.proxy or ""

    @property
    def tls_name(self) -> str:
        """The name that the server's certificate must have, where it is not that of the address."""
        return self._configuration.tls_server_name or ""

    @property
    def certificate(self) -> str:
        """The file of the client certificate; a new one means that connections must be made anew."""
        return self._configuration.cert_file or ""

    def tls(self) -> ssl.SSLContext:
        """The TLS settings. Raises ConfigError for certificates that cannot be used."""
        try:
            ssl.create_default_context(cafile=self._configuration.ssl_ca_cert)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"the certificate-authority of {self._where} cannot be used", _reason(error)) from error
        try:
            context = RESTClientObject(self._configuration).ssl_context
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"the client-certificate or the client-key of {self._where} cannot be used", _reason(error)
            ) from error
        assert isinstance(context, ssl.SSLContext)
        return context

    async def headers(self) -> CIMultiDict[str]:
        """What to send with a request, renewed when due. Raises ConfigError."""
        async with self._lock:
            if self._loader is not None and self._loader.renews:
                await self._renew(self._loader)
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
        headers = CIMultiDict(self._acting_as.headers)
        if token:
            headers["Authorization"] = str(token).strip()
        return headers

    async def renew(self, used: Mapping[str, str]) -> bool:
        """After a 401 to a request with the headers `used`: whether there is something else to try."""
        async with self._lock:
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
            if token and token != used.get("Authorization"):
                return True
            if self._loader is None or not self._loader.renews:
                return False
            if time.monotonic() - self._renewed < self._timings.plugin_retry:
                # All kinds are refused at once; one question to the plugin answers them all.
                return False
            self._renewed = time.monotonic()
            before = (token, self.certificate)
            self._loader.forget()
            await self._renew(self._loader)
            return before != (self._configuration.api_key.get("BearerToken"), self.certificate)

    def expired(self) -> str:
        """When the client certificate ended, if it did; empty otherwise."""
        end = _certificate_end(self.certificate) if self.certificate else None
        return end.strftime("%Y-%m-%d %H:%M UTC") if end is not None and end < datetime.now(UTC) else ""

    @property
    def _where(self) -> str:
        return self._context if self._kubeconfig is None else f"context {self._context!r} of {self._kubeconfig.where}"

    async def _renew(self, loader: _Loader) -> None:
        if self._failed is not None and time.monotonic() - self._failed[0] < self._timings.plugin_retry:
            raise self._failed[1]
        try:
            with explained(self._where):
                await loader.load_and_set(self._configuration)
        except KvtuiError as error:
            self._failed = (time.monotonic(), error)
            raise
        self._failed = None


def _reason(error: OSError) -> str:
    # An SSLError is an OSError.
    words = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return clean_line(words or str(error))


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Say in a ConfigError what the package and the files behind `where` throw."""
    try:
        yield
    except ConfigException as error:
        raise ConfigError(f"{where} cannot be used", clean_line(str(error)), "renew the kubeconfig") from error
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        raise ConfigError(f"{where} cannot be used", clean_line(f"{name}{error.strerror or error}")) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Broken base64, a token that is none, a list where a text should be: never quote the value, it may be secret.
        raise ConfigError(
            f"{where} cannot be used", f"a value in it is broken ({type(error).__name__})", "renew the kubeconfig"
        ) from error


class _Loader(kube_config.KubeConfigLoader):  # type: ignore[misc]
    """kubernetes.aio's reading of one context, with our plugins, token files and renewals."""

    _user: Any

    def __init__(self, kubeconfig: Kubeconfig, context: str, timings: Timings) -> None:
        self._kubeconfig = kubeconfig
        self._timings = timings
        self._good_until: float | None = None
        self._ran = False
        super().__init__(
            _as_nodes(kubeconfig),
            active_context=context,
            config_base_path=None,
            get_google_credentials=self._run_google,
            config_persister=self._save,
        )
        if self._user is None:
            self._user = kube_config.ConfigNode("user", {}, self._cluster.path)
        if "auth-provider" in self._user and self.provider not in ("oidc", "gcp"):
            raise ConfigError(
                f"the auth provider {self.provider!r} of context {context!r} is not supported",
                hint="use its exec plugin, for example kubelogin",
            )

    @property
    def renews(self) -> bool:
        """Whether the account's token may change while we run."""
        return bool(self.provider) or "exec" in self._user or "tokenFile" in self._user

    def forget(self) -> None:
        """Let the next loading ask the plugin again."""
        self._ran = False

    async def load_from_exec_plugin(self) -> bool:
        """Run the plugin unless what it gave is still good. Raises ConfigError."""
        if self._ran and (self._good_until is None or time.time() < self._good_until):
            return True
        spec = self._user["exec"].value
        if spec.get("interactiveMode") == "Always":
            raise ConfigError(
                f"the exec plugin {spec.get('command')} asks on the terminal, which kvtui owns",
                hint="log in with it in a shell first, and let interactiveMode be IfAvailable",
            )
        status = _credential(await self._run_plugin(spec), spec)
        if status.get("token"):
            self.token = f"Bearer {str(status['token']).strip()}"
        elif not (status.get("clientCertificateData") and status.get("clientKeyData")):
            raise ConfigError(f"the exec plugin {spec['command']} gave neither a token nor a certificate")
        if status.get("clientCertificateData"):
            self.cert_file = self._as_file(status, "clientCertificateData")
            self.key_file = self._as_file(status, "clientKeyData")
        expiry = status.get("expirationTimestamp")
        self._good_until = max(_end_of(expiry, spec) - _EARLY, time.time() + _BELIEVED) if expiry else None
        self._ran = True
        return True

    def _as_file(self, status: dict[str, Any], key: str) -> str:
        return str(kube_config.FileOrData(status, None, data_key_name=key, base64_file_content=False).as_file())

    async def _run_plugin(self, spec: dict[str, Any]) -> bytes:
        command = str(spec.get("command") or "")
        file = Path(self._user.path)
        if "/" in command and not Path(command).is_absolute():
            command = str(file.parent / command)
        info: dict[str, Any] = {"interactive": False}
        if spec.get("provideClusterInfo"):
            info["cluster"] = self._cluster_info()
        environment = {str(item["name"]): str(item["value"]) for item in spec.get("env") or ()}
        environment["KUBERNETES_EXEC_INFO"] = json.dumps(
            {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": info}
        )
        arguments = [str(argument) for argument in spec.get("args") or ()]
        hint = clean(str(spec.get("installHint") or "")).strip()
        return await _run_command([command, *arguments], environment, self._timings.plugin, file, hint)

    def _cluster_info(self) -> dict[str, Any]:
        cluster = self._cluster.value
        names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        return {name: cluster[name] for name in names if name in cluster}

    async def _run_google(self) -> SimpleNamespace:
        config = self._user["auth-provider"]["config"].value
        if not config.get("cmd-path"):
            raise ConfigError("the gcp auth provider has no command", hint="use gke-gcloud-auth-plugin")
        command = [str(config["cmd-path"]), *shlex.split(str(config.get("cmd-args") or ""))]
        answer = json.loads(await _run_command(command, {}, self._timings.plugin, Path(self._user.path), ""))
        return SimpleNamespace(token=answer["credential"]["access_token"], expiry=answer["credential"]["token_expiry"])

    def _load_user_token(self) -> bool:
        user = self._user.value
        token = str(user.get("token") or "")
        if user.get("tokenFile"):
            # As in client-go, the file wins, and is read each time, for it is replaced while we run.
            token = (Path(self._user.path).parent / str(user["tokenFile"])).read_text()
        if not token.strip():
            return False
        self.token = f"Bearer {token.strip()}"
        return True

    def _load_cluster_info(self) -> None:
        # The package takes a user's relative paths from the folder of the cluster's file.
        if "cert_file" not in self.__dict__ and str(self._cluster["server"]).startswith("https"):
            base = str(Path(self._user.path).parent)
            self.cert_file = kube_config.FileOrData(self._user, "client-certificate", file_base_path=base).as_file()
            self.key_file = kube_config.FileOrData(self._user, "client-key", file_base_path=base).as_file()
        super()._load_cluster_info()

    async def _load_oid_token(self) -> str:
        try:
            return str(await super()._load_oid_token())
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"the id-token of user {self._user.name} is no JWT", hint="log in again") from error

    async def _refresh_oidc(self, provider: Any) -> None:
        config = provider["config"].value
        if not config.get("refresh-token"):
            raise ConfigError("the OIDC login has ended and there is no refresh token", hint="log in again")
        answer = await _renew_oidc(config)
        config["id-token"] = answer["id_token"]
        config["refresh-token"] = answer.get("refresh_token") or config["refresh-token"]
        self._save(None)

    def _save(self, _config: object) -> None:
        # A renewed login is good for this run even where it cannot be kept for the next.
        with suppress(OSError):
            self._kubeconfig.save()


def _as_nodes(kubeconfig: Kubeconfig) -> Any:
    def nodes(entries: Mapping[str, Entry], key: str) -> list[Any]:
        return [
            kube_config.ConfigNode(str(entry.file), {"name": entry.name, key: entry.value}, str(entry.file.absolute()))
            for entry in entries.values()
        ]

    return kube_config.ConfigNode(
        kubeconfig.where,
        {
            "current-context": kubeconfig.current,
            "contexts": nodes(kubeconfig.contexts, "context"),
            "clusters": nodes(kubeconfig.clusters, "cluster"),
            "users": nodes(kubeconfig.users, "user"),
        },
    )


_running: Final[set[subprocess.Popen[bytes]]] = set()


def _heed_signals() -> None:
    """Let the signals that end us end the plugins first: those have sessions of their own, which they do not reach."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            # Signals can only be heeded in the main thread; tests may run elsewhere.
            with suppress(ValueError):
                signal.signal(number, _end_all)


def _end_all(number: int, _frame: object) -> None:
    for process in _running:
        _end(process)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a plugin, and whatever it started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _run_command(
    command: list[str], environment: Mapping[str, str], limit: float, file: Path, install: str
) -> bytes:
    """What a plugin prints. It gets no standard input and no terminal: those are the screen's."""
    _heed_signals()
    process = _spawn(command, environment, file, install)
    _running.add(process)
    try:
        async with asyncio.timeout(limit):
            out, err = await asyncio.to_thread(process.communicate)
    except TimeoutError:
        raise ConfigError(
            f"{command[0]!r} gave no answer within {limit:.0f} s", hint="log in with it in a shell first"
        ) from None
    finally:
        _running.discard(process)
        _end(process)
    if process.returncode:
        words = clean_line(err.decode(errors="replace"))[-500:]
        raise ConfigError(
            f"{command[0]!r}, which {file} asks for, failed with {process.returncode}", words, "log in again"
        )
    return out


def _spawn(command: list[str], environment: Mapping[str, str], file: Path, install: str) -> subprocess.Popen[bytes]:
    # Not asyncio's subprocesses: cancelled while they start, those wait for ever (CPython 3.11).
    try:
        return subprocess.Popen(
            command,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError(
            f"cannot run {command[0]!r}, which {file} asks for",
            clean_line(error.strerror or str(error)),
            clean_line(install) or "install it, or correct the kubeconfig",
        ) from error


def _end_of(expiry: object, spec: Mapping[str, Any]) -> float:
    end = parse_time(expiry) if isinstance(expiry, str) else None
    if end is None:
        raise ConfigError(f"the exec plugin {spec['command']} gave an expirationTimestamp that is no time")
    return end


def _credential(out: bytes, spec: Mapping[str, Any]) -> dict[str, Any]:
    command = spec.get("command")
    try:
        answer = json.loads(out)
        status = answer["status"]
        version = answer["apiVersion"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"the exec plugin {command} did not print an ExecCredential") from None
    if version != spec.get("apiVersion") or not isinstance(status, dict):
        raise ConfigError(f"the exec plugin {command} speaks {clean_line(str(version))}, not {spec.get('apiVersion')}")
    return status


async def _renew_oidc(config: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh id token from the issuer. Raises ConfigError."""
    for key in ("idp-issuer-url", "client-id"):
        if not config.get(key):
            raise ConfigError(f"the OIDC login has no {key}", hint="correct the kubeconfig")
    authority = config.get("idp-certificate-authority-data")
    try:
        tls = ssl.create_default_context(
            cafile=config.get("idp-certificate-authority"),
            cadata=base64.b64decode(authority).decode() if authority else None,
        )
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("the idp-certificate-authority of the OIDC login cannot be used") from error
    issuer = str(config["idp-issuer-url"]).rstrip("/")
    form = {"grant_type": "refresh_token", "refresh_token": config["refresh-token"], "client_id": config["client-id"]}
    secret = config.get("client-secret")
    auth = aiohttp.BasicAuth(config["client-id"], secret) if secret else None
    limit = aiohttp.ClientTimeout(total=30)
    try:
        async with aiohttp.ClientSession(
            timeout=limit, raise_for_status=True, connector=aiohttp.TCPConnector(ssl=tls)
        ) as session:
            async with session.get(f"{issuer}/.well-known/openid-configuration") as answer:
                endpoint = (await answer.json())["token_endpoint"]
            async with session.post(endpoint, data=form, auth=auth) as answer:
                tokens: dict[str, Any] = await answer.json()
                return {"id_token": tokens["id_token"], "refresh_token": tokens.get("refresh_token")}
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the OIDC login could not be renewed at {issuer}", clean_line(str(error) or "no answer"), "log in again"
        ) from error


# SEQUENCE { notBefore, notAfter } of X.509, each a UTCTime or a GeneralizedTime.
_VALIDITY: Final = re.compile(
    rb"\x30[\x1e-\x22](?:\x17\x0d\d{12}Z|\x18\x0f\d{14}Z)(?:\x17\x0d(?P<short>\d{12})Z|\x18\x0f(?P<long>\d{14})Z)"
)


def _certificate_end(file: str) -> datetime | None:
    try:
        pem = Path(file).read_text()
        body = pem[pem.index("-----BEGIN CERTIFICATE-----") + 27 : pem.index("-----END CERTIFICATE-----")]
        found = _VALIDITY.search(base64.b64decode(body))
    except (OSError, ValueError):
        return None
    if found is None:
        return None
    if found["long"]:
        end = datetime.strptime(found["long"].decode(), "%Y%m%d%H%M%S")
    else:
        end = datetime.strptime(found["short"].decode(), "%y%m%d%H%M%S")
    return end.replace(tzinfo=UTC)
