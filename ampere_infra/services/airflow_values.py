"""The values of Airflow's chart: names of Secrets, sizes, and what is switched off."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

import pulumi

from ampere_infra.services.airflow_dags import GIT, git_sync
from ampere_infra.services.airflow_sizes import NO_TOKEN, components, sized
from ampere_infra.services.dbt import POD_TEMPLATE_FOLDER
from ampere_infra.settings.flows import AIRFLOW_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.settings.services import Airflow as AirflowSettings

KEYS = "airflow-keys"
ADMIN = "airflow-admin"
CONNECTIONS = "airflow-connections"
REPOSITORY = "https://airflow.apache.org"
DBT = "dbt-pod-template"
AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
LOGIN_FOLDER = "/run/secrets/ampere-admin"
UID = 50000
"""The user of Airflow's image."""

# The password comes from a file and goes in by stdin, so that it is in no value, argument or
# process list. An existing user only gets the password, so that the Secret is always right.
CREATE_USER = """\
set -eu
airflow db check-migrations --migration-wait-timeout 600
user="$(cat {folder}/username)"
twice() {{ printf '%s\\n%s\\n' "$(cat {folder}/password)" "$(cat {folder}/password)"; }}
twice | airflow users create --username "$user" --role Admin --email {email} \
--firstname Ampere --lastname Admin
twice | airflow users reset-password --username "$user"
"""


@dataclass(frozen=True)
class ChartFacts:
    """What the values depend on."""

    settings: AirflowSettings
    image: str
    domain: str
    secret_names: Mapping[str, pulumi.Output[str]]
    revision: pulumi.Output[str]
    """Changes when a secret changed, and with it the pods."""
    dbt_config_map: pulumi.Output[str]
    dbt_secret: pulumi.Output[str]
    dbt_pod_template: pulumi.Output[str]
    """The ConfigMap with the pod of dbt's tasks."""


def values(facts: ChartFacts) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        **_identity(facts),
        **_secrets(facts),
        **components(facts.settings),
        **_jobs(facts),
        "dags": git_sync(facts.settings.dags, facts.secret_names.get(GIT)),
        "config": _config(facts),
        "extraEnvFrom": _environment(facts),
        "volumes": [{"name": DBT, "configMap": {"name": facts.dbt_pod_template}}],
        "volumeMounts": [{"name": DBT, "mountPath": POD_TEMPLATE_FOLDER, "readOnly": True}],
    }


def _identity(facts: ChartFacts) -> dict[str, Any]:
    repository, _, digest = facts.image.partition("@")
    repository, _, tag = repository.rpartition(":")
    return {
        "executor": facts.settings.executor,
        "images": {
            "airflow": {"repository": repository, "tag": tag, "digest": digest or None},
            # Of a task's own pod; the chart knows no digest here, but a tag may carry one.
            "pod_template": {"repository": repository, "tag": f"{tag}@{digest}" if digest else tag},
            "migrationsWaitTimeout": 300,
        },
        "enableServiceLinks": False,
        "airflowPodAnnotations": {"ampere/secrets-revision": facts.revision},
        "securityContexts": {
            "pod": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "fsGroup": 0,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        },
    }


def _secrets(facts: ChartFacts) -> dict[str, Any]:
    keys = facts.secret_names[KEYS]
    return {
        # Without the name of a broker's Secret the chart makes one, and leaves it behind.
        "data": {"metadataSecretName": keys, "brokerUrlSecretName": keys},
        "fernetKeySecretName": keys,
        "apiSecretKeySecretName": keys,
        "jwtSecretName": keys,
    }


def _jobs(facts: ChartFacts) -> dict[str, Any]:
    # As hooks they would run after the release is ready, and it is ready after they ran. A Job
    # cannot be changed, so it goes as soon as it is done and an upgrade makes a new one.
    plain: dict[str, Any] = {
        "useHelmHooks": False,
        "applyCustomEnv": False,
        **NO_TOKEN,
        "ttlSecondsAfterFinished": 0,
    }
    script = CREATE_USER.format(folder=LOGIN_FOLDER, email=quote(facts.settings.admin_email))
    login = {"name": "admin-login", "secret": {"secretName": facts.secret_names[ADMIN]}}
    return {
        "migrateDatabaseJob": {**plain, "resources": sized("100m", "384Mi", "1Gi")},
        "createUserJob": {
            **plain,
            # The script takes nothing from here; the chart's own default is admin with admin.
            "defaultUser": {"enabled": True, "username": facts.settings.admin_user, "password": ""},
            "command": ["bash", "-c"],
            "args": [script],
            "extraVolumes": [login],
            "extraVolumeMounts": [
                {"name": "admin-login", "mountPath": LOGIN_FOLDER, "readOnly": True}
            ],
            "resources": sized("100m", "384Mi", "1Gi"),
        },
    }


def _config(facts: ChartFacts) -> dict[str, Any]:
    return {
        "core": {
            "load_examples": "False",
            "auth_manager": AUTH_MANAGER,
            # Else tasks would report to base_url, a name that only the LAN knows.
            "execution_api_server_url": f"http://airflow-api-server:{AIRFLOW_PORT}/execution/",
            "parallelism": str(facts.settings.parallelism),
            "max_active_tasks_per_dag": str(facts.settings.parallelism),
            # The API server asks a running task's pod for its log, and pods have no names in DNS.
            "hostname_callable": "airflow.utils.net.get_host_ip_address",
        },
        "api": {"base_url": f"http://{facts.domain}", "workers": "1"},
        "fab": {"enable_proxy_fix": "True"},
        "logging": {
            "remote_logging": "True",
            "remote_base_log_folder": f"s3://{facts.settings.logs_bucket}/logs",
            "remote_log_conn_id": "minio",
        },
    }


def _environment(facts: ChartFacts) -> pulumi.Output[str]:
    names = (facts.secret_names[CONNECTIONS], facts.dbt_secret, facts.dbt_config_map)
    return pulumi.Output.format(
        "- secretRef: {{name: {0}}}\n- secretRef: {{name: {1}}}\n- configMapRef: {{name: {2}}}\n",
        *names,
    )
