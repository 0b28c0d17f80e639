"""Verbs of the command line on plain hosts, of libvirt's test driver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kvtui.cli import codes
from tests.actions.conftest import call_main

pytest.importorskip("libvirt")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    from kvtui.demo.pool import write_hosts

    (tmp_path / "hosts").mkdir()
    uris = [uri for _, uri in write_hosts(tmp_path / "hosts", 2)]

    def call(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = call_main([*(part for uri in uris for part in ("--host", uri)), *words])
        return code, *capfd.readouterr()

    return call


def test_a_domain_is_found_on_whichever_host_it_is(run: Run) -> None:
    warning = "! no guest agent is connected: a guest that ignores the power button runs on\n"
    assert run("stop", "build-2", "--yes") == (codes.OK, "build-2 on kvm-2: accepted\n", warning)


def test_a_host_before_the_name_says_which_of_several_is_meant(run: Run) -> None:
    assert run("stop", "kvm-2/build-2", "--yes")[:2] == (codes.OK, "build-2 on kvm-2: accepted\n")
    code, _, err = run("stop", "kvm-1/build-2", "--yes")
    assert code == codes.FAILED
    assert "no vm named kvm-1/build-2" in err


def test_what_is_done_on_a_host_is_waited_for(run: Run) -> None:
    code, out, _ = run("force-stop", "build-1", "--yes", "--wait")
    assert (code, out) == (codes.OK, "build-1 on kvm-1: done in 0s\n")


def test_a_dry_run_on_a_host_says_that_it_has_none(run: Run) -> None:
    code, out, err = run("stop", "build-1", "--dry-run")
    assert code == codes.OK
    assert out == "build-1 on kvm-1: would be sent: a host has no dry run: all that kvtui checks is well\n"
    assert "! no guest agent is connected" in err


def test_fields_of_a_host_are_options(run: Run) -> None:
    assert run("set-memory", "build-1", "--memory", "1Gi", "--yes")[:2] == (codes.OK, "build-1 on kvm-1: accepted\n")
    code, _, err = run("set-memory", "build-1", "--memory", "lots", "--yes")
    assert code == codes.USAGE
    assert "'lots' is no amount" in err


def test_a_verb_that_hosts_do_not_have_is_told(run: Run) -> None:
    code, out, err = run("freeze", "build-1", "--yes")
    assert (code, out) == (codes.USAGE, "")
    assert "freeze cannot be done on kvm-1, kvm-2" in err


def test_nobody_is_on_no_host(run: Run) -> None:
    code, _, err = run("stop", "nobody", "--yes")
    assert code == codes.FAILED
    assert "no vm named nobody in kvm-1, kvm-2" in err


def test_where_a_host_does_not_answer_nobody_says_that_it_is_not_there(run: Run) -> None:
    code, _, err = run("--host", "qemu+tcp://127.0.0.1:9/system", "stop", "nobody", "--yes")
    assert code == codes.PARTIAL
    assert "127.0.0.1" in err


def test_a_name_of_another_kind_says_for_which_kinds_the_verb_is_too(run: Run) -> None:
    code, _, err = run("start", "kvm-1/images", "--yes")
    assert code == codes.FAILED
    assert "no vm named kvm-1/images in kvm-1, kvm-2" in err
    assert "hint: start is for pool, network too: kvtui start pool NAME" in err
    assert "hint" not in run("start", "vm", "kvm-1/images", "--yes")[2]
