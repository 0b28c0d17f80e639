"""The XML of libvirt's objects as it may be shown: without what opens doors. Elements: libvirt's formatdomain.html."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from kvtui.text import clean

MASK: Final = "(hidden)"
_ATTRIBUTES: Final = {
    "auth": ("username",),
    "graphics": ("passwd",),
    "password": ("value",),
    "secret": ("uuid", "usage"),
    "vnc": ("password",),
}
"""Attributes that are hidden, by element."""
_ARGUMENTS: Final = re.compile(r"(?i)\b(string|password(?:-secret)?|passwd|secret|data|key-secret)=(?!\s*$)[^,]*")
"""Of QEMU's own command line: ``name=opt/com.coreos/config,string=...``."""
_TOLD: Final = frozenset({"manufacturer", "product", "vendor", "version", "date", "release", "family", "uuid", "asset"})
"""Entries of sysinfo that describe hardware; all others may carry cloud-init's or Ignition's data."""


def mask_xml(xml: str) -> str:
    """The document without its secrets, cleaned. Raises ValueError for what is no XML: it could not be searched."""
    try:
        document = minidom.parseString(xml)
    except (ExpatError, ValueError) as error:
        raise ValueError(str(error)) from None
    root = document.documentElement
    assert root is not None
    for element in _elements(root):
        _mask_element(element)
    text: str = root.toxml()
    return clean(text.replace("\r", ""))


def _elements(root: minidom.Element) -> Iterator[minidom.Element]:
    yield root
    for node in root.childNodes:
        if isinstance(node, minidom.Element):
            yield from _elements(node)


def _mask_element(element: minidom.Element) -> None:
    for name in _ATTRIBUTES.get(element.tagName, ()):
        if element.hasAttribute(name):
            element.setAttribute(name, MASK)
    tag = element.tagName.rpartition(":")[2]
    if tag == "arg" and element.hasAttribute("value"):
        element.setAttribute("value", _ARGUMENTS.sub(rf"\1={MASK}", element.getAttribute("value")))
    elif tag == "env" and element.hasAttribute("value"):
        element.setAttribute("value", MASK)
    elif tag == "entry" and _is_in_sysinfo(element) and element.getAttribute("name") not in _TOLD:
        _mask_text(element)
    elif tag in ("dhCert", "session", "masterkey", "hostdata", "psp", "launchKey"):
        # launchSecurity: what unlocks an encrypted guest.
        _mask_text(element)


def _is_in_sysinfo(element: minidom.Element) -> bool:
    node = element.parentNode
    while isinstance(node, minidom.Element):
        if node.tagName == "sysinfo":
            return True
        node = node.parentNode
    return False


def _mask_text(element: minidom.Element) -> None:
    for node in element.childNodes:
        if isinstance(node, minidom.Text) and node.data.strip():
            node.data = MASK
