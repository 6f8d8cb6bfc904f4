"""Outputs of values that are known beforehand, for resources that may not be there yet."""

from __future__ import annotations

from typing import TypeVar

import pulumi

T = TypeVar("T")


async def _now(value: T) -> T:
    return value


def after(value: T, *resources: pulumi.Resource) -> pulumi.Output[T]:
    """Return ``value``, for use by what must wait until ``resources`` are made.

    An output taken from a resource is unknown in the preview of that resource's update: one changed
    chart value would show all its consumers as changing too. This one is known, and still makes
    whoever uses it wait.
    """
    return pulumi.Output(set(resources), _now(value), _now(value=True))
