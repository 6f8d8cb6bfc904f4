"""The provider's objects and releases on a real API server: the same rules, other hands."""

from __future__ import annotations

from ampere_infra.rehearsal.doubles.kubernetes.real.objects import RealObject
from ampere_infra.rehearsal.doubles.kubernetes.real.releases import RealRelease
from ampere_infra.rehearsal.doubles.kubernetes.real.server import Server

__all__ = ["RealObject", "RealRelease", "Server"]
