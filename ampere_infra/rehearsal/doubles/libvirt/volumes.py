"""``libvirt:index/volume:Volume``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from pulumi_libvirt import VolumeArgs

from ampere_infra.rehearsal.doubles.bridged import Rules, Sdk2, state
from ampere_infra.rehearsal.doubles.kind import Call, IncompleteError, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.values import Properties, number, text
from ampere_infra.rehearsal.places.hypervisor import Volume
from ampere_infra.rehearsal.places.seeds import is_iso, read_seed

if TYPE_CHECKING:
    from ampere_infra.rehearsal.places.hypervisor import Hypervisor
    from ampere_infra.rehearsal.world import World

_LEAST = 1024
"""Bytes that libvirt rounds the provider's default of one up to."""
_FORMATS = ("raw", "qcow2", "iso", "qcow", "qed", "vmdk", "vpc", "cow", "cloop", "dmg", "bochs")
_SIZE_IS_THE_SOURCES = " (the size will be set to the size of the source image"
_EXCLUDE = "'{}' can't be specified when also 'source' is given"


class VolumeKind(Sdk2):
    """A volume: empty, laid over another, or uploaded."""

    arguments = VolumeArgs
    rules = Rules(
        force_new=frozenset(
            {"name", "pool", "source", "size", "format", "xml", "xml.xslt"}
            | {"baseVolumeId", "baseVolumePool", "baseVolumeName"}
        ),
        computed=frozenset({"size", "format"}),
        defaults={"pool": "default"},
        updatable=False,
    )

    def refuse_mixture(self, inputs: Properties) -> None:
        """Refuse inputs that exclude each other, before libvirt is asked."""
        if text(inputs, "source"):
            for key, name in (
                ("size", "size"),
                ("baseVolumeId", "base_volume_id"),
                ("baseVolumeName", "base_volume_name"),
            ):
                if inputs.get(key):
                    why = _SIZE_IS_THE_SOURCES if key == "size" else ""
                    raise RefusalError(_EXCLUDE.format(name) + why)
        elif text(inputs, "baseVolumeId") and inputs.get("baseVolumeName"):
            raise RefusalError(
                "'base_volume_name' can't be specified when also 'base_volume_id' is given"
            )

    def told(self, inputs: Properties, volume: Volume) -> Properties:
        """Return the state of a volume."""
        return state(
            inputs, name=volume.name, pool=volume.pool, size=volume.size, format=volume.format
        )


class ModelledVolume(VolumeKind):
    """A volume of the model."""

    worst = frozenset({"create"})

    def __init__(self, host: Hypervisor, world: World) -> None:
        self.host = host
        self.world = world

    def create(self, call: Call) -> Made:
        """Make the volume, or silently take over the one of that name, and upload its source."""
        pool = self.host.pools.get(text(call.inputs, "pool"))
        if pool is None:
            raise refusals.no_pool(text(call.inputs, "pool"))
        if not pool.active:
            raise RefusalError(
                f"Requested operation is not valid: storage pool '{pool.name}' is not active"
            )
        name = text(call.inputs, "name")
        wanted = Volume(pool.name, name, f"{pool.path}/{name}", 1, "qcow2")
        content = self._fill(wanted, call)
        volume = self.host.volumes.setdefault(wanted.key, wanted)
        if content is not None:
            volume.size, volume.whole = wanted.size, not call.fails
            volume.format = _probed(content, wanted.format)
            volume.seed = None if call.fails else read_seed(content)
        made = Made(volume.key, self.told(call.inputs, volume))
        if call.fails:
            # What did not arrive has no format that could be found; only a refresh will tell.
            volume.format = volume.format if content is None else "raw"
            raise IncompleteError(made, [self._broken(call)])
        return made

    def read(self, call: Call) -> Made | None:
        """Return the volume that has this key."""
        volume = self.host.volumes.get(call.id)
        return Made(call.id, self.told(call.old, volume)) if volume else None

    def delete(self, call: Call) -> None:
        """Remove the volume; neither its absence nor its use is an error."""
        self.host.volumes.pop(call.id, None)
        self.world.forget(call.id)

    def _fill(self, volume: Volume, call: Call) -> bytes | None:
        """Give ``volume`` what the inputs say and return the content to upload, if any."""
        inputs = call.inputs
        self.refuse_mixture(inputs)
        volume.format = text(inputs, "format") or "qcow2"
        if volume.format not in _FORMATS:
            raise RefusalError(
                "error creating libvirt volume: unsupported configuration: "
                f"unknown volume format type {volume.format}"
            )
        if text(inputs, "source"):
            return self._take_source(volume, inputs)
        volume.size = number(inputs, "size") or _LEAST
        base = self._base(volume, inputs)
        if base is not None:
            volume.backing = base.key
            volume.size = number(inputs, "size") or base.size
            if volume.size < base.size:
                raise refusals.too_small()
        return None

    def _take_source(self, volume: Volume, inputs: Properties) -> bytes:
        source = text(inputs, "source")
        content = local(source).read_bytes()
        refusals.is_qcow2(content, volume.format, source)
        volume.size = len(content)
        return content

    def _base(self, volume: Volume, inputs: Properties) -> Volume | None:
        if key := text(inputs, "baseVolumeId"):
            found = self.host.volumes.get(key)
            if found is None:
                raise refusals.no_base_key(key)
            return found
        name = text(inputs, "baseVolumeName")
        if not name:
            return None
        pool = text(inputs, "baseVolumePool") or volume.pool
        if pool not in self.host.pools:
            raise refusals.no_pool(pool)
        found = self.host.volume(pool, name)
        if found is None:
            raise refusals.no_base(name)
        return found

    def _broken(self, call: Call) -> str:
        if source := text(call.inputs, "source"):
            return upload_failed(source, "Cannot write data: Broken pipe")
        return "client socket is closed"


def _probed(content: bytes, declared: str) -> str:
    """Return the format that libvirt finds in a file, whatever it was declared to be."""
    if is_iso(content):
        return "iso"
    if refusals.is_qcow2(content, "", ""):
        return "qcow2"
    return "raw" if declared == "iso" else declared


def upload_failed(source: str, why: str) -> str:
    """Return what the provider says of an upload that broke off."""
    return f"error while uploading source {source}: error while uploading volume: {why}"


def local(source: str) -> Path:
    """Return the file on this machine that ``source`` names.

    Raises:
        RefusalError: It names none, or none that is there.
    """
    parts = urlparse(source)
    if parts.scheme.startswith("http"):
        raise RefusalError(
            f"error while determining image type for {source}: the rehearsal has no network"
        )
    path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(source)
    if not path.is_file():
        raise refusals.cannot_open(source)
    return path
