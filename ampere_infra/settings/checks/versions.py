"""Checks of versions: each is one that this program knows, and they go together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ampere_infra.settings.checks.common import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.checks.common import ClusterSettings
    from ampere_infra.settings.home import HomeSettings
    from ampere_infra.settings.mistakes import Mistake

_KUBERNETES = ("1.36",)
"""What the kubeadm configuration (v1beta4) and the charts' values are made for."""
_CONTAINERD = "2.0"
"""The first that reads a configuration of version 3."""
_CILIUM: Mapping[str, tuple[str, ...]] = {"1.20": ("1.33", "1.34", "1.35", "1.36")}
"""Each chart's Kubernetes versions, of Cilium's compatibility table."""
_ENVOY_GATEWAY = ("1.9",)
"""What the routes and policies are written for."""
_CERT_MANAGER = ("1.21",)
"""What the chart's values fit."""
_CLOUDNATIVE_PG: Mapping[str, tuple[str, ...]] = {"0.29": ("14", "15", "16", "17", "18")}
"""Each chart's PostgreSQL versions; chart 0.29 is of operator 1.30."""
_BARMAN_CLOUD = ("0.8",)
"""The first whose chart takes certificates that are made beforehand; 0.8 is of plugin 0.15."""
_AIRFLOW: Mapping[str, str] = {"1.22": "3.2"}
"""Each chart's Airflow."""
_LOCAL_PATH = "0.0.36"
"""The first past CVE-2025-62878 (until 0.0.34) and the injection into its helper pod's template."""


def _minor(version: str) -> str:
    return version.rpartition(".")[0]


def _undigested(image: str) -> str:
    return image.partition("@")[0]


def _tag(image: str) -> str:
    return _undigested(image).rpartition(":")[2]


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))


def _known(
    s: ClusterSettings, name: str, known: Iterator[str] | tuple[str, ...]
) -> Iterator[Mistake]:
    version, minors = getattr(s.versions, name), tuple(known)
    if _minor(version) not in minors:
        remedy = f"is not a version that this program is made for: {', '.join(minors)}.x"
        yield wrong(version, remedy, "versions", name)


def kubernetes_is_known(s: ClusterSettings) -> Iterator[Mistake]:
    """Kubernetes is one that the rendered configuration fits."""
    yield from _known(s, "kubernetes", _KUBERNETES)


def cilium_is_known(s: ClusterSettings) -> Iterator[Mistake]:
    """Cilium's chart is one that the values fit."""
    yield from _known(s, "cilium", tuple(_CILIUM))


def envoy_gateway_is_known(s: ApiSettings) -> Iterator[Mistake]:
    """The gateway's chart is one that our objects fit."""
    yield from _known(s, "envoy_gateway", _ENVOY_GATEWAY)


def cert_manager_is_known(s: ApiSettings) -> Iterator[Mistake]:
    """The chart is one that the values fit."""
    yield from _known(s, "cert_manager", _CERT_MANAGER)


def cloudnative_pg_is_known(s: HomeSettings) -> Iterator[Mistake]:
    """The operator's chart is one that our resources fit."""
    yield from _known(s, "cloudnative_pg", tuple(_CLOUDNATIVE_PG))


def barman_cloud_is_known(s: HomeSettings) -> Iterator[Mistake]:
    """The backup plugin's chart is one that the values fit."""
    yield from _known(s, "barman_cloud", _BARMAN_CLOUD)


def airflow_is_known(s: HomeSettings) -> Iterator[Mistake]:
    """Airflow's chart is one that the values fit."""
    yield from _known(s, "airflow", tuple(_AIRFLOW))


def containerd_is_new_enough(s: ClusterSettings) -> Iterator[Mistake]:
    """Containerd reads the configuration that nodes get."""
    version = s.versions.containerd
    if _key(version) < _key(_CONTAINERD):
        remedy = f"cannot read configuration version 3; use {_CONTAINERD}.0 or later"
        yield wrong(version, remedy, "versions", "containerd")


