"""Charts, as far as they can be known without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlparse

import yaml

from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.values import table, text

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties


@dataclass(frozen=True)
class Chart:
    """What a release is made from."""

    name: str
    version: str
    app_version: str = ""


def chart_of(inputs: Properties) -> Chart:
    """Return the chart that a release's inputs name.

    Raises:
        RefusalError: there is no such chart, or nothing says which version of it.
    """
    where, repository = text(inputs, "chart"), text(table(inputs, "repositoryOpts"), "repo")
    if not repository and not where.startswith("oci://"):
        return _local(where)
    if repository and urlparse(repository).scheme not in ("http", "https"):
        raise RefusalError(f"could not find protocol handler for: {repository}")
    version = text(inputs, "version")
    if not version:
        raise RefusalError(f"chart {where}: no version, and the rehearsal has no network to ask")
    return Chart(where.rpartition("/")[2], version)


def _local(where: str) -> Chart:
    folder = Path(where)
    if not folder.is_dir():
        raise RefusalError(f"chart: path '{where}' not found")
    parsed = _yaml(folder / "Chart.yaml")
    for key in ("apiVersion", "name", "version"):
        if not parsed.get(key):
            raise RefusalError(f"validation: chart.metadata.{key} is required")
    if parsed.get("type") == "library":
        raise RefusalError("library charts are not installable")
    declared = parsed.get("dependencies")
    for entry in cast("list[object]", declared) if isinstance(declared, list) else []:
        name = str(cast("dict[str, object]", entry).get("name")) if isinstance(entry, dict) else ""
        if not any((folder / "charts").glob(f"{name}*")):
            raise RefusalError(
                f"found in Chart.yaml, but missing in charts/ directory: {name}",
            )
    values = folder / "values.yaml"
    if values.is_file():
        _yaml(values)
    return Chart(str(parsed["name"]), str(parsed["version"]), str(parsed.get("appVersion", "")))


def _yaml(file: Path) -> dict[str, object]:
    try:
        parsed = cast("object", yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise RefusalError(f"Chart.yaml file is missing: {file.as_posix()}") from error
    except yaml.YAMLError as error:
        raise RefusalError(f"cannot load {file.name}: {error}") from error
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
