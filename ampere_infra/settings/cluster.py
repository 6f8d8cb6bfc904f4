"""The settings of a cluster, whatever machines it is on."""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import Field

from ampere_infra.settings.types import (
    Certificate,
    DnsLabel,
    DnsName,
    Fingerprint,
    HttpUrl,
    Login,
    Model,
    Registry,
    Seconds,
    Subnet,
    Version,
)


class Cluster(Model):
    """What the cluster is called and which networks it has inside."""

    name: DnsLabel
    """The names of what its machines stand in, and the kubeconfig's context, begin with it."""
    login: Login
    """The account on every node that the program's own SSH key opens."""
    dns_domain: DnsName = "cluster.local"
    """The domain of the names inside the cluster."""
    pod_network: Subnet
    """The pods' addresses; each node takes a /24 of it."""
    service_network: Subnet
    """The addresses of Services, known inside the cluster only."""


class Packages(Model):
    """Where nodes get their packages from: mirrors are for users behind a slow line."""

    apt_mirror: HttpUrl | None = None
    """Serves the distribution's own packages and their security updates; none: the distribution."""
    kubernetes_repository: HttpUrl = "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/"
    """``{minor}`` stands for the minor version, such as 1.36."""
    kubernetes_key: Fingerprint = "DE15B14486CD377B9E876E1A234654DA9A296436"
    """The only key that may sign it: by default that of the OBS project isv:kubernetes."""
    containerd_repository: HttpUrl | None = None
    """Where the package ``containerd.io`` comes from; none: Docker's, for the distribution."""
    containerd_key: Fingerprint = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
    """The only key that may sign it: by default "Docker Release (CE deb)"."""
    image_registry: Registry | None = None
    """A registry that mirrors all others, by https, or none."""
    image_registry_authority: Certificate | None = Field(default=None, exclude_if=operator.not_)
    """The CA of its certificate, where that is not one that the distribution trusts.

    Left out where it is not set: no machine was born with something else then.
    """


class Timeouts(Model):
    """How long each gate waits, in seconds."""

    operating_system: Seconds = 900
    """From a machine's start until its operating system is ready."""
    control_plane: Seconds = 900
    """Packages and ``kubeadm init`` on the master."""
    api_stable: Seconds = 600
    """Until the API has answered often enough in a row."""
    join: Seconds = 900
    """Packages and ``kubeadm join`` on a worker."""
    release: Seconds = 900
    """Each Helm release."""


class Audit(Model):
    """How long the API's audit log is kept on the master."""

    days: Annotated[int, Field(strict=True, ge=1, le=365)] = 30
    """After so many days a file of the log is removed."""
    files: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """How many full files of 50 MiB are kept beside the one that is written."""


class Hardening(Model):
    """What of the cluster's hardening is a matter of choice; docs/hardening.md has the rest."""

    encryption_key: Annotated[int, Field(strict=True, ge=1, le=99)] = 1
    """Which key Secrets are encrypted with in etcd; one more makes a new one. Never goes down."""
    audit: Audit = Audit()
    """How long the API's audit log is kept; matters at the master's birth."""


PROBE_PAUSE = 2
"""Seconds between two of the API's probes."""


class Bootstrap(Model):
    """How nodes become a cluster."""

    packages: Packages = Packages()
    """Where packages come from; matters at a machine's birth only."""
    timeouts: Timeouts = Timeouts()
    """How long each gate waits, in seconds."""
    api_stable_probes: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """How many times in a row ``/readyz`` must answer."""
    token_ttl_minutes: Annotated[int, Field(strict=True, ge=10, le=1440)] = 60
    """How long a worker's bootstrap token lives, in minutes."""


class Versions(Model):
    """Every pinned version, in one place."""

    kubernetes: Version
    """Matters at birth only: an upgrade of a running cluster is not a change of this setting."""
    containerd: Version
    """Matters at birth only, like ``kubernetes``."""
    cilium: Version
    """The chart."""
    cloudnative_pg: Version
    """The operator's chart."""
    barman_cloud: Version
    """The chart of the operator's plugin for backups."""
    airflow: Version
    """The chart."""
