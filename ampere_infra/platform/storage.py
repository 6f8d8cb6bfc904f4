"""Volumes from the nodes' data disks, by local-path-provisioner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from ampere_infra.platform.namespace import Namespace, NamespaceArgs
from ampere_infra.platform.outputs import after
from ampere_infra.platform.release import OurChart, ReleaseArgs, helm_release
from ampere_infra.platform.storage_values import DEFAULT_PATH, STORAGE_CLASS, values
from ampere_infra.settings.namespaces import LOCAL_PATH as NAMESPACE

if TYPE_CHECKING:
    from ampere_infra.platform.target import Target


@dataclass(frozen=True)
class LocalPathArgs:
    """The provisioner's images and where volumes lie on a node."""

    target: Target
    image: str
    helper_image: str
    """Runs for a moment on the node, to make or remove a volume's folder."""
    path: str = DEFAULT_PATH


class LocalPath(pulumi.ComponentResource):
    """The provisioner and the default StorageClass."""

    release: pulumi.Resource
    storage_class: pulumi.Output[str]
    """The StorageClass's name, known once volumes can be had."""

    def __init__(
        self, name: str, args: LocalPathArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("ampere:platform:LocalPath", name, None, opts)
        namespace = Namespace(
            NAMESPACE,
            NamespaceArgs(
                NAMESPACE,
                args.target,
                pod_security="privileged",
                reason="its helper pods make folders on the node through a hostPath volume",
            ),
            pulumi.ResourceOptions(parent=self),
        )
        release = helm_release(
            args.target,
            ReleaseArgs(
                name="local-path",
                namespace=NAMESPACE,
                chart=OurChart("local-path"),
                values=values(args.image, args.helper_image, args.path),
            ),
            self,
            [namespace],
        )
        self.release = release
        self.storage_class = after(STORAGE_CLASS, release)
        self.register_outputs({"storageClass": self.storage_class})
