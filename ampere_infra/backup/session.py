"""What both commands work with: the settings, the right cluster, and a way to tell and to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ampere_infra.backup.errors import BackupError, WrongInputError
from ampere_infra.settings.namespaces import MINIO, POSTGRESQL

if TYPE_CHECKING:
    from ampere_infra.backup.kubectl import Kubectl, Object
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.services import Backup

API_PORT = 6443
PAUSE = 3.0
"""Seconds between two looks at what is waited for."""
CLUSTERS, BACKUPS = "clusters.postgresql.cnpg.io", "backups.postgresql.cnpg.io"
ENDED = ("completed", "failed")
COPY_LABEL = "app.kubernetes.io/component=backup"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Session:
    """One run of a command."""

    settings: HomeSettings
    kubectl: Kubectl
    say: Say
    minutes: int
    """How long it waits for a Job or a backup."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def target(self) -> Backup:
        """The second S3 target.

        Raises:
            WrongInputError: the settings name none.
        """
        if self.settings.services.backup is None:
            raise WrongInputError(
                "ampere:services.backup names no second S3 target: set its endpoint and bucket in "
                "Pulumi.home.yaml, its keys with `ampere secrets edit home`, and run `pulumi up`"
            )
        return self.settings.services.backup

    def check(self) -> None:
        """Make sure that copies are set up, and that this is the cluster that the settings mean.

        Raises:
            BackupError: it is not, it cannot be reached, or something is being copied.
        """
        target = self.target
        self._is_ours()
        names = [item["metadata"]["name"] for item in self.cron_jobs()]
        if "minio-backup" not in names:
            raise BackupError(
                f"the cluster is not set up for copies to {target.endpoint} yet: run `pulumi up`"
            )
        self._is_idle()

    def cron_jobs(self) -> list[Object]:
        """Return what Jobs are made from."""
        return self.kubectl.items("cronjobs", "--namespace", MINIO)

    def clusters(self) -> dict[str, Object]:
        """Return the database clusters there are, by name."""
        found = self.kubectl.items(CLUSTERS, "--namespace", POSTGRESQL)
        return {item["metadata"]["name"]: item for item in found}

    def _is_ours(self) -> None:
        wanted, found = f"https://{self.settings.api_endpoint}:{API_PORT}", self.kubectl.server()
        if found != wanted:
            raise BackupError(
                f"the context {self.kubectl.context} leads to {found or 'nowhere'}, and the API of "
                f"these settings is {wanted}: name the right kubeconfig with --kubeconfig FILE"
            )

    def _is_idle(self) -> None:
        for item in self.kubectl.items(BACKUPS, "--namespace", POSTGRESQL):
            phase = item.get("status", {}).get("phase") or "new"
            if phase not in ENDED:
                raise BackupError(self._busy("backup", POSTGRESQL, item, phase))
        for item in self.kubectl.items("jobs", "--namespace", MINIO, "--selector", COPY_LABEL):
            if item.get("status", {}).get("active"):
                raise BackupError(self._busy("job", MINIO, item, "running"))

    def _busy(self, kind: str, namespace: str, item: Object, state: str) -> str:
        name, since = item["metadata"]["name"], item["metadata"].get("creationTimestamp", "?")
        return (
            f"{kind} {name} of {since} is {state}: wait until it has ended, or, if it hangs, "
            f"remove it: `kubectl --namespace {namespace} delete {kind} {name}`"
        )
