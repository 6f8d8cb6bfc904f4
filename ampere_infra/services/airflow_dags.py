"""Airflow's DAGs from a Git repository: what git-sync is told, and what opens the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pulumi

if TYPE_CHECKING:
    from ampere_infra.settings.services import Dags

GIT = "airflow-git"
"""The Secret with the login of the repository."""
UID = 65533
"""The user of git-sync's image."""
PORTS = {"https": 443, "ssh": 22}


def git_port(dags: Dags) -> int | None:
    """Return where the repository's server answers; none where the DAGs are the image's."""
    if dags.repository is None:
        return None
    address = urlsplit(dags.repository)
    return address.port or PORTS[address.scheme]


def needs_ssh_key(dags: Dags) -> bool:
    """Whether the repository is reached by SSH, which always wants a key."""
    return dags.repository is not None and dags.repository.startswith("ssh://")


def login_entries(dags: Dags, login: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """Return the entries of the Secret, by the names that the chart asks for.

    It asks for those of git-sync 3 and 4 alike.
    """
    if needs_ssh_key(dags):
        # ssh refuses a key whose last line does not end.
        key = pulumi.Output.from_input(login).apply(lambda text: f"{text.strip()}\n")
        return {"gitSshKey": pulumi.Output.secret(key)}
    return {
        f"{prefix}_{name}": value
        for prefix in ("GIT_SYNC", "GITSYNC")
        for name, value in (("USERNAME", dags.user or ""), ("PASSWORD", login))
    }


def git_sync(dags: Dags, secret_name: pulumi.Input[str] | None) -> dict[str, Any]:
    """Return the chart's values of ``dags``; the image's own DAGs are where Airflow looks."""
    if dags.source == "image":
        return {"gitSync": {"enabled": False}}
    return {
        "gitSync": {
            "enabled": True,
            "repo": dags.repository,
            "ref": dags.ref,
            "subPath": "" if dags.path == "." else dags.path,
            "period": f"{dags.period}s",
            "depth": 1,
            # While the server is away the DAGs stay as they are, and no pod restarts.
            "maxFailures": -1,
            "recommendedProbeSetting": True,
            **_opened(dags, secret_name),
            "securityContexts": {
                "container": {
                    "runAsUser": UID,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                }
            },
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi"},
                "limits": {"memory": "256Mi"},
            },
            "emptyDirConfig": {"sizeLimit": "1Gi"},
        }
    }


def _opened(dags: Dags, secret_name: pulumi.Input[str] | None) -> dict[str, Any]:
    if secret_name is None:
        return {}
    if needs_ssh_key(dags):
        return {"sshKeySecret": secret_name, "knownHosts": "\n".join([*dags.known_hosts, ""])}
    return {"credentialsSecret": secret_name}
