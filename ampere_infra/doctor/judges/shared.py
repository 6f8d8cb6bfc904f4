"""The findings of ``templates/host/ready.j2``, which the preflight of every run says as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.doctor.findings import Finding, bad, ok, on_host, unknown

if TYPE_CHECKING:
    from ampere_infra.doctor.facts import Facts


def ready(facts: Facts, key: str, check: str | None = None) -> Finding:
    """Return what the host said about ``key``; what is wrong several times is one finding."""
    name = check or key
    wrong = [values for values in facts.all("wrong") if values[:1] == (key,)]
    if wrong:
        _, found, remedy = (*wrong[0], "", "")[:3]
        more = f", and {len(wrong) - 1} more of that kind" if len(wrong) > 1 else ""
        return bad(name, f"{found}{more}", on_host(remedy))
    fine = facts.named("fine", key)
    return ok(name, " ".join(fine)) if fine is not None else unknown(name, "not looked at")


def is_ready(facts: Facts, key: str) -> bool:
    """Whether the host said that ``key`` is fine."""
    return facts.named("fine", key) is not None and facts.named("wrong", key) is None
