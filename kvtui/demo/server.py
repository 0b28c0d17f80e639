"""The HTTP server of the demo cluster: it speaks the Kubernetes API on the loopback interface."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime

from aiohttp import web

from kvtui.demo import metrics, openapi
from kvtui.demo.access import Access, Account, review_access, review_rules, review_self
from kvtui.demo.bodies import is_dry_run, media_type, parse, read_eviction_options
from kvtui.demo.certificate import Certificate, make_certificate
from kvtui.demo.churn import Churn
from kvtui.demo.console import Consoles
from kvtui.demo.contents import Contents
from kvtui.demo.controls import Controls
from kvtui.demo.directives import warning_headers
from kvtui.demo.discovery import AGGREGATED, VERSION, Discovery
from kvtui.demo.eviction import evict
from kvtui.demo.exports import ExportServer
from kvtui.demo.exposition import handler_metrics
from kvtui.demo.faults import Faults
from kvtui.demo.forms import form_of, object_body
from kvtui.demo.kinds import API_SERVICE
from kvtui.demo.lists import Lists
from kvtui.demo.logs import Logs
from kvtui.demo.machines import MakeGuest, simulated_guest
from kvtui.demo.metadata import bad_request
from kvtui.demo.objects import has_condition
from kvtui.demo.paths import Target
from kvtui.demo.paths import parse as parse_path
from kvtui.demo.ports import Ports
from kvtui.demo.replies import JSON, answer, failure, not_allowed, page_not_found, text
from kvtui.demo.served import ServedKinds
from kvtui.demo.storage import Kind, Object, StorageError
from kvtui.demo.subresources import GROUP as SUBRESOURCES
from kvtui.demo.subresources import Subresources
from kvtui.demo.ticker import Ticker
from kvtui.demo.uploads import GROUP as UPLOADS
from kvtui.demo.uploads import Uploads
from kvtui.demo.watches import Watches
from kvtui.demo.world import World
from kvtui.demo.writes import Writes

_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
_HEALTH = ("/healthz", "/livez", "/readyz")
_ROOT_PATHS = ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]


class Server:
    """One demo cluster on one port. `start` it, give its `url` and tokens to clients, `stop` it."""

    def __init__(
        self,
        world: World,
        *,
        speed: float = 1.0,
        bookmark_interval: float = 60.0,
        make_guest: MakeGuest = simulated_guest,
        certificate: Certificate | None = None,
    ) -> None:
        """`speed`: virtual seconds that pass in a real one, 0 for a clock that only tests advance;
        `bookmark_interval`: real seconds between the bookmarks of a watch; `make_guest`: who is behind the consoles;
        `certificate`: its own, made for it by default.
        """
        self.world = world
        self.access = Access()
        self.certificate = certificate or make_certificate()
        self.faults = Faults()
        self.ticker = Ticker(self.advance, speed, world.failures)
        self.served = ServedKinds(world.storage)
        self.watches = Watches(world.storage, world.clock, self.faults, bookmark_interval)
        self.consoles = Consoles(world, make_guest)
        self.churn = Churn(world)
        self.served.on_removed(lambda kind: self.watches.cut(kind))
        self._discovery = Discovery(self.served)
        self._lists = Lists(world.storage, world.clock)
        self._writes = Writes(world)
        self._logs = Logs(world, self.consoles.machines, self.faults)
        self._ports = Ports(world.storage, self.consoles.machines)
        self._contents = Contents()
        self._exports = ExportServer(world, self._contents)
        self._subresources = Subresources(world, self.access, self.consoles, self._ports)
        self._controls = Controls(self)
        self.uploads = Uploads(world, self.certificate, self._contents)
        self._runner: web.ServerRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The base address."""
        return f"https://127.0.0.1:{self.port}"

    def advance(self, seconds: float) -> None:
        """Let virtual time pass in the cluster and in the guests that someone looks at."""
        self.world.advance(seconds)
        self.consoles.machines.catch_up()

    async def start(self, port: int = 0) -> None:
        """Listen on a loopback port (any free one for 0) and let time pass. Raises OSError when the port is taken."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self.certificate.server_context())
        await site.start()
        self.port = self._runner.addresses[0][1]
        await self.uploads.start()
        self.ticker.start()

    async def stop(self) -> None:
        """End all watches and consoles, and close the port."""
        await self.ticker.stop()
        await self.churn.stop()
        await self.uploads.stop()
        self._contents.close()
        self.faults.release()
        self.watches.close()
        self._logs.close()
        self._ports.close()
        await self.consoles.close()
        self.served.close()
        # One turn of the loop lets the streams write their ends.
        await asyncio.sleep(0)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer, with the time of the cluster and what it warns of."""
        response = await self._respond(request)
        if not response.prepared:
            response.headers["Date"] = format_datetime(self.world.clock.now, usegmt=True)
            response.headers.extend([("Warning", words) for words in warning_headers(request)])
        return response

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.faults.hold()
        try:
            account = self.access.authenticate(request.headers.get("Authorization"))
            if "Impersonate-User" in request.headers:
                groups = tuple(request.headers.getall("Impersonate-Group", ()))
                account = self.access.impersonate(account, request.headers["Impersonate-User"], groups)
            target = parse_path(request.method, request.path, request.query)
            self.access.authorize(account, target)
            if not target.resource:
                return await self._document(request, account)
            return await self._resource(request, account, target)
        except StorageError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001 - boundary: the client is told what failed, and the server goes on
            self.world.failures.tell(f"{request.method} {request.path}", error)
            told = f"{type(error).__name__}: {error}"
            return failure(StorageError(500, "InternalError", f"Internal error occurred: {told}"))

    # Documents: discovery, health, schemas

    async def _document(self, request: web.BaseRequest, account: Account) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        first, *rest = path.strip("/").split("/")
        if first == "demo":
            return await self._controls.respond(request, account)
        if first in ("api", "apis"):
            return self._discovered(request, first, rest)
        if path == "/version":
            return answer(VERSION)
        if path == "/":
            return answer({"paths": _ROOT_PATHS})
        if path.startswith(_HEALTH):
            return text("ok")
        if first == "openapi":
            found = openapi.document("/".join(rest), self.served.kinds)
            return answer(found) if found else page_not_found()
        return page_not_found()

    def _discovered(self, request: web.BaseRequest, first: str, rest: list[str]) -> web.StreamResponse:
        if not rest:
            wanted = (media.strip() for media in request.headers.get("Accept", "").split(","))
            if any(media == AGGREGATED for media in wanted):
                return answer(self._discovery.aggregated(core=first == "api"), content_type=AGGREGATED)
            if first == "api":
                return answer(self._discovery.core_versions(f"127.0.0.1:{self.port}"))
            return answer(self._discovery.group_list())
        if first == "apis" and len(rest) == 1:
            found = self._discovery.group(rest[0])
        else:
            found = self._discovery.resource_list(*(("", rest[0]) if first == "api" else (rest[0], rest[1])))
        return answer(found) if found else page_not_found()

    # Resources

    async def _resource(self, request: web.BaseRequest, account: Account, target: Target) -> web.StreamResponse:
        if target.resource in _REVIEWS and target.group.startswith("auth"):
            return await self._review(request, account, target)
        if target.group in (SUBRESOURCES, UPLOADS, metrics.GROUP):
            unavailable = self._unavailable(target)
            if unavailable is not None:
                return unavailable
            if target.group == UPLOADS:
                return await self.uploads.respond(request, target)
            if target.group == metrics.GROUP:
                return answer(metrics.respond(self.world, target, request.query))
            return await self._subresources.respond(request, account, target)
        kind = self.served.find(target.group, target.version, target.resource)
        if kind is None:
            return self._absent(target)
        if target.subresource and not (target.subresource == "status" and kind.status):
            return await self._subresource(request, target, kind)
        return await self._object(request, account, target, kind)

    def _unavailable(self, target: Target) -> web.Response | None:
        """What an aggregated API answers whose service is gone or ill."""
        service = self.world.storage.find(API_SERVICE, "", f"{target.version}.{target.group}")
        if service is None:
            return page_not_found()
        return text("service unavailable\n", 503) if has_condition(service, "Available", "False") else None

    def _absent(self, target: Target) -> web.Response:
        if target.group in ("", "apps"):
            raise StorageError(404, "NotFound", "the server could not find the requested resource", {})
        return page_not_found()

    async def _object(
        self, request: web.BaseRequest, account: Account, target: Target, kind: Kind
    ) -> web.StreamResponse:
        match target.verb:
            case "list":
                self.faults.check_list()
                return await self._lists.respond(request, kind, target.namespace)
            case "watch":
                return await self.watches.respond(request, account, kind, target.namespace)
            case "get":
                return self._get(request, target, kind)
            case "create" if not target.name and bool(target.namespace) == kind.namespaced:
                return await self._writes.create(request, target, kind)
            case "update" if target.name:
                return await self._writes.update(request, target, kind)
            case "patch" if target.name:
                return await self._writes.patch(request, target, kind)
            case "delete":
                return await self._writes.delete(request, target, kind)
            case "deletecollection":
                return await self._writes.delete_collection(request, target, kind)
        raise not_allowed()

    def _get(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        raw = self.world.storage.raw(kind, target.namespace, target.name).raw
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        body = object_body(kind, raw, form, self.world.clock.now)
        return web.Response(body=body, headers={"Content-Type": JSON})

    async def _subresource(self, request: web.BaseRequest, target: Target, kind: Kind) -> web.StreamResponse:
        match kind.plural, target.rest, target.verb:
            case "pods", "log", "get":
                return await self._logs.respond(request, target)
            case "pods", "proxy/metrics", "get":
                return text(handler_metrics(self.world, target.namespace, target.name))
            case "services", rest, "get" if rest.startswith("proxy/"):
                return await self._exports.respond(request, target)
            case "pods", "eviction", "create":
                options = await read_eviction_options(request)
                dry_run = is_dry_run(request, options)
                return answer(evict(self.world, target.namespace, target.name, dry_run=dry_run), 201)
            case "pods", "portforward", "get":
                return await self.uploads.forward(request, target)
            case "pods", "exec" | "attach" | "portforward", _:
                raise bad_request(f"the demo cluster runs no real containers: there is no {target.rest} here")
        raise StorageError(404, "NotFound", "the server could not find the requested resource", {})

    async def _review(self, request: web.BaseRequest, account: Account, target: Target) -> web.Response:
        if target.verb != "create":
            raise not_allowed()
        review = parse(await request.read(), media_type(request))
        if not isinstance(review, dict) or not isinstance(review.get("spec") or {}, dict):
            raise bad_request("the object provided is unrecognized")
        return answer(self._reviewed(account, target.resource, review), 201)

    def _reviewed(self, account: Account, resource: str, review: Object) -> Object:
        if resource == "selfsubjectaccessreviews":
            return review_access(account, self.access, review)
        if resource == "selfsubjectrulesreviews":
            return review_rules(account)
        return review_self(account)
