"""Secrets, read where they are used: from a file or an environment variable, never from the settings' text."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.errors import ConnectorSettingsError

MAX_SECRET_BYTES = 64 << 10
"""Bearer tokens reach some KiB; a larger file was named by mistake."""


def read_secret(what: str, file: Path | None, variable: str | None) -> str | None:
    """Read a secret.

    Args:
        what: Name of the setting, for messages, such as ``sasl password``.
        file: Its file; surrounding white space is dropped.
        variable: Environment variable that holds it when there is no file.

    Returns:
        The secret; None when neither is given.

    Raises:
        ConnectorSettingsError: The file or variable is not there, empty or too large.
    """
    if file is None and variable is None:
        return None
    try:
        secret = os.environ.get(variable or "", "") if file is None else _read(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorSettingsError(f"{what}: {file} cannot be read: {_reason(error)}") from error
    if not secret.strip():
        raise ConnectorSettingsError(f"{what}: {file or f'environment variable {variable}'} is empty or not set")
    return secret.strip()


def _read(file: Path) -> str:
    with file.open("rb") as data:
        content = data.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise OSError(None, f"larger than {MAX_SECRET_BYTES} bytes")
    return content.decode()


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not UTF-8"
