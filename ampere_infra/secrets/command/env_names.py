"""What the secrets were called in the `.env` files of the time before this project."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "home": {
        "postgresql_airflow_password": (
            "AIRFLOW_DB_PASSWORD",
            "AIRFLOW_POSTGRES_PASSWORD",
            "POSTGRES_AIRFLOW_PASSWORD",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
            "AIRFLOW__CORE__SQL_ALCHEMY_CONN",
        ),
        "postgresql_platform_password": (
            "POSTGRES_PASSWORD",
            "POSTGRESQL_PASSWORD",
            "POSTGRES_PLATFORM_PASSWORD",
            "PGPASSWORD",
            "DATABASE_URL",
        ),
        "minio_root_user": ("MINIO_ROOT_USER", "MINIO_ACCESS_KEY"),
        "minio_root_password": ("MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"),
        "minio_airflow_access_key": ("AIRFLOW_MINIO_ACCESS_KEY", "AIRFLOW_S3_ACCESS_KEY"),
        "minio_airflow_secret_key": ("AIRFLOW_MINIO_SECRET_KEY", "AIRFLOW_S3_SECRET_KEY"),
        "minio_dbt_access_key": (
            "DBT_MINIO_ACCESS_KEY",
            "DBT_S3_ACCESS_KEY",
            "S3_ACCESS_KEY",
            "S3_ACCESS_KEY_ID",
            "AWS_ACCESS_KEY_ID",
        ),
        "minio_dbt_secret_key": (
            "DBT_MINIO_SECRET_KEY",
            "DBT_S3_SECRET_KEY",
            "S3_SECRET_KEY",
            "S3_SECRET_ACCESS_KEY",
            "AWS_SECRET_ACCESS_KEY",
        ),
        "airflow_fernet_key": ("AIRFLOW__CORE__FERNET_KEY", "FERNET_KEY"),
        "airflow_api_secret_key": (
            "AIRFLOW__API__SECRET_KEY",
            "AIRFLOW__WEBSERVER__SECRET_KEY",
            "AIRFLOW_WEBSERVER_SECRET_KEY",
            "AIRFLOW_SECRET_KEY",
        ),
        "airflow_jwt_secret": ("AIRFLOW__API_AUTH__JWT_SECRET",),
        "airflow_admin_password": ("_AIRFLOW_WWW_USER_PASSWORD", "AIRFLOW_PASSWORD"),
        "backup_access_key": ("BACKUP_S3_ACCESS_KEY", "BACKUP_AWS_ACCESS_KEY_ID"),
        "backup_secret_key": ("BACKUP_S3_SECRET_KEY", "BACKUP_AWS_SECRET_ACCESS_KEY"),
        "airflow_git_token": ("GIT_SYNC_PASSWORD", "GITSYNC_PASSWORD"),
        "airflow_git_ssh_key": (),
    },
    "api": {
        "hcloud_token": (
            "TF_VAR_HCLOUD_TOKEN",
            "HETZNER_TOKEN",
            "HETZNER_API_TOKEN",
            "HETZNER_CLOUD_TOKEN",
        ),
        "registry_pull_token": (
            "GHCR_TOKEN",
            "GHCR_PAT",
            "CR_PAT",
            "REGISTRY_TOKEN",
            "REGISTRY_PASSWORD",
            "DOCKER_PASSWORD",
        ),
        "tailscale_auth_key": ("TAILSCALE_AUTHKEY", "TS_AUTHKEY", "TS_AUTH_KEY"),
        "api_keys": ("API_CLIENT_KEYS",),
        "dns_token": ("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"),
    },
}
"""Each field's older names, in capitals; its own name counts too."""


def field_of(stack: str, name: str) -> str | None:
    """Return which secret of ``stack`` stands in an `.env` file as ``name``."""
    name = name.upper()
    return next((f for f, older in NAMES[stack].items() if name in {f.upper(), *older}), None)


def secret_in(value: str) -> str:
    """Return the password of a database's URL; any other value is one itself."""
    if "://" not in value:
        return value
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:
        return ""
