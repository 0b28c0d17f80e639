"""A Kubernetes context as a backend: kubeconfig in, kinds kept live, objects, verbs, streams and pictures out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import partial

import msgspec

from kvtui.audit import AuditLog
from kvtui.backends.acting import Guard, reading
from kvtui.backends.base import ByteStream, Dialer, Inbox, Permission, Source, Verdict
from kvtui.backends.downloads import Download
from kvtui.backends.kubernetes.answers import refuse_other_answers
from kvtui.backends.kubernetes.backoff import Backoff
from kvtui.backends.kubernetes.bootlog import open_boot_log
from kvtui.backends.kubernetes.discovery import Discovery, object_path
from kvtui.backends.kubernetes.exports import open_download
from kvtui.backends.kubernetes.impersonation import NOBODY, Impersonation
from kvtui.backends.kubernetes.kubeconfig import (
    IN_CLUSTER,
    ContextInfo,
    in_cluster,
    in_cluster_namespace,
    load_contexts,
    read_kubeconfig,
)
from kvtui.backends.kubernetes.masking import masked
from kvtui.backends.kubernetes.metrics import Metrics
from kvtui.backends.kubernetes.permissions import Permissions
from kvtui.backends.kubernetes.places import Place, find_path, find_place
from kvtui.backends.kubernetes.progress import Progress
from kvtui.backends.kubernetes.pulse import Pulse
from kvtui.backends.kubernetes.reflector import Reflector, Scope
from kvtui.backends.kubernetes.server import Server, Target, decode
from kvtui.backends.kubernetes.streams import follow_log, open_console, open_port, take_screenshot
from kvtui.backends.kubernetes.timings import Timings
from kvtui.backends.kubernetes.uploading import Means, Uploading
from kvtui.backends.kubernetes.verbs import Verbs, check_same
from kvtui.backends.objects import Body
from kvtui.backends.uploads import ImageUpload
from kvtui.errors import BackendError, ForbiddenError, KvtuiError
from kvtui.model import BackendInfo, Platform, Ref
from kvtui.records.base import Meta, Record
from kvtui.records.decode import TOO_DEEP, decode_records
from kvtui.records.kubernetes import Event, Pod
from kvtui.records.past import Past
from kvtui.store import Message, SetClock
from kvtui.text import clean_line

__all__ = ["IN_CLUSTER", "ContextInfo", "KubernetesBackend", "Timings", "connect", "load_contexts"]

_EVENTS = 500
"""Events of one object that are asked for."""


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _User(msgspec.Struct):
    username: str = ""


class _SubjectStatus(msgspec.Struct, rename="camel"):
    user_info: _User = msgspec.field(default_factory=_User)


class _Subject(msgspec.Struct):
    status: _SubjectStatus = msgspec.field(default_factory=_SubjectStatus)


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


class _Object(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


class _Items(msgspec.Struct):
    items: list[dict[str, object]] | None = None


class _List(msgspec.Struct):
    items: list[_Object] | None = None


def connect(
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    read_only: bool,
    audit: AuditLog,
    *,
    timings: Timings | None = None,
    dialer: Dialer | None = None,
    acting_as: Impersonation = NOBODY,
) -> KubernetesBackend:
    """A backend for a context (by default the current one), shown in `namespace` alone or, when empty, in all.

    A `dialer` leads to its API server, where nothing else does; plugins and logins go directly all the same. With
    `acting_as` it acts as that user instead of the one that the kubeconfig says.
    Reads the kubeconfig and asks nobody: the first request does. In a pod without kubeconfig it is the cluster
    around it. Raises ConfigError that names file and way out.
    """
    if kubeconfig is None and context in (None, IN_CLUSTER) and in_cluster():
        first = load_contexts()[0]
        if first.name == IN_CLUSTER:
            info = ContextInfo(IN_CLUSTER, namespace=in_cluster_namespace())
            target = Target(None, IN_CLUSTER, acting_as)
            return KubernetesBackend(target, info, namespace, read_only, audit, timings or Timings(), dialer)
    config = read_kubeconfig(kubeconfig)
    info = config.context(context)
    target = Target(config, info.name, acting_as)
    return KubernetesBackend(target, info, namespace, read_only, audit, timings or Timings(), dialer)


class KubernetesBackend:
    """One context.

    Implements Backend, Reader, Finder, Lifecycle, Migrations, Objects, Uploads, Rehearser, Consoles, BootLogs, Ports,
    Downloads, Screens and Logs.
    """

    def __init__(
        self,
        target: Target,
        context: ContextInfo,
        namespace: str,
        read_only: bool,
        audit: AuditLog,
        timings: Timings,
        dialer: Dialer | None = None,
    ) -> None:
        self._name = context.name
        self._login = context.user or "the service account"
        """Who logs in, by the kubeconfig: the server tells only as whom it is then acted."""
        self._scope = Scope(namespace, context.namespace)
        self._server = Server(target, timings, dialer)
        self._discovery = Discovery(self._server)
        self._dialer = dialer
        self._info = BackendInfo(name=context.name, user=context.user, read_only=read_only, namespace=namespace)
        self._permissions = Permissions(self._server)
        self._guard = Guard(
            audit,
            Platform.KUBERNETES,
            lambda: read_only,
            self._tell_account,
            partial(check_same, self._server, self._discovery),
            refused=self._permissions.forget,
        )
        self._verbs = Verbs(self._server, self._discovery, self._guard)
        self._dialer = dialer
        self._inbox: Inbox = _ignore
        self._sources: dict[str, Source] = {}
        self._reflectors: dict[str, Reflector] = {}
        self._revived = asyncio.Event()
        """The server answers again."""

    @property
    def name(self) -> str:
        """The name of the context."""
        return self._name

    @property
    def info(self) -> BackendInfo:
        """What is known of the server and of us there."""
        server, known = self._server, self._info
        address, acting_as, put_off = server.address, server.acting_as, server.waiting.seconds
        if (address, acting_as, put_off) != (known.address, known.acting_as, known.put_off):
            self._info = replace(known, address=address, acting_as=acting_as, put_off=put_off)
        return self._info

    def _tell_account(self) -> str:
        """Who acts, for the audit log: who logs in comes first, as whom it is then behind."""
        acting_as = self._server.acting_as
        return f"{self._login} as {acting_as}" if acting_as else self._info.user

    async def run(self, sources: Sequence[Source], inbox: Inbox) -> None:
        """Keep every source live until cancelled. Trouble becomes the state of a feed and heals by itself."""
        self._inbox = inbox
        self._server.on_clock = lambda ahead: inbox(SetClock(self._name, ahead))
        self._sources = {source.feed: source for source in sources}
        progress = Progress(self._name, self._server, inbox)
        self._reflectors = {
            source.feed: Reflector(self._name, source, self._server, self._discovery, self._scope, progress.note)
            for source in sources
        }
        metrics = Metrics(self._name, self._server, self._discovery, self._scope, inbox)

        def revive() -> None:
            metrics.retry()
            self._revived.set()

        pulse = Pulse(self._server, self._reflectors.values(), revive)
        async with asyncio.TaskGroup() as tasks:
            for kind, reflector in self._reflectors.items():
                tasks.create_task(reflector.run(), name=f"{self._name} {kind}")
            tasks.create_task(self._introduce(), name=f"{self._name} introduction")
            tasks.create_task(metrics.run(), name=f"{self._name} metrics")
            tasks.create_task(progress.run(), name=f"{self._name} progress")
            tasks.create_task(pulse.run(), name=f"{self._name} pulse")

    def retry(self, kind: str = "") -> None:
        """Try again at once what is being waited for, in one kind or in all."""
        self._server.retry()
        for name, reflector in self._reflectors.items():
            if kind in ("", name):
                reflector.retry()

    async def close(self) -> None:
        """Let go of all connections, at once."""
        self._discovery.close()
        self._permissions.close()
        await self._server.close()

    async def may(self, permission: Permission, namespace: str, name: str = "") -> Verdict:
        """Whether the account may do it; the server's answer is believed for a minute."""
        return await self._permissions.may(permission, namespace, name)

    # Reader

    async def fetch(self, ref: Ref) -> dict[str, object]:
        """The whole object as the API serves it, secrets masked. Raises BackendError."""
        # Megabytes take a while: in a thread, so that the screen goes on.
        return await asyncio.to_thread(_shown, await self._server.request("GET", await self._find_path(ref)))

    async def fetch_events(self, ref: Ref) -> Sequence[Record]:
        """The events about the object, whatever reported them. Raises BackendError."""
        query = {
            "fieldSelector": f"involvedObject.name={ref.name},involvedObject.kind={ref.kind}",
            "limit": str(_EVENTS),
        }
        # Events of what has no namespace lie in `default`, most of them.
        namespaces = [ref.namespace] if ref.namespace else ["", "default"]
        for last, namespace in enumerate(namespaces, 1):
            try:
                raw = await self._server.request("GET", object_path("", "v1", "events", namespace), query=query)
            except ForbiddenError:
                if last == len(namespaces):
                    raise
            else:
                events = decode_records(_join(raw), Event)
                return [event for event in events if _is_about(event, ref)]
        raise AssertionError

    # Archive

    async def fetch_past(self, ref: Ref) -> Past:
        """Who wrote an object and when, and when its containers began and ended. Raises BackendError."""
        return await asyncio.to_thread(decode, await self._server.request("GET", await self._find_path(ref)), Past)

    async def fetch_pods(self, namespace: str, selector: str) -> Sequence[Pod]:
        """The pods of a namespace with some labels. Raises BackendError."""
        raw = await self._server.request(
            "GET", object_path("", "v1", "pods", namespace), query={"labelSelector": selector}
        )
        return decode_records(_join(raw), Pod)

    # Finder

    async def find_namespaces(self, ref: Ref) -> Sequence[str]:
        """The namespaces that hold an object of the kind and name of `ref`, in order. Raises BackendError."""
        group, versions, plural = self._place(ref.kind)
        version = (await self._discovery.versions(group, versions))[0]
        # Every kind can be selected by its name: kubernetes.io, Field Selectors.
        query = {"fieldSelector": f"metadata.name={ref.name}"}
        found = await self._server.get(object_path(group, version, plural), _List, query)
        return sorted({item.metadata.namespace for item in found.items or ()})

    # Lifecycle

    async def start(self, ref: Ref) -> None:
        """Start a VM."""
        await self._verbs.start(ref)

    async def stop(self, ref: Ref, *, grace: int | None = None) -> None:
        """Stop a VM, or delete a VMI that has none."""
        await self._verbs.stop(ref, grace=grace)

    async def restart(self, ref: Ref) -> None:
        """Stop a VM and start it again."""
        await self._verbs.restart(ref)

    async def pause(self, ref: Ref) -> None:
        """Freeze the vCPUs."""
        await self._verbs.pause(ref)

    async def unpause(self, ref: Ref) -> None:
        """Let the vCPUs run on."""
        await self._verbs.unpause(ref)

    async def migrate(self, ref: Ref) -> None:
        """Move a VM or VMI to another node."""
        await self._verbs.migrate(ref)

    async def cancel_migration(self, ref: Ref) -> None:
        """Abort a migration; `ref` is the migration."""
        await self._verbs.cancel_migration(ref)

    # Objects, Rehearser

    @property
    def rehearses(self) -> bool:
        """Whether nothing is changed."""
        return self._verbs.dry_run

    async def read(self, ref: Ref) -> dict[str, object]:
        """The whole object as the server has it. Raises BackendError."""
        with reading(ref):
            _, path = await find_path(self._discovery, ref)
            return await asyncio.to_thread(_whole, await self._server.request_patiently("GET", path))

    async def read_all(self, ref: Ref) -> list[dict[str, object]]:
        """All objects of a kind. Raises BackendError."""
        with reading(ref._replace(name="")):
            _, path = await find_path(self._discovery, ref._replace(name=""))
            return (await self._server.get(path, _Items)).items or []

    async def create(self, ref: Ref, body: Body, *, verb: str = "create", about: Ref | None = None) -> Ref:
        """Create an object; it with its uid."""
        return await self._verbs.create(ref, body, verb=verb, about=about)

    async def patch(
        self, ref: Ref, patch: Body | Sequence[Body], *, verb: str, version: str = "", about: Ref | None = None
    ) -> None:
        """Change an object by a merge patch or, as a list, a JSON patch."""
        await self._verbs.patch(ref, patch, verb=verb, version=version, about=about)

    async def replace(self, ref: Ref, body: Body, *, verb: str = "edit") -> None:
        """Put a whole object in the place of the one whose resourceVersion it bears."""
        await self._verbs.replace(ref, body, verb=verb)

    async def delete(self, ref: Ref, *, verb: str = "delete", grace: int | None = None, orphan: bool = False) -> None:
        """Delete an object."""
        await self._verbs.delete(ref, verb=verb, grace=grace, orphan=orphan)

    async def call(
        self, ref: Ref, subresource: str, options: Body | None = None, *, verb: str = "", instance: bool = False
    ) -> None:
        """PUT a subresource of a VM or VMI."""
        await self._verbs.call(ref, subresource, options, verb=verb, instance=instance)

    async def upload(self, wanted: ImageUpload) -> Ref:
        """Send an image into a DataVolume, and wait for its end."""
        means = Means(self._server, self._discovery, self._verbs, self._dialer, self._inbox)
        return await Uploading(means, wanted).run()

    def rehearse(self) -> KubernetesBackend:
        """The same backend, whose verbs change nothing."""
        other = copy(self)
        other._verbs = self._verbs.rehearsing()
        return other

    # Consoles, BootLogs, Ports, Screens, Logs

    async def open_console(self, ref: Ref) -> ByteStream:
        """The serial console of a VM or VMI. Whoever holds it now loses it, and what is typed changes the guest."""
        self._guard.refuse_read_only(ref, f"the console of {ref.path} was not opened")
        stream = await open_console(self._server, self._discovery, ref)
        return await self._guard.note_opened("console", ref, stream)

    async def open_boot_log(self, ref: Ref, *, tail: int = 2000) -> ByteStream:
        """What a VM or VMI said and says on its serial line; it takes the console from nobody."""
        return await open_boot_log(self._server, self._discovery, ref, tail)

    def explain_no_ports(self) -> str:
        """Nothing stands in the way."""
        return ""

    async def open_port(self, ref: Ref, port: int) -> ByteStream:
        """A TCP connection to a port of a VM or VMI; what goes through it may change the guest."""
        self._guard.refuse_read_only(ref, f"port {port} of {ref.path} was not opened")
        stream = await open_port(self._server, self._discovery, ref, port)
        return await self._guard.note_opened(f"port {port}", ref, stream)

    @asynccontextmanager
    async def open_download(self, ref: Ref, volume: str, form: str) -> AsyncIterator[Download]:
        """A volume of an export."""
        self._guard.refuse_read_only(ref, f"{ref.path} was not downloaded")
        async with open_download(self._server, self._discovery, self._dialer, ref, volume, form) as download:
            await self._guard.note(f"download {volume}".rstrip(), ref)
            yield download

    async def take_screenshot(self, ref: Ref) -> bytes:
        """What a VM or VMI shows on its screen: a PNG or PPM file."""
        return await take_screenshot(self._server, self._discovery, ref)

    def follow_log(self, ref: Ref, *, container: str = "", tail: int = 500, follow: bool = True) -> AsyncIterator[str]:
        """Lines of a pod's log, cleaned."""
        return follow_log(self._server, ref, container=container, tail=tail, follow=follow)

    async def _find_path(self, ref: Ref) -> str:
        group, versions, plural = self._place(ref.kind)
        version = (await self._discovery.versions(group, versions))[0]
        return object_path(group, version, plural, ref.namespace, ref.name)

    def _place(self, kind: str) -> Place:
        source = self._sources.get(kind)
        return find_place(kind) if source is None else Place(source.group, source.versions, source.plural)

    async def _introduce(self) -> None:
        """Learn the server's version and our name there."""
        backoff = Backoff(self._server.timings.retry_first, self._server.timings.retry_most)
        while True:
            try:
                version = await self._server.get("/version", _Version)
                self._info = replace(self._info, version=version.git_version, trouble="")
                await self._learn_user()
                return
            except ForbiddenError:
                return
            except KvtuiError as error:
                self._info = replace(self._info, trouble=str(error))
                self._revived.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(backoff.next()):
                        await self._revived.wait()

    async def _learn_user(self) -> None:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            raw = await self._server.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
        except BackendError:
            # Servers before 1.28, and accounts that may not ask: the kubeconfig's name for the user must do.
            return
        if user := decode(raw, _Subject).status.user_info.username:
            self._info = replace(self._info, user=user)


def _ignore(_message: Message) -> None:
    """For a backend that keeps nothing live: nobody shows what goes on."""


def _join(raw: bytes) -> bytes:
    """The array of the items of a list."""
    return b"[%b]" % b",".join(map(bytes, decode(raw, _RawList).items or ()))


def _is_about(event: Event, ref: Ref) -> bool:
    """Whether an event of an object of that name is about this very one; some that are made by hand have no uid."""
    # The kubelet gives the name of its node as the uid.
    return ref.kind == "Node" or not ref.uid or event.involved_object.uid in ("", ref.uid)


def _shown(raw: bytes) -> dict[str, object]:
    try:
        return masked(decode(raw, dict[str, object]))
    except RecursionError as error:
        raise BackendError(TOO_DEEP) from error


def _whole(raw: bytes) -> dict[str, object]:
    refuse_other_answers(raw)
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except RecursionError as error:
        raise BackendError(TOO_DEEP) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendError("the server's answer cannot be read", clean_line(str(error))) from error
