"""What a NoCloud image, or a cloud's metadata service, says at a machine's birth."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
from dataclasses import dataclass
from io import BytesIO
from typing import cast

import yaml
from pycdlib import PyCdlib

from ampere_infra.templates import parse

LABEL = b"cidata"
_GZIP = b"\x1f\x8b"
_MAGIC_AT, _LABEL_AT = 0x8001, 0x8028


@dataclass(frozen=True)
class Seed:
    """The three files that cloud-init reads at a machine's birth."""

    user_data: str
    network_config: str
    meta_data: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """The static addresses that the machine is to have, without prefix length."""
        return tuple(address for _, address in self.interfaces)

    @property
    def interfaces(self) -> tuple[tuple[str, str], ...]:
        """Each static address, after the MAC of the interface that it is for, in upper case."""
        config = _mapping(_parsed(self.network_config))
        config = _mapping(config.get("network")) or config
        found: list[tuple[str, str]] = []
        for entry in _mapping(config.get("ethernets")).values():
            interface = _mapping(entry)
            mac = str(_mapping(interface.get("match")).get("macaddress", "")).upper()
            given = (str(address) for address in _list(interface.get("addresses")))
            found += [(mac, address.split("/")[0]) for address in given]
        return tuple(found)

    @property
    def files(self) -> dict[str, str]:
        """The texts that cloud-init writes, by path."""
        entries = [_mapping(entry) for entry in _list(self._cloud_config.get("write_files"))]
        return {str(e["path"]): str(e.get("content", "")) for e in entries if "path" in e}

    @property
    def authorized_keys(self) -> tuple[str, ...]:
        """The public SSH keys of every account."""
        found = _list(self._cloud_config.get("ssh_authorized_keys"))
        for user in _list(self._cloud_config.get("users")):
            found += _list(_mapping(user).get("ssh_authorized_keys"))
        return tuple(str(key) for key in found)

    @property
    def _cloud_config(self) -> dict[str, object]:
        return _mapping(_parsed(self.user_data))


def is_iso(content: bytes) -> bool:
    """Tell whether libvirt would find an ISO 9660 file system in ``content``."""
    return content[_MAGIC_AT : _MAGIC_AT + 5] == b"CD001"


def read_seed(content: bytes) -> Seed | None:
    """Return the NoCloud image in ``content``, or nothing if it is none."""
    if not is_iso(content) or content[_LABEL_AT : _LABEL_AT + 32].strip().lower() != LABEL:
        return None
    image = PyCdlib()
    image.open_fp(BytesIO(content))
    try:
        names = ("user-data", "network-config", "meta-data")
        return Seed(*(_file(image, name) for name in names))
    finally:
        image.close()


def unpacked(user_data: str, name: str) -> Seed:
    """Return what cloud-init reads of a cloud's metadata service; the cloud has the addresses.

    Its data source of Hetzner undoes base64, and any user-data may be compressed
    (cloudinit/sources/helpers/hetzner.py: ``maybe_b64decode``).
    """
    raw = user_data.encode()
    with contextlib.suppress(binascii.Error):
        raw = base64.b64decode(raw, validate=True)
    if raw.startswith(_GZIP):
        raw = gzip.decompress(raw)
    return Seed(raw.decode(), "", f"local-hostname: {name}\n")


def _file(image: PyCdlib, name: str) -> str:
    content = BytesIO()
    image.get_file_from_iso_fp(content, rr_path=f"/{name}")
    return content.getvalue().decode()


def _parsed(text: str) -> object:
    try:
        return next(iter(parse(text)), None)
    except yaml.YAMLError:
        return None


def _mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
