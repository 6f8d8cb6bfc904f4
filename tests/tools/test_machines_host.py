"""What runs on the KVM host, run for real: only virsh, ssh-keyscan and sudo are stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ampere_infra.machines import scripts
from ampere_infra.platform.nginx import install_script, remove_script, sudo_commands
from ampere_infra.settings.home import Image

if TYPE_CHECKING:
    from collections.abc import Generator

IMAGE = os.urandom(1024) * 300
POOL = "ampere-k8s"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"


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


class KvmHostDouble:
    """A host: stand-ins first in PATH, everything they keep in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        for name in ("bin", "pools/" + POOL, "definitions", "networks", "domains", "home"):
            (folder / name).mkdir(parents=True)
        self.put("virsh", (Path(__file__).parent / "fake_virsh.py").read_text())
        self.put("kubectl", "#!/bin/sh\n")

    def put(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(text)
        program.chmod(0o755)

    @property
    def pool(self) -> Path:
        return self.folder / "pools" / POOL

    @property
    def volumes(self) -> set[str]:
        return {volume.name for volume in self.pool.iterdir()}

    @property
    def cache(self) -> Path:
        return self.folder / "home/.cache/ampere" / POOL

    @property
    def calls(self) -> list[str]:
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def run(
        self, script: str, shell: str = "dash", stdin: str = "", path: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        words = shutil.which(shell)
        assert words
        checked = subprocess.run([words, "-n", "-c", script], check=False, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, b""), "the shell cannot read it"
        return subprocess.run(
            [words, "-c", script],
            check=False,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=60,
            env={
                "PATH": path or f"{self.bin}:{os.environ['PATH']}",
                "HOME": str(self.folder / "home"),
                "FAKE_HOST": str(self.folder),
                **env,
            },
        )


@pytest.fixture
def host(tmp_path: Path) -> KvmHostDouble:
    return KvmHostDouble(tmp_path)


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


# The base image


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


# The sweep


def test_the_sweep_takes_leftovers_and_keeps_data(host: KvmHostDouble):
    for name in ("base-1.qcow2", "node1-root-1.qcow2", "node1-seed-1.iso", "node2-data.qcow2"):
        (host.pool / name).write_bytes(b"x")
    (host.pool / "node1-data.qcow2").write_bytes(b"written")
    (host.folder / "domains/node1").write_text("ampere-infra:ampere-k8s/node1")
    (host.folder / "domains/theirs").write_text("ampere-infra:ampere-k8s-other/node1")
    (host.folder / "domains/plain").write_text("")
    (host.cache.parent / f"{POOL}-other").mkdir(parents=True)
    done = host.run(scripts.sweep(POOL))
    assert done.returncode == 0, done.stderr
    assert host.run(scripts.sweep(POOL)).returncode == 0, "nor does a second sweep fail"
    assert host.volumes == {"node1-data.qcow2"}, "node2's was never written to"
    assert "node1-data.qcow2" in done.stderr
    assert {d.name for d in (host.folder / "domains").iterdir()} == {"theirs", "plain"}
    assert not host.cache.exists()
    assert (host.cache.parent / f"{POOL}-other").exists(), "another cluster's cache"


def test_the_sweep_of_a_pool_that_is_gone_is_fine(host: KvmHostDouble):
    host.pool.rmdir()
    assert host.run(scripts.sweep(POOL)).returncode == 0


# The host key


def keyscan(host: KvmHostDouble, answers_from: int) -> None:
    host.put(
        "ssh-keyscan",
        f'#!/bin/sh\necho x >>"$FAKE_HOST/scans"\n'
        f'[ "$(wc -l <"$FAKE_HOST/scans")" -ge {answers_from} ] || exit 1\n'
        f'echo "# 10.0.0.9:22 SSH-2.0" >&2\necho "10.0.0.9 {KEY}"\n',
    )


def test_a_machine_is_waited_for_until_its_key_is_there(host: KvmHostDouble):
    keyscan(host, answers_from=3)
    done = host.run(scripts.host_key("node1", IPv4Address("10.0.0.9"), 60, pause=0))
    assert (done.returncode, done.stdout) == (0, f"{KEY}\n"), "stdout is the key and no more"
    assert done.stderr.count("node1: waiting for SSH at 10.0.0.9") == 2


def test_a_machine_that_never_answers_is_given_up_with_its_state(host: KvmHostDouble):
    keyscan(host, answers_from=9)
    done = host.run(scripts.host_key("node1", IPv4Address("10.0.0.9"), 0, pause=0))
    assert (done.returncode, done.stdout) == (1, "")
    assert "console node1" in done.stderr
    assert "running (booted)" in done.stderr


# Leftovers of interrupted runs


def test_what_is_not_there_needs_no_clearing(host: KvmHostDouble):
    for script in (
        scripts.clear_pool(POOL, "/pool"),
        scripts.clear_network(POOL, "amp-1"),
        scripts.clear_domain(POOL, "node1"),
    ):
        assert host.run(script).returncode == 0


LEFTOVERS = {
    "definitions": (scripts.clear_pool(POOL, "/pool"), POOL, "<target><path>/pool</path></target>"),
    "networks": (scripts.clear_network(POOL, "amp-1"), POOL, "<bridge name='amp-1' stp='on'/>"),
    "domains": (scripts.clear_domain(POOL, "node1"), "node1", f"ampere-infra:{POOL}/node1"),
}


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_our_leftover_is_cleared(host: KvmHostDouble, kind: str):
    script, name, ours = LEFTOVERS[kind]
    (host.folder / kind / name).write_text(ours)
    done = host.run(script)
    assert done.returncode == 0, done.stderr
    assert not (host.folder / kind / name).exists()


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_strangers_thing_of_the_same_name_is_refused(host: KvmHostDouble, kind: str):
    script, name, ours = LEFTOVERS[kind]
    (host.folder / kind / name).write_text(ours.replace("amp", "other").replace("/pool", "/srv"))
    done = host.run(script)
    assert done.returncode == 1
    assert "not of this cluster" in done.stderr
    assert (host.folder / kind / name).exists()


# The preflight


def places(host: KvmHostDouble) -> dict[str, object]:
    (host.folder / "kvm").touch()
    (host.folder / "net/br0/bridge").mkdir(parents=True)
    (host.folder / "modules").mkdir()
    (host.folder / "modules/50-mod-stream.conf").write_text("load_module ngx_stream_module.so;")
    (host.folder / "abstraction").write_text(f"  /srv/{POOL}/** rwk,\n")
    return {
        "kvm": str(host.folder / "kvm"),
        "interfaces": str(host.folder / "net"),
        "nginx_modules": str(host.folder / "modules"),
        "abstractions": [str(host.folder / "abstraction"), str(host.folder / "no-such-file")],
        "sbin": str(host.bin),
    }


def preflight(host: KvmHostDouble, bridge: str | None = "br0", **found: object) -> str:
    values = places(host) | found
    return scripts.preflight(
        POOL,
        f"/srv/{POOL}",
        bridge=bridge,
        sudo_probe=sudo_commands(["/etc/nginx/conf.d/c.conf"]),
        stream=True,
        **values,
    )


def equip(host: KvmHostDouble) -> None:
    host.put("sudo", '#!/bin/sh\n[ -z "$FAKE_SUDO" ] || exit 1\n')
    host.put("nginx", "#!/bin/sh\necho configure arguments: >&2\n")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_host_that_is_ready_passes(host: KvmHostDouble, shell: str):
    equip(host)
    done = host.run(preflight(host), shell, FAKE_SECURITY="apparmor")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_apparmor_refusing_the_pool_is_said_with_the_line_to_add(host: KvmHostDouble):
    equip(host)
    script = preflight(host)
    (host.folder / "abstraction").write_text(f"#  /srv/{POOL}/** rwk,\n")
    done = host.run(script, FAKE_SECURITY="apparmor")
    assert done.returncode == 1
    assert f"echo '  /srv/{POOL}/** rwk,' | sudo tee -a" in done.stderr
    assert host.run(script).returncode == 0, "without AppArmor nothing is to be done"


def test_everything_that_is_wrong_is_said_at_once(host: KvmHostDouble):
    equip(host)
    script = preflight(host, bridge="br7", kvm="/no/kvm")
    shutil.rmtree(host.folder / "modules")
    done = host.run(script, FAKE_FAIL="uri", FAKE_SUDO="no")
    assert done.returncode == 1
    for wrong in ("/no/kvm", "br7", "libvirtd", "stream module", "/usr/sbin/nginx -t"):
        assert wrong in done.stderr
    assert done.stderr.count("There, do:") == len(re.findall("The KVM host ", done.stderr))


def test_missing_programs_are_named_with_their_packages(host: KvmHostDouble, tmp_path: Path):
    few = tmp_path / "few"
    few.mkdir()
    for name in ("uname", "id", "grep", "curl", "flock", "ssh-keyscan"):
        (few / name).symlink_to(shutil.which(name) or "")
    done = host.run(preflight(host, sbin="/no/sbin"), path=str(few))
    assert done.returncode == 1
    assert "virsh is missing" in done.stderr
    assert "sudo apt install libvirt-clients" in done.stderr
    assert "nginx is missing" in done.stderr
    assert "kubectl is missing" in done.stderr


def test_without_the_front_nginx_and_sudo_are_not_asked_for(host: KvmHostDouble):
    script = scripts.preflight(
        POOL, f"/srv/{POOL}", bridge=None, sudo_probe=(), stream=True, **places(host)
    )
    assert "sudo -n" not in script
    assert host.run(script).returncode == 0


# NGINX on the host


@pytest.fixture
def web(host: KvmHostDouble) -> Path:
    """The file that is installed; nginx refuses the word ``broken`` in it."""
    conf = host.folder / "conf.d"
    conf.mkdir()
    file = conf / "c.conf"
    host.put("sudo", '#!/bin/sh\nshift\necho "$@" >>"$FAKE_HOST/rooted"\nexec "$@"\n')
    host.put("nginx", f"#!/bin/sh\n! grep -l broken {conf}/*.conf\n")
    host.put("systemctl", '#!/bin/sh\n[ -z "$FAKE_DOWN" ] && echo "$@" >>"$FAKE_HOST/reloads"\n')
    return file


def reloads(host: KvmHostDouble) -> int:
    log = host.folder / "reloads"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_configuration_is_installed_tested_and_loaded(host: KvmHostDouble, web: Path, shell: str):
    for text in ("one", "two"):
        done = host.run(install_script(str(web)), shell, stdin=text)
        assert done.returncode == 0, done.stderr
        assert web.read_text() == text
    assert web.stat().st_mode & 0o777 == 0o644
    assert [f.name for f in web.parent.iterdir()] == ["c.conf"], "nothing else is left"
    assert reloads(host) == 2


def test_a_configuration_that_nginx_refuses_is_put_back(host: KvmHostDouble, web: Path):
    web.write_text("good")
    done = host.run(install_script(str(web)), stdin="broken")
    assert done.returncode == 1
    assert "nginx refuses" in done.stderr
    assert web.read_text() == "good"
    assert [f.name for f in web.parent.iterdir()] == ["c.conf"]
    assert reloads(host) == 0


def test_a_first_configuration_that_nginx_refuses_leaves_nothing(host: KvmHostDouble, web: Path):
    assert host.run(install_script(str(web)), stdin="broken").returncode == 1
    assert not list(web.parent.iterdir())


def test_a_configuration_that_does_not_start_is_put_back(host: KvmHostDouble, web: Path):
    web.write_text("good")
    assert host.run(install_script(str(web)), stdin="new", FAKE_DOWN="yes").returncode == 1
    assert web.read_text() == "good"


def test_an_interrupted_installation_never_goes_back_to_the_untested_file(
    host: KvmHostDouble, web: Path
):
    web.write_text("broken by an interrupted run")
    assert host.run(install_script(str(web)), stdin="broken too").returncode == 1
    assert not web.exists()
    web.write_text("broken by an interrupted run")
    web.with_name("c.conf.previous").write_text("good")
    assert host.run(install_script(str(web)), stdin="broken too").returncode == 1
    assert web.read_text() == "good", "what stood there before both runs"


def test_a_configuration_is_removed_and_nginx_told(host: KvmHostDouble, web: Path):
    web.write_text("good")
    web.with_name("c.conf.new").touch()
    for _ in range(2):
        assert host.run(remove_script(str(web))).returncode == 0
    assert not list(web.parent.iterdir())
    assert reloads(host) == 2


def test_sudoers_lists_every_command_that_runs_as_root(host: KvmHostDouble, web: Path):
    for text in ("one", "two", "broken"):
        host.run(install_script(str(web)), stdin=text)
    host.run(remove_script(str(web)))
    rooted = set((host.folder / "rooted").read_text().splitlines())
    allowed = {re.sub(r"^/\S*/", "", command) for command in sudo_commands([str(web)])}
    assert rooted == allowed, "the list in docs is the list that is needed, no more and no less"


def test_the_stand_in_knows_no_other_calls_than_libvirts_own(host: KvmHostDouble):
    done = host.run("virsh --quiet --connect qemu:///system no-such-call")
    assert done.returncode != 0
