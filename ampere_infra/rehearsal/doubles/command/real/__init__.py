"""The provider's commands on real machines, by OpenSSH's client."""

from __future__ import annotations

from ampere_infra.rehearsal.doubles.command.real.command import RealCommand
from ampere_infra.rehearsal.doubles.command.real.host import RealHost

__all__ = ["RealCommand", "RealHost"]
