"""The typed model of each stack's secrets; its field names are the keys of the SOPS file."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.kinds import (
    AccessKey,
    AdminPassword,
    ClientKeys,
    DnsToken,
    FernetKey,
    GitToken,
    GivenKey,
    HetznerToken,
    JwtKey,
    Kind,
    Password,
    RegistryToken,
    SecretKey,
    SigningKey,
    SshKey,
    TailscaleKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pulumi


class StackSecrets(BaseModel):
    """The secrets of one stack."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def kinds(cls) -> dict[str, Kind]:
        """Return what each secret must look like."""
        return {
            name: next(kind for kind in field.metadata if isinstance(kind, Kind))
            for name, field in cls.model_fields.items()
        }

    @classmethod
    def needed(cls) -> list[str]:
        """Return the names without which the stack cannot be."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]

    @classmethod
    def parse(cls, values: Mapping[str, object], file: str) -> Self:
        """Check what was decrypted from ``file``.

        Raises:
            SecretsError: Keys are missing, unknown, empty, malformed or share one value; all of
                them are named at once.
        """
        problems: list[str] = []
        parsed: Self | None = None
        known = cls.model_fields
        try:
            parsed = cls.model_validate(
                {k: v for k, v in values.items() if k not in known or not is_empty(v)}
            )
        except ValidationError as error:
            problems.extend(_problems(error, cls, values))
        problems.extend(_shared(values))
        if parsed is None or problems:
            raise SecretsError(file, *problems)
        return parsed

    def values(self) -> dict[str, str]:
        """Return all that there are, in clear, by name."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: secret.get_secret_value() for name, secret in found if secret is not None}

    def output(self, name: str) -> pulumi.Output[str]:
        """Hand the secret called ``name`` to the program, marked as secret."""
        import pulumi

        secret: SecretStr = getattr(self, name)
        return pulumi.Output.secret(secret.get_secret_value())


class HomeSecrets(StackSecrets):
    """The secrets of ``home``."""

    postgresql_airflow_password: Password
    """The role that owns the ``airflow`` database."""
    postgresql_platform_password: Password
    """The role that owns the ``platform`` database."""
    minio_root_user: AccessKey
    minio_root_password: SecretKey
    minio_airflow_access_key: AccessKey
    """Airflow's logs."""
    minio_airflow_secret_key: SecretKey
    minio_dbt_access_key: AccessKey
    """The warehouse bucket."""
    minio_dbt_secret_key: SecretKey
    airflow_fernet_key: FernetKey
    """Encrypts the connections that Airflow keeps in its database."""
    airflow_api_secret_key: SigningKey
    airflow_jwt_secret: JwtKey
    airflow_admin_password: AdminPassword
    backup_access_key: GivenKey = None
    """The login at the second S3 target, where ``ampere:services.backup`` names one."""
    backup_secret_key: GivenKey = None
    airflow_git_token: GitToken = None
    """Reads the DAGs' repository by https, if it is private; not needed."""
    airflow_git_ssh_key: SshKey = None
    """Reads the DAGs' repository by SSH: a deploy key; not needed."""


class ApiSecrets(StackSecrets):
    """The secrets of ``api``."""

    hcloud_token: HetznerToken
    """Hetzner Cloud, read and write: console.hetzner.cloud, Security, API tokens."""
    registry_pull_token: RegistryToken
    """Pulls images: on GitHub a token with ``read:packages`` alone."""
    tailscale_auth_key: TailscaleKey = None
    """Joins the server to the tailnet: login.tailscale.com, Settings, Keys; not needed."""
    api_keys: ClientKeys
    """What each client of the API sends as ``x-api-key``."""
    dns_token: DnsToken = None
    """Sets records at the DNS provider of ``certificates.challenge``; not needed for http-01."""


MODELS: dict[str, type[StackSecrets]] = {"home": HomeSecrets, "api": ApiSecrets}
"""The model of each stack that has secrets."""


def generate(stack: str) -> dict[str, str]:
    """Make a strong random value for each secret of ``stack``, as a rehearsal needs them.

    Those that somebody else makes only look like real ones.
    """
    model = MODELS.get(stack)
    return {name: kind.make() for name, kind in model.kinds().items()} if model else {}


def is_empty(value: object) -> bool:
    """Whether ``value`` is as good as none."""
    return value is None or (isinstance(value, str) and not value.strip())


def _problems(
    error: ValidationError, model: type[StackSecrets], values: Mapping[str, object]
) -> Iterator[str]:
    for detail in error.errors(include_input=False, include_url=False):
        name = str(detail["loc"][0])
        if detail["type"] == "missing":
            yield f"{name} is empty" if name in values else f"{name} is missing"
        elif detail["type"] == "extra_forbidden":
            close = get_close_matches(name, model.model_fields, n=1)
            yield f"{name} is unknown" + (f": did you mean {close[0]}?" if close else "")
        elif detail["type"] == "value_error":
            yield f"{name} {detail['msg'].removeprefix('Value error, ')}"
        else:
            yield f"{name} must be text: put it in quotes"


def _shared(values: Mapping[str, object]) -> Iterator[str]:
    counts = Counter(value for value in values.values() if isinstance(value, str) and value)
    for repeated in (value for value, count in counts.items() if count > 1):
        names = [name for name, value in values.items() if value == repeated]
        yield f"{' and '.join(names)} have the same value: give each its own"