def cilium_goes_with_kubernetes(s: ClusterSettings) -> Iterator[Mistake]:
    """Cilium is tested with this Kubernetes."""
    cilium, kubernetes = _minor(s.versions.cilium), _minor(s.versions.kubernetes)
    tested = _CILIUM.get(cilium, (kubernetes,))
    if kubernetes not in tested:
        remedy = f"does not go with Kubernetes {kubernetes}; it is tested with {', '.join(tested)}"
        yield wrong(s.versions.cilium, remedy, "versions", "cilium")


def airflow_goes_with_its_chart(s: HomeSettings) -> Iterator[Mistake]:
    """Airflow's image is of the version that its chart configures."""
    chart, tag = s.versions.airflow, _tag(s.images.airflow)
    release = _AIRFLOW.get(_minor(chart))
    if release is not None and not re.match(rf"{re.escape(release)}([.-]|$)", tag):
        remedy = f"does not go with the chart {chart}, which configures Airflow {release}"
        yield wrong(_undigested(s.images.airflow), remedy, "images", "airflow")


def postgresql_goes_with_its_operator(s: HomeSettings) -> Iterator[Mistake]:
    """The operator knows this PostgreSQL, by its image's tag."""
    chart, tag = s.versions.cloudnative_pg, _tag(s.images.postgresql)
    majors = _CLOUDNATIVE_PG.get(_minor(chart))
    if majors is not None and re.split(r"[.-]", tag, maxsplit=1)[0] not in majors:
        remedy = f"does not go with the operator's chart {chart}; it runs PostgreSQL "
        told = remedy + ", ".join(majors)
        yield wrong(_undigested(s.images.postgresql), told, "images", "postgresql")


def local_path_is_safe(s: ClusterSettings) -> Iterator[Mistake]:
    """The provisioner is past its known vulnerabilities."""
    image = s.images.local_path_provisioner
    if (version := _key(_tag(image))) and version < _key(_LOCAL_PATH):
        remedy = f"has known vulnerabilities; use v{_LOCAL_PATH} or later"
        yield wrong(_undigested(image), remedy, "images", "local_path_provisioner")


def repository_has_the_version(s: ClusterSettings) -> Iterator[Mistake]:
    """Packages come from the repository of the Kubernetes that is asked for."""
    url, minor = s.bootstrap.packages.kubernetes_repository, _minor(s.versions.kubernetes)
    other = re.search(r"/v([0-9]+\.[0-9]+)(?:/|$)", url)
    if other and other[1] != minor:
        remedy = f"holds Kubernetes {other[1]}, not {minor}; write v{{minor}} in its place"
        yield wrong(url, remedy, "bootstrap", "packages", "kubernetes_repository")


def repository_names_the_version(s: ClusterSettings) -> Iterator[Mistake]:
    """Only ``{minor}`` stands for something in the repository's address."""
    url = s.bootstrap.packages.kubernetes_repository
    if re.search(r"[{}]", url.replace("{minor}", "")):
        remedy = "has braces; only {minor} stands for something, the version such as 1.36"
        yield wrong(url, remedy, "bootstrap", "packages", "kubernetes_repository")


def authority_has_a_registry(s: ClusterSettings) -> Iterator[Mistake]:
    """A CA is trusted for a mirror of images only."""
    packages = s.bootstrap.packages
    if packages.image_registry_authority and not packages.image_registry:
        remedy = "is for a mirror of images; set image_registry, or leave this out"
        where = ("bootstrap", "packages", "image_registry_authority")
        yield wrong(packages.image_registry_authority, remedy, *where)


OF_A_CLUSTER = (
    kubernetes_is_known,
    cilium_is_known,
    containerd_is_new_enough,
    cilium_goes_with_kubernetes,
    local_path_is_safe,
    repository_has_the_version,
    repository_names_the_version,
    authority_has_a_registry,
)
CHECKS = (
    *OF_A_CLUSTER,
    cloudnative_pg_is_known,
    barman_cloud_is_known,
    airflow_is_known,
    airflow_goes_with_its_chart,
    postgresql_goes_with_its_operator,
)
