"""The command line on a cluster and a host together, which have a VM of the same name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvtui.cli import codes
from tests.actions.conftest import Run, call_main

NAME = "cache-1"
"""A VM of the demo cluster, in namespace web."""


@pytest.fixture
def run(kubeconfig: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    pytest.importorskip("libvirt")
    from kvtui.demo.pool import host_xml

    host = tmp_path / "kvm-1.xml"
    host.write_text(host_xml("kvm-1", 0).replace("<name>build-1</name>", f"<name>{NAME}</name>"))

    def call(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = call_main(["--kubeconfig", kubeconfig, "--context", "demo", "--host", f"test://{host}", *words])
        return code, *capfd.readouterr()

    return call


def test_a_bare_name_is_that_of_both_though_only_the_own_namespace_is_listed(run: Run) -> None:
    code, out, err = run("stop", NAME, "--dry-run")
    assert (code, out) == (codes.USAGE, "")
    assert f"{NAME} is the name of several: web/{NAME} in demo, {NAME} on kvm-1" in err


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        ((NAME, "-n", "web"), f"web/{NAME} in demo"),
        ((f"web/{NAME}",), f"web/{NAME} in demo"),
        ((f"kvm-1/{NAME}",), f"{NAME} on kvm-1"),
        ((f"domain/{NAME}",), f"{NAME} on kvm-1"),
        ((f"domain/kvm-1/{NAME}",), f"{NAME} on kvm-1"),
    ],
)
def test_its_namespace_its_host_or_its_kind_says_which(run: Run, words: tuple[str, ...], subject: str) -> None:
    code, out, _ = run("stop", *words, "--dry-run")
    assert (code, out.partition(":")[0]) == (codes.OK, subject)


def test_what_is_on_a_host_is_not_meant_where_a_namespace_was_asked_for(run: Run) -> None:
    code, out, err = run("stop", NAME, "-n", "shop", "--dry-run")
    assert (code, out) == (codes.FAILED, "")
    assert f"hint: there is kvm-1/{NAME}" in err


def test_a_kubeconfig_beside_a_host_means_its_current_context_too(
    kubeconfig: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("libvirt")
    assert call_main(["get", "vms", "-A", "--kubeconfig", kubeconfig, "--host", "test:///default"]) == codes.OK
    places = {line.split()[0] for line in capfd.readouterr().out.splitlines()[1:]}
    assert places == {"demo", "libvirt"}
