"""A certificate for loopback, as broker settings."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: Path, *, days: int = 2) -> tuple[dict[str, str], Path]:
    """Make a certificate with openssl.

    Args:
        folder: Where key and certificate go.
        days: How long it is valid.

    Returns:
        Broker settings, and the certificate for clients to trust.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "keystore.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(  # noqa: S603  our own command
        [*request, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    both.write_text(key.read_text() + certificate.read_text())
    stores = {"ssl.keystore.location": str(both), "ssl.truststore.location": str(certificate)}
    return {"ssl.keystore.type": "PEM", "ssl.truststore.type": "PEM", **stores}, certificate
