"""A certificate authority of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates for loopback with openssl.

    Attributes:
        certificate: What clients trust.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, name
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl("req", "-x509", *_new_key(self._key), "-days", "2", "-subj", f"/CN={name}", "-out", self.certificate)

    def sign(self, subject: str, *, days: int = 2) -> tuple[Path, Path]:
        """Make a certificate.

        Args:
            subject: Its common name.
            days: How long it is valid; -1 has expired.

        Returns:
            Certificate and key.
        """
        stem = self._folder / f"{subject}-{days}"
        certificate, key, request, names = (stem.with_suffix(end) for end in (".pem", ".key", ".csr", ".ext"))
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("req", "-new", *_new_key(key), "-subj", f"/CN={subject}", "-out", request)
        signer: list[str | Path] = ["-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-extfile", names]
        _openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-out", certificate)
        return certificate, key

    def keystore(self, subject: str, *, days: int = 2) -> dict[str, str]:
        """Return broker settings of a certificate made for it, and of trust in this authority."""
        certificate, key = self.sign(subject, days=days)
        both = certificate.with_suffix(".keystore")
        both.write_text(key.read_text() + certificate.read_text())
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.certificate),
        }


def _new_key(path: Path) -> list[str | Path]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", path]


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)  # noqa: S603, S607  our own
