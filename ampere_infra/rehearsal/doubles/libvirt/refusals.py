"""What the provider itself says when it refuses, whatever libvirt it talks to."""

from __future__ import annotations

from ampere_infra.rehearsal.doubles.kind import RefusalError

_QCOW2 = b"QFI\xfb\x00\x00\x00\x03"


def no_pool(name: str) -> RefusalError:
    """A volume is to go into, or to be laid over one of, a pool that is not there."""
    return RefusalError(f"can't find storage pool '{name}'")


def no_base_key(key: str) -> RefusalError:
    """The volume to lay another over is not there."""
    return RefusalError(
        f"can't retrieve volume ID '{key}': Storage volume not found: "
        f"no storage vol with matching key {key}"
    )


def no_base(name: str) -> RefusalError:
    """The volume to lay another over is not there."""
    return RefusalError(
        f"can't retrieve base volume with name '{name}': Storage volume not found: "
        f"no storage vol with matching name '{name}'"
    )


def too_small() -> RefusalError:
    """A volume is smaller than what it is laid over."""
    return RefusalError(
        "when 'size' is specified, it shouldn't\n"
        "be smaller than the backing store specified with\n"
        "'base_volume_id' or 'base_volume_name/base_volume_pool'"
    )


def cannot_open(source: str) -> RefusalError:
    """A file to upload is not there."""
    return RefusalError(
        f"error while determining image type for {source}: "
        f"error while opening {source}: open {source}: no such file or directory"
    )


def is_qcow2(head: bytes, declared: str, source: str) -> bool:
    """Tell whether a file is a qcow2 image.

    Raises:
        RefusalError: It is one, and is declared as something else.
    """
    found = head.startswith(_QCOW2)
    if found and declared not in ("", "qcow2"):
        raise RefusalError(
            "format other than QCOW2 explicitly specified for image detected as QCOW2 image: "
            + source
        )
    return found


def no_volume(key: str) -> RefusalError:
    """A machine's disk is not there."""
    return RefusalError(
        f"can't retrieve volume {key}: Storage volume not found: "
        f"no storage vol with matching key {key}"
    )


def no_domain(identity: str, by: str) -> RefusalError:
    """A machine is to be changed or deleted that is not there."""
    return RefusalError(
        f"error retrieving libvirt domain by {by}: "
        f"Domain not found: no domain with matching uuid '{identity}'"
    )


def no_network(identity: str) -> RefusalError:
    """A network is to be deleted that is not there."""
    return RefusalError(
        "when destroying libvirt network: error retrieving Network not found: "
        f"no network with matching uuid '{identity}'"
    )


def network_gone(urn: str) -> RefusalError:
    """A network is to be changed that is not there."""
    return RefusalError(
        f"Resource provider reported that the resource did not exist while updating {urn}."
    )


def no_network_named(name: str) -> RefusalError:
    """A machine is to stand on a network that is not there."""
    return RefusalError(f"can't retrieve network '{name}'")


def no_network_of_id(identity: str) -> RefusalError:
    """A machine is to stand on a network that is not there."""
    return RefusalError(f"can't retrieve network ID {identity}")
