"""The second S3 target, as the services that are copied there need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ampere_infra.platform.credentials import Credentials, CredentialsArgs, credentials
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.files import secrets_file

if TYPE_CHECKING:
    import pulumi

    from ampere_infra.platform.target import Target
    from ampere_infra.secrets.model import HomeSecrets
    from ampere_infra.settings.services import Backup

SECRETS = ("backup_access_key", "backup_secret_key")


@dataclass(frozen=True)
class BackupTarget:
    """Where copies go, and the login there."""

    settings: Backup
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]

    def secret(
        self,
        name: str,
        namespace: pulumi.Input[str],
        target: Target,
        parent: pulumi.Resource,
    ) -> Credentials:
        """Make the Secret with the login: keys ``accessKey``, ``secretKey`` and ``region``."""
        entries = {
            "accessKey": self.access_key,
            "secretKey": self.secret_key,
            "region": self.settings.region,
        }
        return credentials(CredentialsArgs(name, namespace, entries, target), parent)


def backup_target(settings: Backup | None, secrets: HomeSecrets) -> BackupTarget | None:
    """Return the target of the settings with its login, or none where nothing is backed up.

    Raises:
        SecretsError: there is a target, and the file of secrets lacks its login.
    """
    if settings is None:
        return None
    if missing := [name for name in SECRETS if getattr(secrets, name) is None]:
        raise SecretsError(
            secrets_file("home").as_posix(),
            f"ampere:services.backup needs {' and '.join(missing)}: `ampere secrets edit home`",
        )
    return BackupTarget(settings, *(secrets.output(name) for name in SECRETS))
