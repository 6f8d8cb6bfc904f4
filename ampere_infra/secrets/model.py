"""The typed model of each stack's secrets; its field names are the keys of the SOPS file."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from ampere_infra.secrets.kinds import (
    AccessKey,
    AdminPassword,
    FernetKey,
    JwtKey,
    Kind,
    Password,
    SecretKey,
    SigningKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pulumi


class SecretsError(Exception):
    """A file of secrets cannot be used; the text names it, what is wrong and the remedy.

    No value of a secret ever stands in it.
    """

    def __init__(self, file: str, *problems: str) -> None:
        self.file = file
        self.problems = problems
        super().__init__(file, *problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.file}: {self.problems[0]}"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{self.file}: {len(self.problems)} mistakes\n{lines}"


class HomeSecrets(BaseModel):
    """The secrets of ``home``."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

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
                {k: v for k, v in values.items() if k not in known or not _is_empty(v)}
            )
        except ValidationError as error:
            problems.extend(_problems(error, cls, values))
        problems.extend(_shared(values))
        if parsed is None or problems:
            raise SecretsError(file, *problems)
        return parsed

    def output(self, name: str) -> pulumi.Output[str]:
        """Hand the secret called ``name`` to the program, marked as secret."""
        import pulumi

        secret: SecretStr = getattr(self, name)
        return pulumi.Output.secret(secret.get_secret_value())


MODELS: dict[str, type[HomeSecrets]] = {"home": HomeSecrets}
"""Each stack's model."""


def generate(stack: str) -> dict[str, str]:
    """Make a strong random value for each secret of ``stack``."""
    return {
        name: next(kind for kind in field.metadata if isinstance(kind, Kind)).make()
        for name, field in MODELS[stack].model_fields.items()
    }


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _problems(
    error: ValidationError, model: type[HomeSecrets], values: Mapping[str, object]
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
