"""A self-signed certificate for the loopback address, made anew for every run with nothing but the standard library.

kubectl reads tokens from a kubeconfig for https servers only, so the demo cluster needs one. The key lives as long as
the process. Sources: SEC 1 and FIPS 186-5 (ECDSA on P-256), RFC 5280 (the certificate), X.690 (DER).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_Point = tuple[int, int]
_BASE: _Point = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_EC_KEY, _P256, _ECDSA_SHA256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.10045.4.3.2"
_UPLOAD_PROXY = b"cdi-uploadproxy.cdi.svc"
_NAME, _LIFETIME = "kvtui demo", timedelta(days=3650)


def _add(one: _Point | None, other: _Point | None) -> _Point | None:
    """The sum of two points of P-256; None is the point at infinity."""
    if one is None:
        return other
    if other is None:
        return one
    if one[0] == other[0]:
        if (one[1] + other[1]) % _PRIME == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, _PRIME)
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _PRIME)
    x = (slope * slope - one[0] - other[0]) % _PRIME
    return x, (slope * (one[0] - x) - one[1]) % _PRIME


def _times(factor: int) -> _Point:
    """The base point times a factor between 1 and the order."""
    total: _Point | None = None
    addend: _Point | None = _BASE
    while factor:
        if factor & 1:
            total = _add(total, addend)
        addend = _add(addend, addend)
        factor >>= 1
    if total is None:
        raise ValueError("the factor is a multiple of the order")
    return total


def _sign(secret: int, message: bytes) -> bytes:
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    nonce = secrets.randbelow(_ORDER - 1) + 1
    first = _times(nonce)[0] % _ORDER
    second = pow(nonce, -1, _ORDER) * (digest + first * secret) % _ORDER
    return _sequence(_integer(first), _integer(second))


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(value: bytes, unused: int = 0) -> bytes:
    return _der(0x03, bytes((unused,)), value)


def _identifier(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    coded = bytearray((40 * first + second,))
    for part in rest:
        septets = [part & 0x7F]
        while part := part >> 7:
            septets.append(0x80 | part & 0x7F)
        coded += bytes(reversed(septets))
    return _der(0x06, bytes(coded))


def _time(moment: datetime) -> bytes:
    return _der(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())


def _extension(identifier: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = [_der(0x01, b"\xff")] if critical else []
    return _sequence(_identifier(identifier), *flag, _der(0x04, value))


def _pem(label: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that vouches for itself, and its key; both PEM."""

    certificate: str
    key: str = field(repr=False)

    def server_context(self) -> ssl.SSLContext:
        """What a server on the loopback address needs for TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.certificate + self.key)
            file.flush()
            context.load_cert_chain(Path(file.name))
        return context

    def client_context(self) -> ssl.SSLContext:
        """What a client needs to trust that server and no other."""
        return ssl.create_default_context(cadata=self.certificate)


def make_certificate() -> Certificate:
    """A fresh key and its certificate for 127.0.0.1, localhost and the service of CDI's upload proxy."""
    secret = secrets.randbelow(_ORDER - 1) + 1
    point = b"\x04" + b"".join(part.to_bytes(32, "big") for part in _times(secret))
    algorithm = _sequence(_identifier(_ECDSA_SHA256))
    name = _sequence(_der(0x31, _sequence(_identifier("2.5.4.3"), _der(0x0C, _NAME.encode()))))
    begin = datetime.now(UTC) - timedelta(hours=1)
    names = (_der(0x82, b"localhost"), _der(0x82, _UPLOAD_PROXY), _der(0x87, bytes((127, 0, 0, 1))))
    extensions = _sequence(
        _extension("2.5.29.19", _sequence(_der(0x01, b"\xff")), critical=True),
        # digitalSignature and keyCertSign
        _extension("2.5.29.15", _bits(b"\x84", 2), critical=True),
        _extension("2.5.29.37", _sequence(_identifier("1.3.6.1.5.5.7.3.1"))),
        _extension("2.5.29.14", _der(0x04, hashlib.sha1(point, usedforsecurity=False).digest())),
        _extension("2.5.29.17", _sequence(*names)),
    )
    to_be_signed = _sequence(
        _der(0xA0, _integer(2)),
        _integer(secrets.randbits(120) | 1),
        algorithm,
        name,
        _sequence(_time(begin), _time(begin + _LIFETIME)),
        name,
        _sequence(_sequence(_identifier(_EC_KEY), _identifier(_P256)), _bits(point)),
        _der(0xA3, extensions),
    )
    certificate = _sequence(to_be_signed, algorithm, _bits(_sign(secret, to_be_signed)))
    key = _sequence(
        _integer(1), _der(0x04, secret.to_bytes(32, "big")), _der(0xA0, _identifier(_P256)), _der(0xA1, _bits(point))
    )
    return Certificate(_pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", key))
