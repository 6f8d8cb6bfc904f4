"""JSON Schemas made of the definitions that upstream projects publish, strict about every key."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.unit.home_cluster import settings
from tests.upstream import upstream_files

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = ("gateway-api", "envoy-gateway", "cert-manager")
CILIUM_SUMS = {"1.20.2": "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8="}
"""The checksum of each version of Cilium, a Go module, that its definitions are taken from."""


def cilium_files(version: str) -> list[Path]:
    """The definitions of Cilium's policies, out of the module that its operator is built from."""
    module = f"github.com/cilium/cilium@v{version}"
    with tempfile.TemporaryDirectory() as nowhere:
        command = ["go", "mod", "download", "-json", module]
        result = subprocess.run(command, cwd=nowhere, capture_output=True, text=True, check=False)
    found = json.loads(result.stdout)
    assert "Dir" in found, f"{found.get('Error')} {result.stderr}"
    assert found["Sum"] == CILIUM_SUMS[version], "it is not what was looked at"
    folder = Path(found["Dir"], "pkg/k8s/apis/cilium.io/client/crds/v2")
    return sorted(folder.glob("cilium*networkpolicies.yaml"))


def definitions(kinds: set[str]) -> Iterator[dict[str, Any]]:
    """The definitions of ``kinds``; a file is called by the group and the plural of its kind."""
    names = [kind.lower() for kind in kinds]
    plurals = {each for name in names for each in (f"{name}s", f"{name}es", f"{name[:-1]}ies")}
    files = [file for group in GROUPS for file in upstream_files(f"{group}-*/crds/*.yaml")]
    for file in [*files, *cilium_files(settings().versions.cilium)]:
        if file.stem.rpartition("_")[2] in plurals:
            with file.open(encoding="utf-8") as text:
                found = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
            yield from (each for each in found if each["spec"]["names"]["kind"] in kinds)


def write_schemas(folder: Path, kinds: set[str]) -> str:
    """Write the schemas of ``kinds``; return the place as kubeconform is told it."""
    for definition in definitions(kinds):
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            name = f"{spec['names']['kind'].lower()}-{spec['group']}-{version['name']}.json"
            (folder / name).write_text(json.dumps(schema), encoding="utf-8")
    return f"{folder}/{{{{ .ResourceKind }}}}-{{{{ .Group }}}}-{{{{ .ResourceAPIVersion }}}}.json"


def strict(schema: Any) -> Any:
    """``schema`` with every object closed to keys that it does not name.

    The API server drops such keys, or refuses them, where it is asked to be strict.
    """
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    is_open = made.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(made.get("properties"), dict) and made.get("type") == "object" and not is_open:
        made.setdefault("additionalProperties", False)
    return made
