"""The command line on backends that hold recorded machines."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from kvtui import __version__
from kvtui.backends.base import Inbox, Permission, Source, Verdict
from kvtui.cli import get as get_module
from kvtui.cli import main
from kvtui.cli import why as why_module
from kvtui.cli.arguments import parse_arguments
from kvtui.cli.demo import DemoCluster
from kvtui.errors import ConfigError, KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import BackendInfo, Feed, FeedState, Platform
from kvtui.records.base import Meta
from kvtui.records.libvirt import Domain, DomainState, Use
from kvtui.store import Drop, Message, Put
from tests.machines import TYPES, Object, read_machine, record_of


class RecordedBackend:
    """Serves recorded objects of the kinds that it is asked for, then what `later` yields, and then waits."""

    def __init__(
        self,
        items: Iterable[Object] = (),
        *,
        name: str = "prod",
        states: dict[str, FeedState] | None = None,
        later: Sequence[Callable[[], Message]] = (),
    ) -> None:
        self.name = name
        self.info = BackendInfo(name=name)
        self.closed = False
        self._items = list(items)
        self._states = states or {}
        self._later = later

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        wanted = {source.kind for source in sources}
        for item in self._items:
            if item["kind"] in wanted:
                inbox(Put(self.name, record_of(item)))
        for kind in {source.feed for source in sources}:
            state = self._states.get(kind, FeedState.LIVE)
            inbox(Feed(self.name, kind, state, detail="" if state is FeedState.LIVE else "words of the server"))
        for message in self._later:
            await asyncio.sleep(0.3)
            inbox(message())
        await asyncio.Event().wait()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        return Verdict(True)

    async def close(self) -> None:
        self.closed = True


def everything() -> list[Object]:
    names = ("running", "stopped", "unbound", "missing_claim", "quota", "evacuated", "imported", "without_vm")
    return [item for name in names for item in read_machine(name)]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Let `kvtui get` and `why` find these backends instead of a kubeconfig's contexts."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def install(*backends: RecordedBackend) -> None:
        for module in (get_module, why_module):
            monkeypatch.setattr(module, "make_fleet", lambda _options, _settings: Fleet(backends))

    return install


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_table_has_the_columns_of_the_screen(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    backend = RecordedBackend(everything())
    serve(backend)
    assert main(["get", "vms"]) == 0
    lines = table(capsys.readouterr().out)
    assert lines[0] == "NAMESPACE NAME STATUS NODE IP CPU MEM AGENT MIGRATABLE AGE".split()  # noqa: SIM905
    assert ["shop", "web-1", "Running", "node01", "198.18.1.18", "1", "1Gi", "yes", "yes"] in [
        line[:9] for line in lines
    ]
    assert backend.closed


def test_an_alias_a_name_a_namespace_and_filters(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def names(*arguments: str) -> list[str]:
        serve(RecordedBackend(everything()))
        assert main(["get", "vm", "-o", "name", *arguments]) == 0, "names may stand behind options"
        return capsys.readouterr().out.split()

    assert names("web-1") == ["shop/web-1"]
    assert names("shop/web-1", "lab/evict-1") == ["lab/evict-1", "shop/web-1"]
    assert names("-n", "tight") == ["tight/quota-1"]
    assert names("-f", "status:stopped") == ["shop/batch-1"]
    assert set(names("--faults")) == {"shop/db-1", "shop/db-2", "tight/quota-1"}
    assert names("-l", "no-such-label") == []


def test_where_nothing_is_found_the_namespace_is_told_and_one_that_is_not_there_is_an_error(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    spaces = [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}} for name in ("empty", "shop")]
    serve(RecordedBackend([*everything(), *spaces]))
    assert main(["get", "vms", "-n", "empty"]) == 0
    assert capsys.readouterr().err == "no VMs found in namespace empty\n"
    serve(RecordedBackend([*everything(), *spaces]))
    assert main(["get", "vms", "-n", "shp"]) == 1
    assert capsys.readouterr() == ("", "kvtui: there is no namespace shp in prod: there is shop\n")
    serve(RecordedBackend(everything(), states={"Namespace": FeedState.FORBIDDEN}))
    assert main(["get", "vms", "-n", "shp"]) == 0
    assert capsys.readouterr().err == "no VMs found in namespace shp\n"


def test_wide_shows_more_than_the_table(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    serve(RecordedBackend(everything()))
    assert main(["get", "vms", "web-1", "-o", "wide"]) == 0
    assert "virt-launcher-web-1-925db" in capsys.readouterr().out


def test_json_has_stable_keys(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    serve(RecordedBackend(everything()))
    assert main(["get", "vms", "db-1", "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "backend", "kind", "namespace", "name", "uid", "created", "health", "columns", "fields", "labels",
    }  # fmt: skip
    assert (found["backend"], found["kind"], found["name"]) == ("prod", "VirtualMachine", "db-1")
    assert found["created"] == "2026-11-21T01:46:41+00:00"
    assert found["health"]["tone"] == "bad"
    assert found["columns"]["run_strategy"] == "Always"
    assert found["fields"]["volume"]


def test_several_contexts_are_told_apart(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    serve(RecordedBackend(read_machine("stopped"), name="one"), RecordedBackend(read_machine("stopped"), name="two"))
    assert main(["get", "vms"]) == 0
    lines = table(capsys.readouterr().out)
    assert [line[0] for line in lines] == ["BACKEND", "one", "two"]


def test_a_name_that_is_not_there_is_told(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    serve(RecordedBackend(everything()))
    assert main(["get", "vms", "web-1", "nobody"]) == 1
    told = capsys.readouterr()
    assert "web-1" in told.out
    assert told.err == "kvtui: no vm named nobody\n"


def test_nothing_to_show(serve: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    serve(RecordedBackend())
    assert main(["get", "imports"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no Imports found\n")


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({"VirtualMachine": FeedState.FAILED}, "prod: VirtualMachine cannot be read: words of the server"),
        ({"VirtualMachine": FeedState.FORBIDDEN}, "VirtualMachine forbidden to this account: words of the server"),
        ({"VirtualMachine": FeedState.ABSENT}, "prod: VirtualMachine not installed there: words of the server"),
    ],
)
def test_what_could_not_be_read_is_told_and_the_rest_printed(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str], states: dict[str, FeedState], words: str
) -> None:
    serve(RecordedBackend(everything(), states=states))
    assert main(["get", "vms"]) == 3
    told = capsys.readouterr()
    assert words in told.err
    assert "no VMs found" not in told.err
    assert "web-1" in told.out


@pytest.mark.parametrize("states", [{"DataVolume": FeedState.ABSENT}, {"Node": FeedState.FORBIDDEN}])
def test_a_joined_kind_that_is_not_installed_or_not_for_users_is_no_trouble(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str], states: dict[str, FeedState]
) -> None:
    serve(RecordedBackend(everything(), states=states))
    assert main(["get", "vms"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("state", [FeedState.FORBIDDEN, FeedState.FAILED, FeedState.STALE])
def test_a_joined_kind_that_cells_lack_is_a_note(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str], state: FeedState
) -> None:
    serve(RecordedBackend(everything(), states={"VirtualMachineInstance": state}))
    assert main(["get", "vms"]) == 0
    assert "prod: VirtualMachineInstance" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_not_waited_for_for_ever(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(RecordedBackend(states=dict.fromkeys(TYPES, FeedState.LOADING)))
    assert main(["get", "vms", "--timeout", "0.3"]) == 3
    assert "not answered in time" in capsys.readouterr().err


def test_watching_prints_what_changes_and_what_goes(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine = read_machine("stopped")[0]

    def interrupt() -> Message:
        os.kill(os.getpid(), signal.SIGINT)
        return Feed("prod", "Pod", FeedState.LIVE)

    def starting() -> Message:
        machine["status"]["printableStatus"] = "Starting"
        machine["metadata"]["resourceVersion"] = "next"
        return Put("prod", record_of(machine))

    def gone() -> Message:
        return Drop("prod", TYPES["VirtualMachine"], "shop", "batch-1")

    serve(RecordedBackend([machine], later=(starting, gone, interrupt)))
    assert main(["get", "vms", "--watch"]) == 130
    lines = table(capsys.readouterr().out)
    assert [" ".join(line[2:4]) for line in lines] == ["STATUS NODE", "Stopped -", "! Starting", "gone"]


def test_watching_tells_of_states_of_hosts_vms_and_not_of_their_figures(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    web = Domain(metadata=Meta(name="web", uid="u"), state=DomainState.RUNNING, id=1, measured=True)

    def show(state: DomainState, cpu: float) -> Callable[[], Message]:
        use = Use(cpu=cpu, read=cpu * 1e6, written=0.0, received=cpu * 1e5, sent=0.0)
        return lambda: Put("prod", msgspec.structs.replace(web, state=state, use=use, used=int(cpu * 2**28)))

    def interrupt() -> Message:
        os.kill(os.getpid(), signal.SIGINT)
        return Feed("prod", "Host", FeedState.LIVE)

    later = (show(DomainState.RUNNING, 0.1), show(DomainState.RUNNING, 0.9), show(DomainState.PAUSED, 0.0), interrupt)
    backend = RecordedBackend(later=later)
    backend.info = BackendInfo(name="prod", platform=Platform.LIBVIRT)
    serve(backend)
    assert main(["get", "vms", "--watch", "-o", "wide"]) == 130
    assert [line[1] for line in table(capsys.readouterr().out)] == ["STATUS", "Running", "Paused"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "unicorns"], "there is no resource 'unicorns'"),
        (["get", "vms", "-f", '"web'], "quotation mark"),
        (["get", "vms", "-l", "a in b"], "no label selector"),
    ],
)
def test_wrong_usage(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    serve(RecordedBackend(everything()))
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["get"], ["nonsense"], ["get", "vms", "-o", "xml"], ["-n", "a", "-A"], ["--jump", "a,,b"], ["--jump", ""]],
)
def test_arguments_that_make_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_error_is_one_sentence_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ConfigError("no such context", "staging", "kubectl config get-contexts lists them")

    monkeypatch.setattr(get_module, "make_fleet", fail)
    assert main(["get", "vms"]) == 2
    assert capsys.readouterr().err == "kvtui: no such context: staging\nhint: kubectl config get-contexts lists them\n"


def test_the_screen_without_a_terminal_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "needs a terminal" in capsys.readouterr().err


def test_global_options_stand_before_or_behind_the_command() -> None:
    for arguments in (["--context", "a", "-n", "x", "get", "vms"], ["get", "vms", "--context", "a", "-n", "x"]):
        options = parse_arguments(arguments)
        assert (options.context, options.namespace, options.read_only) == (["a"], "x", False)
    assert parse_arguments([]).context == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"kvtui {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["get", "--help"], ["demo", "--help"]])
def test_help_names_what_scripts_rely_on(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    assert "--kubeconfig" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys\nfrom kvtui.cli import main\nsys.stdin.readline()\nsys.exit(main(['version']))"
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    program.stdout.close()
    _, complaint = program.communicate(b"\n", timeout=30)
    assert complaint == b""


# The demo's process ------------------------------------------------------------------------------------------------


def test_the_demo_cluster_ends_with_us() -> None:
    with DemoCluster(["--size", "1"]) as cluster:
        path = Path(cluster.wait_for_kubeconfig())
        assert path.exists()
        process = cluster.process
        assert process.poll() is None
    assert process.poll() is not None
    assert not path.exists()


def test_a_demo_cluster_that_does_not_start_says_why() -> None:
    with DemoCluster(["--size", "nonsense"]) as cluster, pytest.raises(KvtuiError) as error:
        cluster.wait_for_kubeconfig()
    assert "nonsense" in str(error.value)


# Which cluster -----------------------------------------------------------------------------------------------------

KUBECONFIG = """
current-context: CURRENT
contexts:
- {name: prod, context: {cluster: a}}
- {name: lab, context: {cluster: a}}
clusters:
- {name: a, cluster: {server: "http://127.0.0.1:9"}}
"""


@pytest.mark.parametrize(("current", "words"), [("gone", "no context 'gone' in "), ("", "names no current context")])
def test_without_a_current_context_no_cluster_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], current: str, words: str
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG.replace("CURRENT", current))
    assert main(["get", "vms", "--kubeconfig", str(file)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert str(file) in told.err
    assert "lab, prod" in told.err


def test_a_kubeconfig_from_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG.replace("CURRENT", "prod"))
    command = 'exec "$0" -m kvtui get vms --timeout 0.5 --kubeconfig <(cat "$1")'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, "it is read, and the server that it names does not answer"
    assert "prod: " in done.stderr


# Streams -----------------------------------------------------------------------------------------------------------


def run_in_shell(command: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | surroundings,
    )


def test_a_full_disk_is_a_sentence() -> None:
    done = run_in_shell('"$0" -m kvtui version >/dev/full')
    assert (done.returncode, done.stderr) == (1, "kvtui: standard output cannot be written: No space left on device\n")


def test_a_closed_standard_output_is_a_sentence() -> None:
    done = run_in_shell('"$0" -m kvtui version >&-')
    assert done.returncode == 1
    assert done.stderr.startswith("kvtui: standard output is closed\n")


def test_a_closed_standard_error_is_no_fault() -> None:
    done = run_in_shell('"$0" -m kvtui get unicorns 2>&-')
    assert (done.returncode, done.stdout) == (2, "")


def test_rows_on_a_full_disk_are_a_sentence(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(RecordedBackend(everything()))
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["get", "vms"]) == 1
    assert capsys.readouterr().err == "kvtui: standard output cannot be written: No space left on device\n"


def test_what_the_terminal_cannot_spell_is_replaced(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = read_machine("stopped")[0]
    machine["metadata"]["name"] = "b\u00fcro"
    serve(RecordedBackend([machine]))
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    assert main(["get", "vms", "-o", "name"]) == 0
    assert out.getvalue() == b"shop/b?ro\n"


# Names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "a b/../x"], "'a b/../x' is no valid namespace name"),
        (["-n", ""], "the name is empty; -A means all"),
        (["--kubeconfig", ""], "argument --kubeconfig: the name is empty"),
        (["--context", ""], "argument --context: the name is empty"),
        (["get"], "are required: RESOURCE\n"),
    ],
)
def test_names_that_cannot_be(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["get", "vms", "-o", "name", "a", "--", "--yes", "-x"], ["stop", "--wait", "a", "--", "--yes", "-x"],
     ["stop", "a", "--wait", "--", "--yes", "-x"]],
)  # fmt: skip
def test_what_stands_behind_two_dashes_is_a_name_whatever_it_looks_like(words: list[str]) -> None:
    options = parse_arguments(words)
    assert (options.words if options.command == "act" else options.names) == ["a", "--yes", "-x"]


# Why ---------------------------------------------------------------------------------------------------------------


def test_of_an_object_that_is_not_well_nobody_says_that_it_is(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine = read_machine("stopped")[0]
    machine["status"]["printableStatus"] = "Dreaming"
    serve(RecordedBackend([machine]))
    assert main(["why", "batch-1"]) == 0
    words = "vm shop/batch-1 is Dreaming: no rule says why; what it says itself is all that is known\n"
    assert capsys.readouterr().out == words


def test_what_could_not_be_judged_is_part_of_what_goes_into_the_chat(
    serve: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(RecordedBackend([read_machine("stopped")[0]], states={"Pod": FeedState.FORBIDDEN}))
    main(["why", "batch-1", "-o", "markdown"])
    told = capsys.readouterr().out
    assert "Not known:" in told
    assert "forbidden" in told
