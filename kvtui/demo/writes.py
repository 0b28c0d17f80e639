"""Create, update, patch and delete, with admission, preconditions and dry runs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from aiohttp import web

from kvtui.demo import kinds
from kvtui.demo.admission import admit, tell_warnings
from kvtui.demo.bodies import check_object, is_dry_run, media_type, parse, read_delete_options, read_object
from kvtui.demo.directives import keep_known, warn
from kvtui.demo.forms import form_of, object_body
from kvtui.demo.lists import is_true, list_options
from kvtui.demo.managers import name_manager, note_writer
from kvtui.demo.metadata import check_name, conflict, exists, not_found
from kvtui.demo.patches import APPLY_PATCH, apply_patch, check_media_type
from kvtui.demo.paths import Target
from kvtui.demo.replies import JSON, answer, encode, success
from kvtui.demo.served import kind_of
from kvtui.demo.storage import Kind, Object, StorageError, with_status
from kvtui.demo.world import World


@dataclass(frozen=True, slots=True)
class _Writer:
    """Who makes a write, as the object itself will tell."""

    manager: str
    subresource: str = ""
    applies: bool = False
    """Whether it is a server-side apply, which is noted already."""


def _writer(request: web.BaseRequest, target: Target, *, applies: bool = False) -> _Writer:
    manager = name_manager(request.query.get("fieldManager", ""), request.headers.get("User-Agent", ""))
    return _Writer(manager, target.subresource, applies)


class Writes:
    """Carries out what changes objects."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._storage = world.storage

    async def create(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        """POST to a collection."""
        obj = await read_object(request, kind, target.namespace)
        created = self._create(kind, obj, _writer(request, target), dry_run=is_dry_run(request))
        return self._written(request, kind, created, 201)

    async def update(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        """PUT of an object or its status."""
        obj = await read_object(request, kind, target.namespace, target.name)
        old = self._storage.get(kind, target.namespace, target.name)
        written = self._update(kind, obj, old, _writer(request, target), dry_run=is_dry_run(request))
        return self._written(request, kind, written, 200)

    async def patch(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        """PATCH of an object or its status; a server-side apply creates what is not there."""
        content_type = media_type(request)
        check_media_type(kind, content_type)
        change = parse(await request.read(), content_type)
        dry_run = is_dry_run(request)
        old = self._storage.find(kind, target.namespace, target.name)
        if old is None and content_type != APPLY_PATCH:
            raise not_found(kind, target.name)
        patched = apply_patch(
            kind,
            old,
            change,
            content_type,
            manager=request.query.get("fieldManager", ""),
            force=is_true(request.query.get("force")),
            moment=self._world.clock.stamp(),
            subresource=target.subresource,
        )
        known = keep_known(request, kind, patched, [], patched=True)
        checked = check_object(known, kind, target.namespace, target.name)
        writer = _writer(request, target, applies=content_type == APPLY_PATCH)
        if old is None:
            return self._written(request, kind, self._create(kind, checked, writer, dry_run=dry_run), 201)
        written = self._update(kind, checked, old, writer, dry_run=dry_run)
        return self._written(request, kind, written, 200)

    async def delete(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        """DELETE of one object."""
        options = await read_delete_options(request)
        last = self._delete(kind, target.namespace, target.name, options, dry_run=is_dry_run(request, options))
        if self._storage.find(kind, target.namespace, target.name) is not None or kind == kinds.POD:
            return self._answer(request, kind, last, 200)
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": last["metadata"]["uid"]}
        return answer(success({key: value for key, value in details.items() if value}))

    async def delete_collection(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        """DELETE of all objects that the selectors choose."""
        options = await read_delete_options(request)
        dry_run = is_dry_run(request, options)
        selection = list_options(kind, request.query, watch=False).selection
        rows = [row for row in self._storage.raw_list(kind, target.namespace or None) if selection.matches(row)]
        deleted = [
            self._delete(kind, row.namespace, row.name, options, dry_run=dry_run)
            for row in rows
            # Others may have gone with their owner meanwhile.
            if self._storage.find(kind, row.namespace, row.name) is not None
        ]
        metadata = {"resourceVersion": str(self._storage.revision)}
        body = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": deleted}
        return answer(body)

    def _create(self, kind: Kind, obj: Object, writer: _Writer, *, dry_run: bool) -> Object:
        if kind.namespaced:
            namespace = self._storage.get(kinds.NAMESPACE, "", obj["metadata"]["namespace"])
            if "deletionTimestamp" in namespace["metadata"]:
                raise _terminating(kind, obj)
        if kind.status and kind != kinds.CRD:
            obj.pop("status", None)
        obj["metadata"].pop("resourceVersion", None)
        obj["metadata"].pop("uid", None)
        if obj["metadata"].get("name"):
            check_name(kind, obj["metadata"]["name"])
        if kind == kinds.CRD:
            kind_of(obj)
        admitted = admit(self._world, kind, obj, None, "CREATE")
        self._note(kind, None, admitted, writer)
        if dry_run:
            return self._as_created(kind, admitted)
        return self._storage.create(kind, admitted)

    def _as_created(self, kind: Kind, obj: Object) -> Object:
        """What a dry run of a create answers."""
        metadata = obj["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        name = metadata.get("name", "")
        check_name(kind, name)
        if self._storage.find(kind, metadata.get("namespace", ""), name) is not None:
            raise exists(kind, name)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": self._world.clock.stamp(), "generation": 1}
        return obj

    def _note(self, kind: Kind, old: Object | None, new: Object, writer: _Writer) -> None:
        """Note in `new` who wrote it; of an update the other half, spec or status, stays as it was."""
        if writer.applies:
            return
        whole = new
        if old is not None and kind.status:
            whole = with_status(old, new) if writer.subresource else with_status(new, old)
        note_writer(kind, old, whole, writer.manager, self._world.clock.stamp(), subresource=writer.subresource)
        noted = whole["metadata"].get("managedFields")
        new["metadata"].pop("managedFields", None)
        if noted:
            new["metadata"]["managedFields"] = noted

    def _update(self, kind: Kind, obj: Object, old: Object, writer: _Writer, *, dry_run: bool) -> Object:
        if kind == kinds.CRD:
            kind_of(obj)
        status = writer.subresource == "status"
        admitted = obj if status else admit(self._world, kind, obj, old, "UPDATE")
        self._note(kind, old, admitted, writer)
        if not dry_run:
            return self._storage.update(kind, admitted, status=status)
        version = admitted["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind, old["metadata"]["name"], why)
        return old | {"status": admitted.get("status")} if status else admitted

    def _delete(self, kind: Kind, namespace: str, name: str, options: Object, *, dry_run: bool) -> Object:
        present = self._storage.get(kind, namespace, name)
        admit(self._world, kind, present, present, "DELETE")
        if dry_run:
            return present
        preconditions = options.get("preconditions") or {}
        return self._storage.delete(
            kind,
            namespace,
            name,
            uid=preconditions.get("uid") or "",
            resource_version=preconditions.get("resourceVersion") or "",
            propagation=options.get("propagationPolicy") or "Background",
            grace=options.get("gracePeriodSeconds"),
        )

    def _written(self, request: web.BaseRequest, kind: Kind, obj: Object, code: int) -> web.Response:
        warn(request, tell_warnings(kind, obj))
        return self._answer(request, kind, obj, code)

    def _answer(self, request: web.BaseRequest, kind: Kind, obj: Object, code: int) -> web.Response:
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        body = object_body(kind, encode(obj), form, self._world.clock.now)
        return web.Response(status=code, body=body, headers={"Content-Type": JSON})


def _terminating(kind: Kind, obj: Object) -> StorageError:
    metadata = obj["metadata"]
    name, namespace = metadata.get("name", ""), metadata["namespace"]
    message = (
        f'{kind.resource} "{name}" is forbidden: unable to create new content in namespace {namespace} '
        "because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    about = {key: value for key, value in (("name", name), ("group", kind.group), ("kind", kind.plural)) if value}
    return StorageError(403, "Forbidden", message, about | {"causes": [cause]})
