"""Accounts, badges and mail addresses to people."""

from __future__ import annotations

from normalizers.context.store import View
from normalizers.event import EcsEvent, Value
from normalizers.source import SourceProfile

BUILT_IN = frozenset({"system", "local service", "network service", "anonymous logon", "dwm-1", "umfd-0", "-"})
"""Accounts of the operating system: nobody's, and not unknown either."""


def add_people(event: EcsEvent, profile: SourceProfile, view: View) -> None:
    """Add actor and target: who acted (`convergence.person`), and who was acted upon (`convergence.person_target`)."""
    fields = event.fields
    badge = fields.get("physical.credential.id")
    if isinstance(badge, str | int) and "iam" not in _words(fields.get("event.category")):
        _add(fields, view, "person", (profile.system or profile.id, "badge", str(badge)))
    elif isinstance(name := fields.get("user.name"), str) and name:
        identity = _account(fields, profile, name, "user.domain")
        fields.setdefault("convergence.account.id", f"{identity[0]}\\{identity[2]}".lower())
        if name.lower() not in BUILT_IN and not name.endswith("$"):
            _add(fields, view, "person", identity)
    if isinstance(target := fields.get("user.target.name"), str) and target:
        _add(fields, view, "person_target", _account(fields, profile, target, "user.target.domain"))
    elif badge is not None and "iam" in _words(fields.get("event.category")):
        _add(fields, view, "person_target", (profile.system or profile.id, "badge", str(badge)))


def _account(fields: dict[str, Value], profile: SourceProfile, name: str, domain_path: str) -> tuple[str, str, str]:
    if "@" in name:
        return "mail", "email", name
    host = str(fields.get("host.name") or profile.host or "").lower()
    domain = str(fields.get(domain_path) or "").lower()
    if domain and domain not in {host, host.partition(".")[0], "workgroup"}:
        return domain, "account", name
    if domain:
        return host.partition(".")[0], "account", name
    return (profile.system or host or profile.id), "account", name


def _add(fields: dict[str, Value], view: View, role: str, identity: tuple[str, str, str]) -> None:
    system, kind, value = identity
    found = view.identity(system, kind, value)
    person = view.person(found.person_id) if found is not None and found.person_id else None
    prefix = f"convergence.{role}."
    if person is None:
        fields[prefix + "id"] = f"?{system}\\{value}".lower() if kind == "account" else f"?{system}\\{value}"
        fields[prefix + "status"] = "unknown"
        return
    fields[prefix + "id"] = person.person_id
    fields[prefix + "status"] = person.status or "unknown"
    for leaf, stated in (("type", person.type), ("vendor", person.vendor)):
        if stated is not None:
            fields[prefix + leaf] = stated
    if person.groups:
        fields[prefix + "groups"] = list(person.groups)
    if person.name is not None:
        fields["user.full_name" if role == "person" else "user.target.full_name"] = person.name


def _words(value: Value) -> list[object]:
    return list(value) if isinstance(value, list) else [value]
