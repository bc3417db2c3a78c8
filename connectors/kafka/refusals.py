"""What an error of the client means, for whoever has to mend it: a right that is missing is named."""

from __future__ import annotations

from collections.abc import Iterator

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

_REFUSED: dict[type[Exception], str] = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "consumer group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "the cluster",
}


def explain_error(error: BaseException) -> str:
    """Say what went wrong.

    Returns:
        Which right is missing and where to find it, if that is the cause; otherwise the error's own words.
    """
    for each in _causes(error):
        for kind, what in _REFUSED.items():
            if isinstance(each, kind):
                named = f"{what} {_names(each)}".rstrip()
                return f"the broker does not let us do this with {named}: compare its ACLs with `isthmus topics acls`"
    return str(error) or repr(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _names(error: BaseException) -> str:
    """Return what the client says it was refused: a name, or several."""
    names = error.args[0] if error.args else ""
    return names if isinstance(names, str) else ", ".join(sorted(map(str, names)))
