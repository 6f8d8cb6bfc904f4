"""Our charts as the real helm renders them with the program's own values, to be looked at."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

import edge_cluster
import yaml
from home_cluster import ROOT, backed_up, plain, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Tool = Callable[[str], Path]

OURS = ["dbt", "local-path", "minio", "postgresql"]
CASES = [*OURS, "minio backed-up", "postgresql backed-up"]
"""Each chart with the values of a home as it is, and of one with backups and a restore."""
UNITS = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


def whole(value: Any) -> Any:
    """``value`` with the whole numbers that the engine's mocks hand over as floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return value


def values_of(name: str) -> dict[str, Any]:
    """The values that the program really gives to a release."""
    release, _, backup = name.partition(" ")
    return whole(plain((backed_up() if backup else recorded()).release(release)["values"]))


def edge_values_of(name: str, chosen: Any = None) -> dict[str, Any]:
    """The values that the public side gives to a release."""
    asked = edge_cluster.recorded() if chosen is None else edge_cluster.record(chosen)
    return whole(plain(asked.release(name)["values"]))


def folder(name: str) -> str:
    return f"charts/{name.partition(' ')[0]}"


def namespace_of(name: str) -> str:
    release = name.partition(" ")[0]
    return "airflow" if release == "dbt" else release


def helm(tool: Tool, *arguments: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("helm"), *arguments, "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )


@cache
def objects(helm_program: Path, name: str) -> list[dict[str, Any]]:
    """What the chart renders with the values that the program gives to it."""
    result = helm(
        lambda _: helm_program,
        *("template", name.partition(" ")[0], folder(name), "--namespace", namespace_of(name)),
        values=values_of(name),
    )
    assert result.returncode == 0, result.stderr
    return [item for item in yaml.safe_load_all(result.stdout) if item]


def rendered(tool: Tool, name: str) -> list[dict[str, Any]]:
    return objects(tool("helm"), name)


def of(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"] == kind]


def pods(items: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pod specifications in ``items``, by the object that they are in."""
    for item in items:
        name = item["metadata"]["name"]
        if item["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield name, item["spec"]["template"]["spec"]
        elif item["kind"] == "CronJob":
            yield name, item["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif item["kind"] == "ConfigMap" and "pod.yaml" in item["data"]:
            yield name, yaml.safe_load(item["data"]["pod.yaml"])["spec"]


def restricted(pod: dict[str, Any]) -> list[str]:
    """What in ``pod`` Pod Security's level ``restricted`` would refuse."""
    wrong = [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    allowed = {"configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"}
    for volume in pod.get("volumes", []):
        wrong += [f"volume {kind}" for kind in volume.keys() - {"name"} - allowed]
    outer = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        inner = container.get("securityContext", {})
        context = {**outer, **inner}
        wrong += [] if context.get("runAsNonRoot") is True else ["runAsNonRoot"]
        wrong += ["runAsUser"] if context.get("runAsUser") == 0 else []
        profile = context.get("seccompProfile", {}).get("type")
        wrong += [] if profile in {"RuntimeDefault", "Localhost"} else ["seccompProfile"]
        wrong += [] if inner.get("allowPrivilegeEscalation") is False else ["escalation"]
        wrong += [] if inner.get("capabilities", {}).get("drop") == ["ALL"] else ["capabilities"]
        wrong += [f"hostPort {port}" for port in container.get("ports", []) if "hostPort" in port]
    return wrong


def unknown_keys(schema: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """The keys of ``value`` that ``schema`` does not name where it names any."""
    if not isinstance(value, dict) or not schema.get("properties"):
        return []
    known: dict[str, Any] = schema["properties"]
    wrong = [f"{path}/{key}" for key in value.keys() - known.keys()]
    for key in value.keys() & known.keys():
        wrong += unknown_keys(known[key], value[key], f"{path}/{key}")
    return wrong


def open_objects(schema: Any, path: str = "") -> Iterator[str]:
    """Where ``schema`` takes keys that it does not name."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from open_objects(item, f"{path}/{index}")
    if not isinstance(schema, dict):
        return
    closed = "additionalProperties" in schema or schema.get("maxProperties") == 0
    if schema.get("type") == "object" and not closed:
        yield path
    for key, item in schema.items():
        yield from open_objects(item, f"{path}/{key}")


def requests(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The requests of each container in ``values``, by where they stand."""
    if not isinstance(values, dict):
        return
    if "requests" in values:
        yield path, values["requests"]
    for key, value in values.items():
        yield from requests(value, (*path, key))


def thousandths(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else 1000 * int(text)


def size(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]
