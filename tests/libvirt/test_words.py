"""Errors of libvirt in our own words."""

from __future__ import annotations

from kvtui.backends.libvirt.words import translate_opening


def test_a_certificate_that_is_not_trusted_is_told_with_what_may_be_wrong_with_it() -> None:
    # As libvirt 9.0 says it to a host whose certificate is for another name (VIR_ERR_AUTH_FAILED).
    words = "authentication failed: Failed to verify peer's certificate"
    error = translate_opening(45, words, "qemu+tls://kvm1/system")
    assert (error.title, error.detail) == ("qemu+tls://kvm1/system cannot be opened", words)
    assert error.hint.startswith("the host's certificate is not for the name in the URI, has expired, or")
    assert "tlscerts" in translate_opening(38, "Cannot read CA certificate", "qemu+tls://kvm1/system").hint
