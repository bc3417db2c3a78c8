"""How to reach an Elasticsearch cluster, and as whom."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from connectors.address import is_safe_url
from connectors.errors import ConnectorSettingsError
from connectors.secret import read_secret

DEFAULT_REQUEST_BYTES = 5 << 20
"""Elasticsearch advises 5 to 15 MB; proxies before it often take less, and then requests are halved."""


class Elasticsearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a cluster is and who we are there: an API key, or a user with a password.

    Attributes:
        urls: Addresses of its nodes, https, or http on loopback; tried in turn.
        ca_file: Certificates to trust instead of the system's; there is no way to trust any.
        api_key_file: File with the key as Elasticsearch gave it (its field `encoded`).
        api_key_env: Environment variable with the key.
        username: Instead of a key.
        password_file: File with the user's password.
        password_env: Environment variable with the password.
        timeout_s: For one request.
    """

    urls: list[str]
    ca_file: Path | None = None
    api_key_file: Path | None = None
    api_key_env: str | None = None
    username: str | None = None
    password_file: Path | None = None
    password_env: str | None = None
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what is unsafe or cannot log in."""
        if not self.urls:
            raise ValueError("urls is empty")
        for url in self.urls:
            if "@" in url:
                raise ValueError("urls must not hold a password; use username and password_file")
            if not is_safe_url(url):
                raise ValueError(f"{url!r}: use https (plain http only on loopback)")
        keys = [each for each in (self.api_key_file, self.api_key_env) if each is not None]
        passwords = [each for each in (self.password_file, self.password_env) if each is not None]
        if len(keys) + len(passwords) != 1 or (self.username is None) != (not passwords):
            raise ValueError("set api_key_file or api_key_env, or username with password_file or password_env")

    def api_key(self) -> str | None:
        """Read the key; None without one.

        Raises:
            ConnectorSettingsError: It cannot be read.
        """
        return read_secret("elasticsearch api_key", self.api_key_file, self.api_key_env)

    def login(self) -> tuple[str, str] | None:
        """Read user and password; None without a user.

        Raises:
            ConnectorSettingsError: The password cannot be read.
        """
        password = read_secret("elasticsearch password", self.password_file, self.password_env)
        return None if self.username is None or password is None else (self.username, password)

    def tls(self) -> ssl.SSLContext:
        """Make the context that verifies every certificate: TLS 1.2 or newer.

        Raises:
            ConnectorSettingsError: The CA file cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConnectorSettingsError(f"elasticsearch ca_file {self.ca_file}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
