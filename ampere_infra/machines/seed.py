"""The NoCloud image that a machine reads its user-data from, made without ``mkisofs``.

cloud-init looks for a file system with the label ``cidata``. The provider does not look at what is
in a volume's source, so the image's name carries a hash of what it says, and the same words give
the same bytes on every machine, at any time.
"""

from __future__ import annotations

import struct
import threading
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from pycdlib import PyCdlib, dates

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LABEL: Final = "cidata"
FOLDER: Final = ".ampere/seeds"
"""Where the images lie until they are uploaded, below the project's folder."""

_FILE_MODE = 0o100444
_RECORD_DATE = struct.pack("=BBBBBBb", 100, 1, 1, 0, 0, 0, 0)
_VOLUME_DATE = b"2000010100000000\x00"
_clock_lock = threading.Lock()


def digest(*texts: str) -> str:
    """Twelve hex digits of the texts, each with its length, so that no two splits agree."""
    told = sha256()
    for text in texts:
        raw = text.encode()
        told.update(struct.pack(">Q", len(raw)) + raw)
    return told.hexdigest()[:12]


def meta_data(node: str, identity: str) -> str:
    """What tells cloud-init whose birth this is: another instance-id is another birth."""
    return f"instance-id: {node}-{identity}\nlocal-hostname: {node}\n"


def nocloud_image(user_data: str, network_config: str, meta: str) -> bytes:
    """The ISO 9660 image of the three texts, with Rock Ridge and Joliet names in lower case."""
    files = {"meta-data": meta, "network-config": network_config, "user-data": user_data}
    with _clock_lock, _fixed_clock():
        image = PyCdlib()
        image.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
        for name, text in files.items():
            _add(image, name, text.encode())
        written = BytesIO()
        image.write_fp(written)
        image.close()
    return written.getvalue()


def write_seed(project: Path, name: str, image: bytes) -> str:
    """Put ``image`` below ``project`` and return its path relative to it, with ``/``.

    The engine starts each provider in the project's folder, so a relative path is the same for
    everybody who runs the program. A file appears whole or not at all.
    """
    folder = project / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if not target.is_file() or target.read_bytes() != image:
        partial = folder / f"{name}.part"
        partial.write_bytes(image)
        partial.replace(target)
    return f"{FOLDER}/{name}"


def _add(image: PyCdlib, name: str, content: bytes) -> None:
    plain = name.replace("-", "").upper()[:8]
    image.add_fp(
        BytesIO(content),
        len(content),
        f"/{plain}.;1",
        rr_name=name,
        joliet_path=f"/{name}",
        file_mode=_FILE_MODE,
    )


@contextmanager
def _fixed_clock() -> Generator[None]:
    """Have pycdlib stamp 2000-01-01 UTC: it offers no other way than to ask the clock."""

    def record(self: dates.DirectoryRecordDate, _moment: float) -> None:
        self.parse(_RECORD_DATE)

    def volume(self: dates.VolumeDescriptorDate, moment: float) -> None:
        self.parse(_VOLUME_DATE if moment else dates.VolumeDescriptorDate.EMPTY_STRING)

    replaced: list[tuple[type[Any], Any]] = [
        (dates.DirectoryRecordDate, record),
        (dates.VolumeDescriptorDate, volume),
    ]
    originals = [(owner, owner.new) for owner, _ in replaced]
    for owner, new in replaced:
        owner.new = new
    try:
        yield
    finally:
        for owner, new in originals:
            owner.new = new
