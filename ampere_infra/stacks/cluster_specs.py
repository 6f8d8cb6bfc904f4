"""What components are told alike in both clusters: pure, no resource is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.bootstrap.pki import ClusterPkiArgs
from ampere_infra.bootstrap.spec import LOCAL_PATH
from ampere_infra.platform.storage import LocalPathArgs

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target
    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.home import HomeSettings


def pki(settings: HomeSettings | ApiSettings, *, protect: bool) -> ClusterPkiArgs:
    """Return what the cluster's keys are made for."""
    newest = settings.hardening.encryption_key
    return ClusterPkiArgs(settings.cluster.name, newest, protect=protect)


def storage(settings: HomeSettings | ApiSettings, target: Target) -> LocalPathArgs:
    """Return what the storage provisioner is told."""
    return LocalPathArgs(
        target=target,
        image=settings.images.local_path_provisioner,
        helper_image=settings.images.local_path_helper,
        path=LOCAL_PATH,
    )
