"""KubeVirt's subresources under ``/apis/subresources.kubevirt.io/v1``, with virt-api's codes and words.

Sources: reference sections 3 and 4; the recordings named ``act-*``, ``start-*``, ``console-*`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from kvtui.demo import dumping, hotplug, kinds, lifecycle
from kvtui.demo.access import Access, Account
from kvtui.demo.console import Consoles
from kvtui.demo.guest import Guest
from kvtui.demo.guestinfo import NoAgentError, check_agent, file_system_list, guest_os_info, user_list
from kvtui.demo.metadata import bad_request
from kvtui.demo.paths import Target
from kvtui.demo.ports import Ports
from kvtui.demo.replies import answer, page_not_found, text
from kvtui.demo.screenshot import draw_console, draw_lock_screen
from kvtui.demo.storage import Object, StorageError
from kvtui.demo.world import World

GROUP = "subresources.kubevirt.io"
_Verb = Callable[[World, str, str, Object], None]
_Info = Callable[[World, Object], Object]

_VM_VERBS: dict[str, _Verb] = {
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "restart": lifecycle.restart,
    "migrate": lifecycle.migrate,
    "addvolume": hotplug.add,
    "removevolume": hotplug.remove,
    "memorydump": dumping.dump,
    "removememorydump": dumping.remove,
}
"""Answered with 202: accepted, and seen in the objects later."""

_VMI_VERBS: dict[str, _Verb] = {
    "pause": lifecycle.pause,
    "unpause": lifecycle.unpause,
    "softreboot": lifecycle.softreboot,
    "reset": lifecycle.reset,
    "freeze": lifecycle.freeze,
    "unfreeze": lifecycle.unfreeze,
    "evacuate/cancel": lifecycle.evacuate_cancel,
}
"""Answered with 200."""

_INFOS: dict[str, _Info] = {
    "guestosinfo": guest_os_info,
    "userlist": user_list,
    "filesystemlist": file_system_list,
}
_VERSION: Object = {
    "gitVersion": "v1.9.0",
    "gitCommit": "2f1a3c6c1f6dd1b7e3a3b7f1d3c1a1c5a7f0e9d4",
    "gitTreeState": "clean",
    "buildDate": "2026-11-10T10:02:11Z",
    "goVersion": "go1.25.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def _accepts_anything(request: web.BaseRequest) -> bool:
    """virt-api knows no representation of most answers and refuses clients that insist on JSON."""
    accept = request.headers.get("Accept", "*/*")
    return any(media.partition(";")[0].strip() == "*/*" for media in accept.split(","))


def not_acceptable() -> web.Response:
    """406 (recording ``trap-put-accept-json-406``)."""
    return text("406: Not Acceptable\n\nAvailable representations: ", 406)


def _missing(kind: str, name: str) -> StorageError:
    """404 as virt-api words it, in the singular."""
    return StorageError(404, "NotFound", f'{kind}.kubevirt.io "{name}" not found')


class _Options(msgspec.Struct, rename="camel", omit_defaults=True):
    """All options of the verbs, with their types."""

    paused: bool = False
    grace_period: int | None = None
    grace_period_seconds: int | None = None
    added_node_selector: dict[str, str] | None = None
    evacuation_node_name: str = ""
    claim_name: str = ""
    name: str = ""
    disk: dict[str, Any] | None = None
    volume_source: dict[str, Any] | None = None
    dry_run: list[str] | None = None


async def _read_options(request: web.BaseRequest) -> Object:
    data = await request.read()
    if not data.strip():
        return {}
    try:
        options: Object = msgspec.to_builtins(msgspec.json.decode(data, type=_Options))
    except msgspec.DecodeError as error:
        raise bad_request(f"Can not unmarshal Request body to struct, error: json: {error}") from None
    return options


class Subresources:
    """Answers them."""

    def __init__(self, world: World, access: Access, consoles: Consoles, ports: Ports) -> None:
        self._world = world
        self._access = access
        self._consoles = consoles
        self._ports = ports

    async def respond(self, request: web.BaseRequest, account: Account, target: Target) -> web.StreamResponse:
        """One request. kube-apiserver has looked at the first part of the subresource, virt-api looks at all of it, but
        for the port to forward: roles grant ``portforward``.
        """
        if target.subresource not in (target.rest, "portforward"):
            try:
                self._access.authorize(account, target, target.rest)
            except StorageError as error:
                return text(error.message, 401)
        match target.resource, target.rest, request.method:
            case "version", "", "GET":
                return answer(_VERSION)
            case ("healthz", "", "GET"):
                return answer({"apiserver": {"connectivity": "ok", "version": "v1.36.2"}})
            case "virtualmachines", verb, "PUT" if verb in _VM_VERBS:
                return await self._act(request, target, _VM_VERBS[verb], 202)
            case "virtualmachineinstances", "addvolume" | "removevolume", "PUT":
                return await self._act(request, target, hotplug.refuse_instance, 202)
            case "virtualmachineinstances", verb, "PUT" if verb in _VMI_VERBS:
                return await self._act(request, target, _VMI_VERBS[verb], 200)
            case "virtualmachineinstances", info, "GET" if info in _INFOS:
                return self._ask_agent(target, _INFOS[info])
            case "virtualmachines", "expand-spec", "GET":
                return answer(self._vm(target))
            case (("virtualmachines" | "virtualmachineinstances"), "objectgraph", "GET"):
                raise bad_request("ObjectGraph feature gate not enabled: Unable to return object graph.")
            case "virtualmachineinstances", "console", "GET":
                return await self._consoles.respond(request, self._vmi(target))
            case "virtualmachineinstances", "vnc/screenshot", "GET":
                return self._screenshot(target)
        if target.rest.startswith("portforward/"):
            return await self._forward_port(request, target)
        return page_not_found()

    def _vm(self, target: Target) -> Object:
        found = self._world.storage.find(kinds.VM, target.namespace, target.name)
        if found is None:
            raise _missing("virtualmachine", target.name)
        return found

    def _vmi(self, target: Target) -> Object:
        found = self._world.storage.find(kinds.VMI, target.namespace, target.name)
        if found is None:
            raise _missing("virtualmachineinstance", target.name)
        return found

    def _check_started(self, target: Target) -> None:
        self._vm(target)
        if self._world.storage.find(kinds.VMI, target.namespace, target.name) is None:
            message = f'Operation cannot be fulfilled on virtualmachine.kubevirt.io "{target.name}": VMI is not started'
            raise StorageError(409, "Conflict", message)

    async def _act(self, request: web.BaseRequest, target: Target, verb: _Verb, code: int) -> web.Response:
        if not _accepts_anything(request):
            return not_acceptable()
        options = await _read_options(request)
        verb(self._world, target.namespace, target.name, options)
        if target.rest in ("reset", "softreboot") and not options.get("dryRun"):
            self._consoles.machines.of(self._vmi(target)).guest.reboot()
        return web.Response(status=code)

    def _ask_agent(self, target: Target, info: _Info) -> web.Response:
        """Failures are 500 with plain text, even for an instance that is not there."""
        try:
            vmi = self._vmi(target)
            check_agent(vmi)
        except (StorageError, NoAgentError) as error:
            return text(str(error), 500)
        return answer(info(self._world, vmi))

    def _screenshot(self, target: Target) -> web.Response:
        vmi = self._vmi(target)
        if vmi["spec"].get("domain", {}).get("devices", {}).get("autoattachGraphicsDevice") is False:
            raise bad_request("No graphics devices are present.")
        if vmi.get("status", {}).get("phase") != "Running":
            raise bad_request("VMI is not running")
        guest = self._consoles.machines.of(vmi).guest
        if not isinstance(guest, Guest):
            picture = draw_console(guest.log.lines())
        elif guest.is_windows and guest.state == "running":
            now = self._world.clock.now
            picture = draw_lock_screen((f"{now:%H:%M}", 16), (f"{now:%A, %B} {now.day}", 5))
        else:
            picture = draw_console(guest.screen_lines())
        return web.Response(body=picture, content_type="image/png")

    async def _forward_port(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        if target.resource == "virtualmachines":
            self._check_started(target)
        vmi = self._vmi(target)
        _, port, *protocol = target.rest.split("/")
        return await self._ports.respond(request, vmi, port, protocol[0] if protocol else "tcp")
