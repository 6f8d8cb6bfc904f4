"""A Kubernetes Secret made beforehand, and a number that tells pods when it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from ampere_infra.platform.outputs import after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.platform.target import Target


@dataclass(frozen=True)
class CredentialsArgs:
    """One Secret."""

    name: str
    namespace: pulumi.Input[str]
    values: Mapping[str, pulumi.Input[str]]
    """The entries, in clear; they are marked secret here whatever they were before."""
    target: Target
    kind: str = "Opaque"
    labels: Mapping[str, str] | None = None
    key: str | None = None
    """What it is called in the stack, where several namespaces have a Secret of one name."""


@dataclass(frozen=True)
class Credentials:
    """A Secret; charts get its ``name`` and put ``revision`` into an annotation of their pods."""

    name: pulumi.Output[str]
    """The Secret's name, known once it exists."""
    revision: pulumi.Output[str]
    """Another value means that the Secret's values are others."""


def credentials(args: CredentialsArgs, parent: pulumi.Resource) -> Credentials:
    """Make a Secret as part of ``parent``.

    A checksum of the values would let a short password be guessed from the annotation. The
    revision is random and is drawn anew when a value changes: it says that, and nothing else.
    """
    values = {key: pulumi.Output.secret(value) for key, value in args.values.items()}
    called = args.key or args.name
    secret = kubernetes.core.v1.Secret(
        called,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            name=args.name, namespace=args.namespace, labels=args.labels
        ),
        type=args.kind,
        string_data=values,
        opts=args.target.child(parent),
    )
    revision = random.RandomId(
        called,
        byte_length=4,
        keepers=values,
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["keepers"]),
    )
    return Credentials(after(args.name, secret), pulumi.Output.unsecret(revision.hex))
