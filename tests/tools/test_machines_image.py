"""The base image on the KVM host: downloaded, checked, uploaded, and cut at every point."""

from __future__ import annotations

import os
import shutil
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from kvm_host import POOL

from ampere_infra.machines import scripts
from ampere_infra.settings.home import Image

if TYPE_CHECKING:
    from collections.abc import Generator

    from kvm_host import KvmHostDouble

IMAGE = os.urandom(1024) * 300


class Mirror(ThreadingHTTPServer):
    """Serves one file, in ranges, and can stop in the middle."""

    content = IMAGE
    cut_after: int | None = None
    ranges = True
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/noble.img"


class Served(BaseHTTPRequestHandler):
    """One request to the mirror."""

    def do_GET(self) -> None:
        mirror = self.server
        assert isinstance(mirror, Mirror)
        asked = self.headers.get("Range", "") if mirror.ranges else ""
        mirror.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-") or 0)
        if start >= len(mirror.content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(mirror.content) - start))
        if asked:
            last = len(mirror.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.end_headers()
        end = None if mirror.cut_after is None else start + mirror.cut_after
        self.wfile.write(mirror.content[start:end])

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def mirror() -> Generator[Mirror]:
    server = Mirror(("127.0.0.1", 0), Served)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def image(mirror: Mirror, digest: str | None = None) -> Image:
    # Settings want https; the loopback has no certificate.
    return Image.model_construct(
        distribution="ubuntu-24.04",
        url=mirror.url,
        sha256=digest or sha256(mirror.content).hexdigest(),
    )


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_base_image_is_downloaded_checked_and_uploaded(
    host: KvmHostDouble, mirror: Mirror, shell: str
):
    wanted = image(mirror)
    done = host.run(scripts.base_image(POOL, wanted), shell)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{scripts.base_volume(wanted)}\n", "stdout is the name and no more"
    assert (host.pool / scripts.base_volume(wanted)).read_bytes() == IMAGE
    assert not list(host.cache.glob("*.part")), "the pool holds it now"


def test_a_second_run_downloads_and_touches_nothing(host: KvmHostDouble, mirror: Mirror):
    script = scripts.base_image(POOL, image(mirror))
    host.run(script)
    before = (len(mirror.asked), len(host.calls))
    again = host.run(script)
    assert again.stdout.strip() in host.volumes
    assert len(mirror.asked) == before[0]
    assert not [c for c in host.calls[before[1] :] if "delete" in c or "upload" in c]


def test_a_download_that_was_cut_goes_on_where_it_stopped(host: KvmHostDouble, mirror: Mirror):
    script = scripts.base_image(POOL, image(mirror))
    mirror.cut_after = 100_000
    cut = host.run(script.replace("--retry 3", "--retry 0"))
    assert cut.returncode == 1
    assert "run again" in cut.stderr
    assert not host.volumes, "nothing is made of half an image"
    mirror.cut_after = None
    done = host.run(script)
    assert done.returncode == 0, done.stderr
    assert mirror.asked[-1] == "bytes=100000-"
    assert (host.pool / done.stdout.strip()).read_bytes() == IMAGE


def test_a_resumed_download_of_another_file_starts_over(host: KvmHostDouble, mirror: Mirror):
    wanted = image(mirror)
    host.cache.mkdir(parents=True)
    (host.cache / f"{scripts.base_volume(wanted)}.part").write_bytes(b"yesterday's image")
    done = host.run(scripts.base_image(POOL, wanted))
    assert done.returncode == 0, done.stderr
    assert (host.pool / done.stdout.strip()).read_bytes() == IMAGE


def test_a_server_that_cannot_go_on_starts_over(host: KvmHostDouble, mirror: Mirror):
    wanted = image(mirror)
    host.cache.mkdir(parents=True)
    (host.cache / f"{scripts.base_volume(wanted)}.part").write_bytes(IMAGE[:1000])
    mirror.ranges = False
    done = host.run(scripts.base_image(POOL, wanted))
    assert done.returncode == 0, done.stderr
    assert (host.pool / done.stdout.strip()).read_bytes() == IMAGE


def test_a_file_larger_than_the_image_starts_over(host: KvmHostDouble, mirror: Mirror):
    wanted = image(mirror)
    host.cache.mkdir(parents=True)
    (host.cache / f"{scripts.base_volume(wanted)}.part").write_bytes(IMAGE + b"more")
    done = host.run(scripts.base_image(POOL, wanted))
    assert done.returncode == 0, done.stderr
    assert (host.pool / done.stdout.strip()).read_bytes() == IMAGE


def test_a_wrong_checksum_says_so_and_leaves_nothing(host: KvmHostDouble, mirror: Mirror):
    refused = host.run(scripts.base_image(POOL, image(mirror, "0" * 64)))
    assert refused.returncode == 1
    assert "ampere:image.sha256" in refused.stderr
    assert sha256(IMAGE).hexdigest() in refused.stderr, "what it is, to compare"
    assert not host.volumes
    assert not list(host.cache.glob("*.part"))


def test_a_missing_image_says_so(host: KvmHostDouble, mirror: Mirror):
    gone = image(mirror).model_copy(update={"url": "http://127.0.0.1:1/noble.img"})
    refused = host.run(scripts.base_image(POOL, gone).replace("--retry 3", "--retry 0"))
    assert refused.returncode == 1
    assert "curl says 7" in refused.stderr


def test_an_upload_that_was_cut_is_done_again(host: KvmHostDouble, mirror: Mirror):
    script = scripts.base_image(POOL, image(mirror))
    cut = host.run(script, FAKE_FAIL="vol-upload")
    assert cut.returncode != 0
    assert host.volumes, "half a volume is there"
    done = host.run(script)
    assert done.returncode == 0, done.stderr
    assert (host.pool / done.stdout.strip()).read_bytes() == IMAGE
    assert len(mirror.asked) == 1, "the download was whole and kept"


def overlay(host: KvmHostDouble, name: str, base: str) -> None:
    (host.pool / name).write_bytes(f"over /pool/{POOL}/{base}".encode())


def test_an_image_under_a_machines_disk_is_never_touched(host: KvmHostDouble, mirror: Mirror):
    wanted = image(mirror)
    base = scripts.base_volume(wanted)
    host.run(scripts.base_image(POOL, wanted))
    overlay(host, "node1-root-0.qcow2", base)
    shutil.rmtree(host.cache)
    before = len(host.calls)
    done = host.run(scripts.base_image(POOL, wanted))
    assert done.returncode == 0, done.stderr
    assert not [c for c in host.calls[before:] if "delete" in c or "upload" in c]


def test_another_image_leaves_the_old_one_to_the_disks_that_need_it(
    host: KvmHostDouble, mirror: Mirror
):
    host.run(scripts.base_image(POOL, image(mirror)))
    (old,) = host.volumes
    overlay(host, "node1-root-0.qcow2", old)
    mirror.content = IMAGE[::-1]
    new = scripts.base_volume(image(mirror))
    host.run(scripts.base_image(POOL, image(mirror)))
    assert host.volumes == {old, new, "node1-root-0.qcow2"}
    (host.pool / "node1-root-0.qcow2").unlink()
    host.run(scripts.base_image(POOL, image(mirror)))
    assert host.volumes == {new}, "and drops it once nothing needs it"
