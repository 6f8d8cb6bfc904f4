"""The Kubernetes provider, set up so that an interrupted run heals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi_kubernetes as kubernetes

if TYPE_CHECKING:
    import pulumi


def cluster_provider(
    name: str,
    kubeconfig: pulumi.Input[str],
    identity: pulumi.Input[str],
    opts: pulumi.ResourceOptions | None = None,
) -> kubernetes.Provider:
    """Return the provider for the cluster that ``kubeconfig`` opens.

    A run that was killed after the API server took an object leaves one that the state does not
    know. Since 4.29 the provider refuses to create what exists, so it is told to apply over it,
    and to take over the fields that the lost run's field manager holds. Changed Secrets and
    ConfigMaps are updated in place: their replacement would take them away from running pods.

    Args:
        name: the provider's name in the stack.
        kubeconfig: the admin's kubeconfig, a secret; it may be renewed at any time.
        identity: changes when it is another cluster, and with it all objects in it.
        opts: the resource's options.
    """
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        cluster_identifier=identity,
        enable_server_side_apply=True,
        upsert_existing_objects=True,
        enable_patch_force=True,
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        opts=opts,
    )
