"""TLS contexts of listeners."""

from __future__ import annotations

import ssl

from connectors.errors import ConnectorSettingsError
from connectors.settings import Tls


def listener_context(tls: Tls | None) -> ssl.SSLContext | None:
    """Make the context of a listener: TLS 1.2 or newer, client certificates verified when a CA is set.

    Raises:
        ConnectorSettingsError: A file cannot be read, or key and certificate do not belong together.
    """
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise ConnectorSettingsError(f"tls: {tls.certificate}, {tls.key}: {error}") from error
    return context
