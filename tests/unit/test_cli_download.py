"""``kvtui download`` on a demo cluster: the file, what it says, and why there is none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kvtui.cli import main
from kvtui.cli.demo import DemoCluster

EXPORT = "data/spark-5-to-lab"
Fetch = Callable[..., int]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The kubeconfig of a cluster with an export that is ready, and one that waits."""
    with DemoCluster(["--size", "60"]) as demo:
        yield demo.wait_for_kubeconfig()


@pytest.fixture
def fetch(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Runs the command on the cluster, in a folder of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["download", *arguments, "--kubeconfig", cluster])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("data/nope",), 1, '"nope" not found'),
        ((EXPORT, "--volume", "other"), 1, "has no volume other: it has spark-5-root"),
        ((EXPORT, "--format", "tar.gz"), 1, "it is offered as raw, gzip"),
        ((EXPORT, "--to", "no/such/file"), 1, "there is no folder"),
        (("web/frontend-2-offsite", "--timeout", "3"), 5, "Virtual Machine web/frontend-2 is running"),
        ((EXPORT, "--timeout", "0.001"), 5, "--timeout is over after "),
        ((EXPORT, "--read-only"), 1, "is read-only"),
        ((EXPORT, "--dry-run", "--volume", "other"), 1, "has no volume other"),
        ((EXPORT, "-A"), 2, "the command is about one export"),
    ],
)
def test_what_is_in_the_way_is_said_and_no_file_is_left(
    fetch: Fetch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    assert fetch(*arguments) == code
    assert words in capsys.readouterr().err
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_download_that_is_only_tried_writes_nothing(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(EXPORT, "--dry-run", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    (item,) = told["items"]
    assert (told["dry_run"], item["state"], item["bytes"]) == (True, "accepted", 0)
    assert item["words"].startswith("it would come through the API server to ")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_device_is_not_replaced_by_a_file_but_written_to_by_a_pipe(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "volume")
    assert fetch(EXPORT, "--to", "volume", "--force") == 1
    told = capsys.readouterr().err
    assert f"{tmp_path / 'volume'} is a pipe: only a file can be checked" in told
    assert f"kvtui download EXPORT --format raw --to - | dd of={tmp_path / 'volume'}" in told
    assert (tmp_path / "volume").is_fifo()


def test_a_name_of_standard_output_leads_to_the_dash(cluster: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kvtui", "download", EXPORT, "--kubeconfig", cluster, "--to", "/dev/stdout"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "/dev/stdout is a pipe: only a file can be checked before it has its name\n" in done.stderr
    assert "hint: --to - writes to standard output\n" in done.stderr


def test_a_dash_is_standard_output(cluster: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kvtui", "download", EXPORT, "--kubeconfig", cluster, "--to", "-"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        part = process.stdout.read(1024)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM
    assert zlib.decompressobj(wbits=31).decompress(part, 16).startswith(b"\xfaKVTUI DEMO DISK")
    assert "interrupted; standard output: what went there is not whole" in err.decode()
    assert not Path("-").exists()


def test_a_volume_and_json_do_not_both_go_to_standard_output(fetch: Fetch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(EXPORT, "--to", "-", "-o", "json") == 2
    assert "standard output cannot have both the volume and JSON" in capsys.readouterr().err


def test_who_names_the_file_as_the_form_of_the_answer_is_told_how_to_name_it(
    fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        fetch(EXPORT, "-o", "disk.img.gz")
    assert "'disk.img.gz' is neither text nor json; the file of a download is named by --to" in capsys.readouterr().err


def test_who_waits_for_an_export_is_told_for_what_since_when_and_how_long(
    fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch("web/frontend-2-offsite", "--timeout", "3") == 5
    waiting, end, hint = capsys.readouterr().err.splitlines()
    told = r"kvtui: export web/frontend-2-offsite is Pending for \d\S*: Virtual Machine web/frontend-2 is running"
    assert re.match(told, waiting)
    assert "it waits until that ends" in waiting
    assert re.search(r"waiting for [123]s at most", waiting)
    assert re.match(told, end)
    assert "--timeout waits longer" in hint


def test_a_download_that_takes_longer_than_its_time_ends_says_so_and_leaves_nothing(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(EXPORT, "--timeout", "3", "-o", "json") == 5
    told = capsys.readouterr()
    words = f"--timeout is over after 3s; {tmp_path / 'spark-5-to-lab.img.gz'}: nothing of it was kept"
    assert told.err.startswith(f"kvtui: {words}, the export {EXPORT} stays")
    answer = json.loads(told.out)
    assert answer["error"].startswith(words)
    assert (answer["items"][0]["state"], answer["items"][0]["bytes"]) == ("failed", 0)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_file_that_is_there_is_only_written_over_by_force(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "spark-5-to-lab.img.gz"
    file.write_text("dear")
    assert fetch(EXPORT) == 1
    assert "is there already" in capsys.readouterr().err
    assert file.read_text() == "dear"


def test_in_production_a_download_is_asked_about(
    fetch: Fetch, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvtui.cli.asking._TERMINAL", str(tmp_path / "no-terminal"))
    settings = tmp_path / "config.toml"
    settings.write_text('[context."*"]\nproduction = true\n', encoding="utf-8")
    assert fetch(EXPORT, "--config", str(settings)) == 4
    told = capsys.readouterr().err
    assert told.startswith(f"PRODUCTION demo\ndownload export {EXPORT} to ")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["config.toml"]
    assert fetch("data/nope", "--config", str(settings), "--read-only") == 1, "what is refused anyway asks nobody"
    assert fetch("data/nope", "--config", str(settings), "--yes") == 1
    told = capsys.readouterr().err
    assert '"nope" not found' in told
    assert "PRODUCTION demo\n" in told, "it is said also to who is not asked"
    assert fetch(EXPORT, "--config", str(settings), "--yes", "--dry-run", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == ["PRODUCTION demo"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_download_that_is_interrupted_ends_with_its_signal_says_so_and_leaves_nothing(
    cluster: str, tmp_path: Path, number: int
) -> None:
    target = str(tmp_path / "d.gz")
    command = [sys.executable, "-m", "kvtui", "download", EXPORT, "--kubeconfig", cluster, "--to", target]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        part = _wait_for_part(tmp_path, process)
        assert zlib.decompressobj(wbits=31).decompress(part[:1024], 16).startswith(b"\xfaKVTUI DEMO DISK")
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 128 + number
    assert f"interrupted; {target}: nothing of it was kept, the export {EXPORT} stays" in err.decode()
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def _wait_for_part(folder: Path, process: subprocess.Popen[bytes]) -> bytes:
    """What of the file is there, as soon as something is."""
    while process.poll() is None:
        for path in folder.glob(".d.gz.*.part"):
            if path.stat().st_size > 1024:
                return path.read_bytes()
    raise AssertionError(process.stderr.read().decode() if process.stderr else "")
