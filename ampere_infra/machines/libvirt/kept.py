"""What a machine that is kept was born with, against what the settings would give it now.

Its user-data itself tells what else it was born with: that is the bootstrap's to compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from ampere_infra.machines.seed import digest

if TYPE_CHECKING:
    import pulumi_libvirt as libvirt

    from ampere_infra.bootstrap.user_data import UserData


def identity(told: UserData, network_config: str) -> str:
    """Name what a machine is born with: its user-data's identity, and its network-config's."""
    return f"{told.identity}-{digest(network_config)[:6]}"


def differences(seed: str, wanted: str, base: str | None, image: str) -> list[str]:
    """Return a line for each thing that is not as the settings say.

    Args:
        seed: the name of the seed that the machine was born from.
        wanted: the identity that it would be born with now.
        base: the image below its root disk.
        image: the image that a root disk would be laid over now.
    """
    born, now = (text.rpartition("-")[2] for text in (seed.removesuffix(".iso"), wanted))
    lines: list[str] = []
    if born != now:
        lines.append(f"network: its network-config, born with {born}, now {now}")
    if base not in (None, image):
        lines.append(f"image.sha256: born with {base}, now {image}")
    return lines


def warn(
    node: str, seed: libvirt.Volume, root: libvirt.Volume, wanted: pulumi.Output[str], image: str
) -> None:
    """Tell the person about a machine that stays as it was born."""

    def compare(known: tuple[str, str, str | None]) -> None:
        name, now, base = known
        for line in differences(name, now, base, image):
            pulumi.log.warn(f"{node} keeps what it was born with: {line}", seed)

    pulumi.Output.all(seed.name, wanted, root.base_volume_name).apply(
        lambda known: compare((known[0], known[1], known[2]))
    )
