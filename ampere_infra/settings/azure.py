"""The value types of what Azure names: its rules, so that a name is refused before Azure does."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ampere_infra.settings.types import matching
from ampere_infra.settings.written import Written

__all__ = [
    "AccountName",
    "BranchName",
    "ContainerName",
    "Days",
    "EnvironmentName",
    "GroupName",
    "Guid",
    "KeyName",
    "Location",
    "Repository",
    "VaultName",
]

Guid = Annotated[
    str,
    matching(
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "write the GUID in lower-case hex digits with its hyphens",
        "5f0c1d9e-2b7a-4c1e-9a55-0d3f6b8e7c21",
    ),
]
_REGION = matching(
    r"[a-z]{4,30}[0-9]?",
    "write the region's short name, as `az account list-locations` shows it",
    "westeurope",
)


def _read_region(text: str) -> object:
    """Take the short name; of a display name, such as West Europe, say what the short one is."""
    return _REGION.read(text.replace(" ", "").title() if " " in text else text)


Location = Annotated[str, Written(_read_region, _REGION.pattern, _REGION.example)]
GroupName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_(][A-Za-z0-9_().-]{0,88}[A-Za-z0-9_()-]",
        "use 2 to 90 letters, digits, underscores, hyphens and inner dots",
        "ampere-foundation",
    ),
]
VaultName = Annotated[
    str,
    matching(
        r"(?!.*--)[a-z][a-z0-9-]{1,22}[a-z0-9]",
        "use 3 to 24 lower-case letters, digits and single inner hyphens, a letter first",
        "ampere-kv-7c21",
    ),
]
"""One part of a host name that all of Azure shares; Azure itself would take upper case too."""
KeyName = Annotated[
    str,
    matching(r"[A-Za-z0-9-]{1,127}", "use 1 to 127 letters, digits and hyphens", "sops"),
]
AccountName = Annotated[
    str,
    matching(r"[a-z0-9]{3,24}", "use 3 to 24 lower-case letters and digits", "amperestate7c21"),
]
"""One part of a host name that all of Azure shares."""
ContainerName = Annotated[
    str,
    matching(
        r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "use 3 to 63 lower-case letters, digits and single inner hyphens",
        "pulumi",
    ),
]
Repository = Annotated[
    str,
    matching(
        r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}",
        "write OWNER/NAME as GitHub spells them: a token's subject must match letter by letter",
        "oppie/ampere",
    ),
]
BranchName = Annotated[
    str,
    matching(
        r"(?!refs/)(?!.*(?:\.\.|//))[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}(?<![./])",
        "write a branch's name without refs/heads/ and without wildcards",
        "main",
    ),
]
EnvironmentName = Annotated[
    str,
    matching(r"[A-Za-z0-9_-]{1,100}", "write the name of a GitHub environment", "production"),
]
Days = Annotated[int, Field(strict=True, ge=7, le=3650)]
