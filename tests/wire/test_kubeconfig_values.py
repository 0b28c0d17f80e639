"""Values of a kubeconfig, and proxies, of no use: told by their keys, never quoted, never with a trace."""

from __future__ import annotations

import gc
import warnings
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from kvtui.backends.kubernetes.kubeconfig import load_current_context
from kvtui.errors import ConfigError, UnreachableError
from kvtui.model import FeedState
from kvtui.records.kubevirt import VirtualMachine
from tests.wire.support import MACHINES, kept, write_kubeconfig
from tests.wire.test_account import CLIENT, fetch, make_certificates, needs_openssl

OK = "https://127.0.0.1:9"
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("server", "user", "cluster", "words"),
    [
        ("https://127.0.0.1:99999", {}, {}, "the server of cluster 'test' .* is no address"),
        ("https://127.0.0.1:0", {}, {}, "the server of cluster 'test' .* port 0"),
        ("https://[::1", {}, {}, "the server of cluster 'test' .* is no address"),
        ("https://", {}, {}, "names no host"),
        (5, {}, {}, "the server of cluster 'test' "),
        (["x"], {}, {}, "the server of cluster 'test' "),
        (OK, {}, {"proxy-url": "socks5://127.0.0.1:9"}, "proxy-url of cluster 'test' .* SOCKS"),
        (OK, {}, {"proxy-url": "http://127.0.0.1:99999"}, "proxy-url of cluster 'test' .* is no address"),
        (OK, {}, {"proxy-url": 7}, "proxy-url of cluster 'test' .* is not a text"),
        (OK, {}, {"tls-server-name": ["a"]}, "tls-server-name of cluster 'test' .* is not a text"),
        (OK, {}, {"certificate-authority-data": "%%%"}, "certificate-authority-data of cluster 'test' "),
        (OK, {"client-certificate-data": "A", "client-key-data": "A"}, {}, "client-certificate-data of user 'tester' "),
        (OK, {"exec": "foo"}, {}, "exec of user 'tester' .* is not a mapping"),
        (OK, {"exec": {"args": []}}, {}, "exec of user 'tester' .* has no command"),
        (OK, {"exec": {"command": "x", "args": "a b"}}, {}, "args of exec of user 'tester' .* is not a list"),
        (OK, {"exec": {"command": "x", "env": [SECRET]}}, {}, "env of exec of user 'tester' .* names and values"),
        (OK, {"auth-provider": SECRET}, {}, "auth-provider of user 'tester' .* is not a mapping"),
        (OK, {"tokenFile": [SECRET]}, {}, "tokenFile of user 'tester' .* is not a text"),
        (OK, {"as-groups": SECRET}, {}, "as-groups of user 'tester' .* is not a list"),
    ],
)
def test_the_key_is_named_before_anything_is_asked(
    tmp_path: Path, server: Any, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    kubeconfig = write_kubeconfig(tmp_path, server, user, **cluster)
    with pytest.raises(ConfigError, match=words) as caught:
        load_current_context(str(kubeconfig))
    assert SECRET not in str(caught.value)


PEM = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({}, {"certificate-authority-data": b64encode(PEM.encode()).decode()}, "the certificate-authority of "),
        (
            {f"{key}-data": b64encode(PEM.encode()).decode() for key in CLIENT},
            {},
            "the client-certificate or the client-key of ",
        ),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": SECRET}}}, {}, "id-token of .* is no JWT"),
        ({"auth-provider": {"name": "oidc", "config": {"refresh-token": SECRET}}}, {}, "no idp-issuer-url"),
        (
            {
                "auth-provider": {
                    "name": "oidc",
                    "config": {
                        "refresh-token": SECRET,
                        "idp-issuer-url": "https://127.0.0.1:9",
                        "client-id": "kvtui",
                        "idp-certificate-authority-data": "A",
                    },
                }
            },
            {},
            "idp-certificate-authority",
        ),
    ],
)
async def test_what_only_its_use_shows_is_named_as_well(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        await fetch(write_kubeconfig(tmp_path, OK, user, **cluster))
    assert SECRET not in str(caught.value)


@needs_openssl
async def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    user = {"client-certificate": "client.crt", "client-key": "server.key"}
    with pytest.raises(ConfigError, match="client-certificate or the client-key"):
        await fetch(write_kubeconfig(tmp_path, OK, user, **{"certificate-authority": "ca.crt"}))


@pytest.mark.parametrize("proxy", ["socks5://me:hunter2@127.0.0.1:9", "http://127.0.0.1:99999", "http://[::1"])
async def test_a_proxy_of_the_environment_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    with warnings.catch_warnings(record=True) as noise:
        warnings.simplefilter("always")
        async with kept(write_kubeconfig(tmp_path, OK), MACHINES) as state:
            feed = await state.reaches(VirtualMachine, FeedState.FAILED)
        gc.collect()
    assert "the proxy" in feed.detail
    assert "fault of kvtui" not in feed.detail
    assert SECRET not in feed.detail
    assert not [str(told.message) for told in noise if issubclass(told.category, ResourceWarning)]


async def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(
        tmp_path, "https://cluster.example", None, **{"proxy-url": "http://me:hunter2@127.0.0.1:9"}
    )
    with pytest.raises(UnreachableError, match=r"cannot connect to the proxy 127\.0\.0\.1:9") as caught:
        await fetch(kubeconfig)
    assert SECRET not in str(caught.value)


async def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=407)

    runner = web.ServerRunner(web.Server(refuse))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        kubeconfig = write_kubeconfig(
            tmp_path, "https://cluster.example", None, **{"proxy-url": f"http://127.0.0.1:{port}"}
        )
        with pytest.raises(UnreachableError, match=f"the proxy .*127.0.0.1:{port} refused: 407"):
            await fetch(kubeconfig)
    finally:
        await runner.cleanup()
