"""What a ``home`` made, with its secrets in clear: read from the state of the engine."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ampere_infra import tools
from ampere_infra.rehearsal.doubles.values import SIGNATURE
from ampere_infra.rehearsal.leaks import plain
from ampere_infra.rehearsal.project import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, repr=False)
class Made:
    """Secrets and ConfigMaps by ``namespace/name``, and the values of releases by their names."""

    secrets: Mapping[str, Mapping[str, str]]
    config_maps: Mapping[str, Mapping[str, str]]
    releases: Mapping[str, Mapping[str, Any]]

    def objects(self, release: str) -> list[dict[str, Any]]:
        """Return what a chart of ours makes of its release's values."""
        return rendered(release, self.releases[release])

    def secrets_of(self, namespace: str) -> dict[str, Mapping[str, str]]:
        """Return the Secrets of a namespace by their names."""
        names = {name: name.partition("/") for name in self.secrets}
        return {own: self.secrets[n] for n, (place, _, own) in names.items() if place == namespace}

    def variables(self, container: Mapping[str, Any], namespace: str) -> dict[str, str]:
        """Return the environment that the kubelet gives to ``container``."""
        return variables(container, self.secrets_of(namespace))


def rendered(release: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a chart of ours makes of ``values``, by the real helm."""
    command = ["template", release, SOURCE / "charts" / release, "--namespace", release]
    done = subprocess.run(
        [tools.path("helm"), *command, "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    )
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def variables(
    container: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the environment that the kubelet gives to ``container``, of Secrets by name."""
    found: dict[str, str] = {}
    for variable in container.get("env", []):
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            found[variable["name"]] = secrets[reference["name"]][reference["key"]]
        else:
            text = str(variable["value"])
            for name, value in found.items():
                text = text.replace(f"$({name})", value)
            found[variable["name"]] = text
    return found


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the objects of one kind."""
    return [item for item in objects if item["kind"] == kind]


def made_by(state: Mapping[str, Any]) -> Made:
    """Return what stands in ``state``, which was exported with its secrets shown."""
    secrets: dict[str, dict[str, str]] = {}
    config_maps: dict[str, dict[str, str]] = {}
    releases: dict[str, dict[str, Any]] = {}
    for resource in state["deployment"]["resources"]:
        inputs = _clear(resource.get("inputs", {}))
        metadata = inputs.get("metadata", {})
        name = f"{metadata.get('namespace')}/{metadata.get('name')}"
        match resource["type"]:
            case "kubernetes:core/v1:Secret":
                secrets[name] = inputs["stringData"]
            case "kubernetes:core/v1:ConfigMap":
                config_maps[name] = inputs["data"]
            case "kubernetes:helm.sh/v3:Release":
                releases[inputs["name"]] = inputs["values"]
            case _:
                pass
    return Made(secrets, config_maps, releases)


def _clear(value: Any) -> Any:
    if isinstance(value, dict):
        if SIGNATURE in value:
            return _clear(plain(value))
        return {key: _clear(item) for key, item in value.items()}
    return [_clear(item) for item in value] if isinstance(value, list) else value
