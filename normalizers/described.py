"""The ECS fields that say what kind of thing an action is: one table for all normalizers."""

from __future__ import annotations

from typing import Literal

import msgspec

from normalizers.event import Value

Outcome = Literal["success", "failure", "unknown"]
Domain = Literal["it", "ot", "physical", "bms", "context"]


class Kind(msgspec.Struct, frozen=True):
    """Category, type and usual outcome of an action (ECS categorization fields)."""

    category: str
    type: str
    outcome: Outcome | None = None


KINDS: dict[str, Kind] = {
    # Accounts and logons.
    "logged-in": Kind("authentication", "start", "success"),
    "logon-failed": Kind("authentication", "start", "failure"),
    "session-start": Kind("session", "start", "success"),
    "session-end": Kind("session", "end", "success"),
    "vpn-session-start": Kind("session", "start", "success"),
    "vpn-session-end": Kind("session", "end", "success"),
    "recording-started": Kind("session", "info", "success"),
    "recording-stopped": Kind("configuration", "end"),
    "recording-uploaded": Kind("session", "info", "success"),
    "privileges-assigned": Kind("iam", "admin", "success"),
    "credential-used": Kind("authentication", "info", "success"),
    "secret-retrieved": Kind("iam", "access", "success"),
    "account-created": Kind("iam", "creation", "success"),
    "group-member-added": Kind("iam", "change", "success"),
    # Hosts.
    "process-started": Kind("process", "start"),
    "file-created": Kind("file", "creation"),
    "file-deleted": Kind("file", "deletion"),
    "file-accessed": Kind("file", "access"),
    "registry-changed": Kind("registry", "change"),
    "library-loaded": Kind("library", "start"),
    "dns-query": Kind("network", "protocol"),
    "service-installed": Kind("configuration", "creation", "success"),
    "service-started": Kind("process", "start", "success"),
    "service-stopped": Kind("process", "end", "success"),
    "log-cleared": Kind("configuration", "deletion", "success"),
    "time-sync": Kind("configuration", "change", "success"),
    # Networks.
    "network-connection": Kind("network", "connection"),
    "ot-flow": Kind("network", "connection"),
    # Controllers.
    "program-download": Kind("configuration", "change", "success"),
    "program-upload": Kind("configuration", "access", "success"),
    "online-edit": Kind("configuration", "change", "success"),
    "mode-changed": Kind("configuration", "change", "success"),
    "plc-stop": Kind("configuration", "change", "success"),
    "plc-start": Kind("configuration", "change", "success"),
    "firmware-updated": Kind("configuration", "change", "success"),
    "asset-discovered": Kind("host", "info"),
    "ids-alert": Kind("intrusion_detection", "info"),
    "read": Kind("network", "access"),
    "write": Kind("network", "change"),
    # Doors, badges, cameras.
    "access-granted": Kind("session", "start", "success"),
    "access-taken": Kind("session", "start", "success"),
    "mustered": Kind("session", "info", "success"),
    "muster-started": Kind("session", "info"),
    "antipassback-reset": Kind("session", "info", "success"),
    "visitor-checked-in": Kind("session", "start", "success"),
    "visitor-checked-out": Kind("session", "end", "success"),
    "access-denied": Kind("session", "denied", "failure"),
    "door-forced": Kind("intrusion_detection", "info"),
    "door-held": Kind("intrusion_detection", "info"),
    "door-opened": Kind("session", "info"),
    "door-closed": Kind("session", "info"),
    "door-mode-changed": Kind("configuration", "change", "success"),
    "door-unlocked-command": Kind("configuration", "change", "success"),
    "schedule-changed": Kind("configuration", "change", "success"),
    "access-level-changed": Kind("iam", "change", "success"),
    "credential-issued": Kind("iam", "creation", "success"),
    "credential-revoked": Kind("iam", "deletion", "success"),
    "camera-offline": Kind("host", "end"),
    "camera-restored": Kind("host", "start"),
    "camera-tampered": Kind("intrusion_detection", "info"),
    "view-obstructed": Kind("intrusion_detection", "info"),
    "person-detected": Kind("intrusion_detection", "info"),
    "motion-detected": Kind("intrusion_detection", "info"),
    "doorbell-rung": Kind("session", "info"),
    "panel-offline": Kind("host", "end"),
    "panel-restored": Kind("host", "start"),
    # Feeds.
    "ticket-changed": Kind("configuration", "change"),
    "approval-given": Kind("configuration", "change", "success"),
    "approval-rejected": Kind("configuration", "change", "failure"),
    "hr-status-changed": Kind("iam", "change"),
}


def described(
    action: str, *, dataset: str, module: str, domain: Domain, outcome: Outcome | None = None
) -> dict[str, Value]:
    """Return the fields every event has; an action without a kind is plain information.

    Args:
        action: Canonical action, or one of the product's own in lower case with hyphens.
        dataset: Such as `zeek.conn`.
        module: The product.
        domain: Whose world it is.
        outcome: When it differs from the action's usual one.
    """
    kind = KINDS.get(action, Kind("host" if domain in {"it", "physical"} else "network", "info"))
    fields: dict[str, Value] = {
        "event.kind": "alert" if action == "ids-alert" else "event",
        "event.category": [kind.category],
        "event.type": [kind.type],
        "event.action": action,
        "event.dataset": dataset,
        "event.module": module,
        "convergence.domain": domain,
    }
    settled = outcome or kind.outcome
    if settled is not None:
        fields["event.outcome"] = settled
    return fields
