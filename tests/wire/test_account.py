"""Who we are for the server: every way of authentication, and clear words when it does not work."""

from __future__ import annotations

import json
import shutil
import ssl
import stat
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.config import incluster_config

from kvtui.audit import AuditLog
from kvtui.backends.kubernetes import kubeconfig as kubeconfigs
from kvtui.backends.kubernetes.client import IN_CLUSTER, connect, load_contexts
from kvtui.errors import ConfigError, KvtuiError, UnauthorizedError, UnreachableError
from kvtui.model import FeedState, Ref
from kvtui.records.kubevirt import VirtualMachine
from tests.wire.fake import Fake, begin, listed, machine, serving, status
from tests.wire.proxy import running_proxy
from tests.wire.support import MACHINES, QUICK, eventually, kept, write_kubeconfig

REF = Ref("test", "VirtualMachine", "shop", "a", "uid-a")
PATH = "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a"
NO_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n"
API = "client.authentication.k8s.io/v1"


def guarded(*good: str) -> Fake:
    """A server that answers one object to whoever has one of the good authorizations."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") not in good:
            return status(401, "Unauthorized", "Unauthorized")
        return web.json_response(machine("a"))

    return Fake(answer, answer, {PATH: answer})


def plugin(folder: Path, body: str, **spec: Any) -> dict[str, Any]:
    """A user whose token comes from an exec plugin: a Python script that counts its runs in `runs`."""
    script = folder / "plugin"
    script.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\n"
        f"runs = open({str(folder / 'runs')!r}, 'a+'); runs.write('x'); runs.flush()\n"
        "runs.seek(0); run = len(runs.read())\n"
        "def give(**status): print(json.dumps(dict(kind='ExecCredential', apiVersion="
        f"{API!r}, status=status)))\n{body}\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": API, "command": str(script), "interactiveMode": "IfAvailable", **spec}}


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


async def fetch(kubeconfig: Path, times: int = 1) -> None:
    async with kept(kubeconfig) as state:
        for _ in range(times):
            await state.backend.fetch(REF)


async def test_a_token(tmp_path: Path) -> None:
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, {"token": "abc\n"}))


async def test_a_name_and_a_password(tmp_path: Path) -> None:
    async with serving(guarded("Basic " + b64encode(b"me:secret").decode())) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, {"username": "me", "password": "secret"}))


async def test_a_token_file_is_read_again_when_it_was_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    user = {"tokenFile": "token", "token": "stale"}
    async with serving(guarded("Bearer first")) as fake, kept(write_kubeconfig(tmp_path, fake.url, user)) as state:
        await state.backend.fetch(REF)
        fake.other[PATH] = guarded("Bearer second").other[PATH]
        (tmp_path / "token").write_text("second\n")
        await state.backend.fetch(REF)


async def test_an_exec_plugin_runs_once_for_a_token_without_an_end(tmp_path: Path) -> None:
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, plugin(tmp_path, "give(token='abc')")), times=3)
    assert runs(tmp_path) == 1


async def test_an_exec_plugin_runs_again_when_its_token_is_refused(tmp_path: Path) -> None:
    async with serving(guarded("Bearer abc2")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, plugin(tmp_path, "give(token=f'abc{run}')")))
    assert runs(tmp_path) == 2


async def test_a_refused_plugin_is_asked_once_a_request(tmp_path: Path) -> None:
    async with serving(guarded()) as fake:
        kubeconfig = write_kubeconfig(tmp_path, fake.url, plugin(tmp_path, "give(token=f'abc{run}')"))
        with pytest.raises(UnauthorizedError, match="log in again"):
            await fetch(kubeconfig)
    assert runs(tmp_path) == 2


async def test_an_exec_plugin_has_neither_standard_input_nor_a_terminal(tmp_path: Path) -> None:
    body = (
        "spec = json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']\n"
        "try: os.open('/dev/tty', os.O_RDWR); tty = 'tty'\nexcept OSError: tty = 'none'\n"
        "give(token=f\"{sys.stdin.read() or 'nothing'}-{tty}-{spec['interactive']}-{os.environ['EXTRA']}\")"
    )
    user = plugin(tmp_path, body, env=[{"name": "EXTRA", "value": "e"}])
    async with serving(guarded("Bearer nothing-none-False-e")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, user))


@pytest.mark.parametrize(
    ("body", "spec", "words"),
    [
        ("sys.exit('please run: corp login')", {}, "please run: corp login"),
        ("print('hello')", {}, "did not print an ExecCredential"),
        ("give()", {}, "neither a token nor a certificate"),
        ("give(token='x')", {"interactiveMode": "Always"}, "asks on the terminal"),
        ("give(token='x')", {"apiVersion": "client.authentication.k8s.io/v1beta1"}, "speaks client.auth"),
        ("give(token='x')", {"command": "/nowhere/corp-login", "installHint": "get it from corp"}, "get it from corp"),
        ("time.sleep(60)", {}, "no answer within"),
    ],
)
async def test_an_exec_plugin_that_fails_says_why(tmp_path: Path, body: str, spec: dict[str, Any], words: str) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:9", plugin(tmp_path, body, **spec))
    async with kept(kubeconfig, MACHINES, timings=replace(QUICK, plugin=1.0)) as state:
        with pytest.raises(ConfigError, match=words):
            await state.backend.fetch(REF)
        feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        assert words in feed.detail


def jwt(end: float) -> str:
    parts: tuple[dict[str, Any], ...] = ({"alg": "none"}, {"exp": int(end)}, {})
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


async def test_oidc_is_renewed_and_kept_for_the_next_run(tmp_path: Path) -> None:
    old, new = jwt(time.time() - 10), jwt(time.time() + 3600)
    forms: list[dict[str, Any]] = []

    async def configuration(request: web.Request) -> web.StreamResponse:
        return web.json_response({"token_endpoint": f"{fake.url}/token"})

    async def token(request: web.Request) -> web.StreamResponse:
        forms.append(dict(await request.post()))
        return web.json_response({"id_token": new})

    async with serving(guarded(f"Bearer {new}")) as fake:
        fake.other |= {"/.well-known/openid-configuration": configuration, "/token": token}
        provider = {
            "name": "oidc",
            "config": {"idp-issuer-url": fake.url, "client-id": "kvtui", "refresh-token": "r1", "id-token": old},
        }
        kubeconfig = write_kubeconfig(tmp_path, fake.url, {"auth-provider": provider})
        await fetch(kubeconfig, times=2)
    assert forms == [{"grant_type": "refresh_token", "refresh_token": "r1", "client_id": "kvtui"}]
    kept_config = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["auth-provider"]["config"]
    assert kept_config["id-token"] == new
    assert kept_config["refresh-token"] == "r1"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600


async def test_the_old_gcp_provider_runs_its_command(tmp_path: Path) -> None:
    script = tmp_path / "gcloud"
    answer = {"credential": {"access_token": "abc", "token_expiry": "2099-01-01T00:00:00Z"}}
    script.write_text(
        f"#!{sys.executable}\nimport sys\nassert sys.argv[1:] == ['a b']\nprint({json.dumps(answer)!r})\n"
    )
    script.chmod(0o700)
    provider = {"name": "gcp", "config": {"cmd-path": str(script), "cmd-args": "'a b'"}}
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, {"auth-provider": provider}), times=2)


async def test_impersonation_is_heeded(tmp_path: Path) -> None:
    user = {"token": "abc", "as": "someone", "as-groups": ["ops", "dev"]}
    async with serving(guarded("Bearer abc")) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, user))
        assert fake.asked[-1].headers["Impersonate-User"] == "someone"
        assert fake.asked[-1].headers.getall("Impersonate-Group") == ["ops", "dev"]


async def test_a_refused_token_is_a_failed_feed_with_the_way_out(tmp_path: Path) -> None:
    async with serving(guarded()) as fake, kept(write_kubeconfig(tmp_path, fake.url), MACHINES) as state:
        feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        assert "log in again" in feed.detail

        async def on_list(request: web.Request) -> web.StreamResponse:
            return listed(machine("a"))

        async def on_watch(request: web.Request) -> web.StreamResponse:
            response = await begin(request)
            await eventually(lambda: False)
            return response

        fake.on_list, fake.on_watch = on_list, on_watch
        await state.reaches(VirtualMachine, FeedState.LIVE)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path, *, ended: bool = False) -> None:
    """A CA, a server's certificate for 127.0.0.1 and a client's."""
    openssl(
        folder,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
        "-subj",
        "/CN=ca",
    )
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:cluster.example\n")
    for name in ("server", "client"):
        openssl(
            folder,
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        extra = ["-extfile", "server.ext"] if name == "server" else []
        days = ["-days", "-1"] if ended and name == "client" else ["-days", "2"]
        openssl(
            folder,
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-out",
            f"{name}.crt",
            *days,
            *extra,
        )


def server_tls(folder: Path, *, clients: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.verify_mode = clients
    return context


needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
CLIENT = {"client-certificate": "client.crt", "client-key": "client.key"}


def anyone() -> Fake:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(machine("a"))

    return Fake(answer, answer, {PATH: answer})


@needs_openssl
@pytest.mark.parametrize("as_data", [False, True])
async def test_a_client_certificate(tmp_path: Path, as_data: bool) -> None:
    make_certificates(tmp_path)
    user, cluster = dict(CLIENT), {"certificate-authority": "ca.crt"}
    if as_data:
        user = {f"{key}-data": b64encode((tmp_path / name).read_bytes()).decode() for key, name in user.items()}
        cluster = {"certificate-authority-data": b64encode((tmp_path / "ca.crt").read_bytes()).decode()}
    async with serving(anyone(), server_tls(tmp_path)) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, user, **cluster))


@needs_openssl
async def test_a_client_certificate_from_a_plugin(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    body = "give(clientCertificateData=open('client.crt').read(), clientKeyData=open('client.key').read())"
    user = plugin(tmp_path, f"os.chdir({str(tmp_path)!r})\n{body}")
    async with serving(anyone(), server_tls(tmp_path)) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, user, **{"certificate-authority": "ca.crt"}), times=2)
    assert runs(tmp_path) == 1


@needs_openssl
async def test_the_name_that_the_kubeconfig_gives_the_server(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    cluster = {"certificate-authority": "ca.crt"}
    async with serving(anyone(), server_tls(tmp_path)) as fake:
        await fetch(write_kubeconfig(tmp_path, fake.url, CLIENT, **cluster, **{"tls-server-name": "cluster.example"}))
        with pytest.raises(UnreachableError, match="is not trusted"):
            await fetch(write_kubeconfig(tmp_path, fake.url, CLIENT, **cluster, **{"tls-server-name": "other.example"}))
        with pytest.raises(UnreachableError, match="CA in the kubeconfig"):
            await fetch(write_kubeconfig(tmp_path, fake.url, CLIENT))
        await fetch(write_kubeconfig(tmp_path, fake.url, CLIENT, namespace="", **{"insecure-skip-tls-verify": True}))


@needs_openssl
async def test_an_ended_client_certificate_is_named(tmp_path: Path) -> None:
    make_certificates(tmp_path, ended=True)

    async def refuse(request: web.Request) -> web.StreamResponse:
        return status(401, "Unauthorized", "Unauthorized")

    kubeconfig_of = {"certificate-authority": "ca.crt"}
    async with serving(Fake(refuse, refuse, {PATH: refuse}), server_tls(tmp_path, clients=ssl.CERT_NONE)) as fake:
        with pytest.raises(UnauthorizedError, match="certificate ended at"):
            await fetch(write_kubeconfig(tmp_path, fake.url, CLIENT, **kubeconfig_of))


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"client-certificate": "nowhere.crt", "client-key": "nowhere.key"}, {}, "nowhere.crt"),
        ({"client-certificate-data": "A", "client-key-data": "A"}, {}, "is not base64"),
        ({"tokenFile": "/nowhere/token"}, {}, "/nowhere/token"),
        ({"auth-provider": {"name": "azure"}}, {}, "'azure' of context 'test' is not supported"),
        ({"token": "t"}, {"certificate-authority-data": b64encode(b"nonsense").decode()}, "is not PEM"),
        (
            {"token": "t"},
            {"certificate-authority-data": b64encode(NO_CERTIFICATE).decode()},
            "the certificate-authority",
        ),
        ({"token": "t"}, {"proxy-url": "socks5://127.0.0.1:9"}, "SOCKS"),
    ],
)
async def test_what_cannot_be_used_is_named(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "https://127.0.0.1:9", user, **cluster)
    with pytest.raises(ConfigError, match=words) as caught:
        await fetch(kubeconfig)
    assert "test" in str(caught.value) or words in str(caught.value)


async def test_secrets_are_in_no_error(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "http://127.0.0.1:9", {"token": "very-secret"})
    with pytest.raises(KvtuiError) as caught:
        await fetch(kubeconfig)
    assert "very-secret" not in repr(caught.value) + str(caught.value)


async def test_a_proxy_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(guarded("Bearer abc")) as fake:
        monkeypatch.setenv("http_proxy", fake.url)
        monkeypatch.setenv("no_proxy", "10.0.0.0/8")
        await fetch(write_kubeconfig(tmp_path, "http://cluster.example", {"token": "abc"}))
        assert fake.asked[-1].headers["Host"] == "cluster.example"
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "192.0.2.0/24,127.0.0.0/8")
        await fetch(write_kubeconfig(tmp_path, fake.url, {"token": "abc"}))


@needs_openssl
async def test_inside_a_cluster_the_service_account_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_certificates(tmp_path)
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "namespace").write_text("shop")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(kubeconfigs, "_SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    async with serving(guarded("bearer pod-token"), server_tls(tmp_path, clients=ssl.CERT_NONE)) as fake:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", fake.url.rsplit(":", 1)[1])
        assert [(info.name, info.namespace) for info in load_contexts()] == [(IN_CLUSTER, "shop")]
        backend = connect(None, None, "", False, AuditLog(tmp_path / "audit"), timings=QUICK)
        await backend.fetch(REF)
        assert backend.name == IN_CLUSTER
        await backend.close()


async def test_connections_are_kept(tmp_path: Path) -> None:
    async with (
        serving(guarded("Bearer t")) as fake,
        running_proxy(int(fake.url.rsplit(":", 1)[1])) as proxy,
        kept(write_kubeconfig(tmp_path, f"http://127.0.0.1:{proxy.port}")) as state,
    ):
        for _ in range(5):
            await state.backend.fetch(REF)
        assert proxy.connections == 1
        await proxy.cut()
        await state.backend.fetch(REF)


def test_connecting_asks_nobody(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, "https://192.0.2.1:6443")
    backend = connect(str(kubeconfig), None, "", False, AuditLog(tmp_path / "audit"))
    assert backend.name == "test"
    assert backend.info.user == "tester"
