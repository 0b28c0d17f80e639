"""A TCP connection to a port of a pod, through the API server and the kubelet.

The protocol: k8s.io/kubelet ``pkg/cri/streaming/portforward/websocket.go``. Each port has a channel for data and one
for errors; the first byte of a frame names it. Either begins with the port's number in two bytes.
"""

from __future__ import annotations

from typing import Final

from kvtui.backends.kubernetes.answers import CutError
from kvtui.backends.kubernetes.discovery import object_path
from kvtui.backends.kubernetes.server import Server
from kvtui.backends.kubernetes.streams import SocketStream
from kvtui.model import Ref
from kvtui.text import clean_line

_PROTOCOL: Final = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1


class PodPort(SocketStream):
    """One connection."""

    _failure = ""
    """What the kubelet says of it."""
    _begun = 0
    """Channels whose port number has come."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises CutError with the kubelet's words."""
        while True:
            frame = await super().read()
            if not frame:
                if self._failure:
                    raise self._cut()
                return b""
            channel, data = frame[0], frame[1:]
            if self._begun < 2 and len(data) == 2:
                self._begun += 1
            elif channel == _ERROR:
                self._failure = clean_line(data.decode("utf-8", "replace"))
            elif channel == _DATA and data:
                return data

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises CutError when the stream was cut."""
        await self.send_frames(data, bytes((_DATA,)))

    def _cut(self) -> CutError:
        return CutError(f"{self._name} was cut", self._failure or "the pod or the server is gone")


async def open_pod_port(server: Server, pod: Ref, port: int) -> PodPort:
    """A connection to a port of a pod. Raises BackendError with the server's words."""
    path = object_path("", "v1", "pods", pod.namespace, pod.name, "portforward")
    socket = await server.websocket(f"{path}?ports={port}", _PROTOCOL)
    return PodPort(socket, f"the connection to port {port} of pod {pod.path}")
