"""The proving ground: the real program in the real engine makes machines on a real libvirtd."""

from __future__ import annotations

import subprocess
import time
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import yaml

from ampere_infra import tools
from ampere_infra.platform import nginx
from ampere_infra.rehearsal.leaks import plain
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.reality import Emulation, Reality
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World
from ampere_infra.settings.load import parse
from ampere_infra.stacks import home_specs
from tests.ground import home
from tests.ground.host import ADDRESS, NAME, TestHost
from tests.ground.image import base_image
from tests.ground.mirror import mirror
from tests.ground.virtualisation import kvm_works
from tests.keyvault.certificates import server_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ampere_infra.rehearsal.engine import Outcome
    from ampere_infra.rehearsal.events import Step
    from ampere_infra.settings.home import HomeSettings

KUBECTL_TRIES = 30
SSH = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "10",
    "LogLevel": "ERROR",
}
_NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
include {folder}/stream.conf;
"""


@dataclass
class Ground(AbstractContextManager["Ground"]):
    """A KVM host with its mirrors, and the stack ``home`` that the engine makes there."""

    folder: Path
    say: Callable[[str], None]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _set_up(self, stack: ExitStack) -> None:
        image, self.mirror = base_image(self.say), mirror(self.say)
        certificates = self.folder / "tls"
        certificates.mkdir(parents=True)
        server_context(certificates, [NAME])
        self.host = stack.enter_context(self._host(certificates / "ca.pem"))
        self.pair = (str(certificates / "server.pem"), str(certificates / "server.key"))
        self._serve(image.path)
        emulation = None if kvm_works(image.path, self.say) else Emulation()
        world = World(reality=Reality(enter=self.host.enter, emulation=emulation, patience=30))
        self.stage = stack.enter_context(
            staged(self._project(image.sha256), world, checkpoints=True)
        )
        self._let_in(self.stage.project)
        self._front()

    def _host(self, authority: Path) -> TestHost:
        names = dict.fromkeys(home.TIME_SERVERS, home.GATEWAY)
        path = f"{tools.path('kubectl').parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        variables = {"CURL_CA_BUNDLE": str(authority), "PATH": path}
        return TestHost(self.folder / "host", variables, names)

    def _serve(self, image: Path) -> None:
        """Serve the mirror and the image, and tell the time."""
        images = self.folder / "images"
        images.mkdir()
        (images / "base.qcow2").symlink_to(image)
        self.start_mirror()
        self.python("https", "443", str(images), *self.pair)
        self.python("ntp")

    def start_mirror(self) -> None:
        """Serve the packages' mirror."""
        self._mirror = self.python("http", "80", str(self.mirror.folder))

    def stop_mirror(self) -> None:
        """Take the packages' mirror away."""
        self.host.run("pkill", "-f", "tests.ground.services http 80")
        self._mirror.wait()

    def python(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of :mod:`tests.ground.services` on the host."""
        python = str(home.PROJECT / ".venv/bin/python")
        path = f"PYTHONPATH={home.PROJECT}"
        words = ("env", path, python, "-m", "tests.ground.services")
        return self.host.start(*words, *arguments, log="services.log")

    def _project(self, image_sha256: str) -> Project:
        keys = (self.mirror.kubernetes_key, self.mirror.containerd_key)
        self.config = home.settings(image_sha256, *keys)
        file = self.folder / "Pulumi.home.yaml"
        file.write_text(yaml.safe_dump({"config": self.config}))
        return Project("home", file, self.folder / "rehearsal")

    @property
    def settings(self) -> HomeSettings:
        """The stack's settings, as the program reads them."""
        return parse("home", self.config)

    def _let_in(self, project: Project) -> None:
        """Let the host know the user's key, and the user the host's."""
        key = project.private / "id_ed25519"
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True
        )
        self.host.authorize(public.stdout)
        known = project.private / "known_hosts"
        known.write_text(f"{NAME},{ADDRESS} {self.host.host_key}\n")

    def _front(self) -> None:
        """Pass the API on, as the rendered NGINX configuration says."""
        files = home_specs.nginx_files(self.settings)
        name = self.settings.cluster.name
        (self.folder / "stream.conf").write_text(files[nginx.stream_path(name)])
        (self.folder / "nginx.conf").write_text(_NGINX.format(folder=self.folder))
        self.host.start("nginx", "-c", str(self.folder / "nginx.conf"), log="nginx.log")

    def up(self) -> Outcome:
        """Run ``pulumi up`` and tell each step."""
        return self.stage.engine.up(on_step=self.tell)

    def tell(self, step: Step) -> None:
        """Show as progress what the engine has done to a resource, but not to a component."""
        if step.changes and not step.type.startswith(("ampere:", "pulumi:")):
            self.say(f"{time.strftime('%H:%M:%S')} {step.op} {step.name}")

    def on(
        self,
        node: str,
        command: str,
        *,
        check: bool = True,
        stdin: str = "",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``command`` on a machine as the program's login there."""
        options = [word for item in SSH.items() for word in ("-o", "=".join(item))]
        files = ("-o", f"UserKnownHostsFile={self._known_hosts(node)}", "-i", str(self.key()))
        target = f"{self.settings.cluster.login}@{home.ADDRESSES[node]}"
        words = [*self.host.enter, "ssh", *options, *files, target, command]
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=timeout, input=stdin
        )
        assert not check or done.returncode == 0, f"{node}: {command}: {done.stderr}"
        return done

    def _connections(self) -> dict[str, dict[str, Any]]:
        """Return how the program reaches each machine, from the state."""
        state = self.stage.engine.export(show_secrets=True)["deployment"]
        found: dict[str, dict[str, Any]] = {}
        for resource in state.get("resources", []):
            connection = plain(resource.get("inputs", {}).get("connection"))
            if isinstance(connection, dict):
                known = {key: plain(told) for key, told in connection.items()}
                found[str(known["host"])] = known
        return found

    def known(self) -> set[str]:
        """Return the machines whose host keys the program has pinned."""
        pinned = {host for host, known in self._connections().items() if known.get("hostKey")}
        return {node for node, address in home.ADDRESSES.items() if address in pinned}

    def key(self) -> Path:
        """Return the file of the key that the machines know."""
        file = self.stage.project.private / "node_key"
        if not file.exists():
            nodes = set(home.ADDRESSES.values())
            known = next(c for host, c in self._connections().items() if host in nodes)
            file.touch(mode=0o600)
            file.write_text(known["privateKey"])
        return file

    def _known_hosts(self, node: str) -> Path:
        """Return what the program has pinned; it changes when a machine is made anew."""
        address = home.ADDRESSES[node]
        file = self.folder / f"known_hosts.{node}"
        file.write_text(f"{address} {self._connections()[address]['hostKey']}\n")
        return file

    def console(self, node: str) -> str:
        """Return what a machine has printed on its serial line."""
        file = self.host.folder / f"var/log/libvirt/qemu/{node}-console.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def markers(self, node: str) -> dict[str, str]:
        """Return the markers that a machine has earned, and when."""
        listed = self.on(node, "cd /var/lib/ampere && grep -H . [A-Z]*_* 2>/dev/null", check=False)
        return dict(line.split(":", 1) for line in listed.stdout.splitlines())

    def kubectl(self, *words: str, check: bool = True) -> str:
        """Ask the cluster with the kubeconfig of the stack's outputs, again while it is busy."""
        file = self.stage.project.private / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(self.stage.engine.outputs(show_secrets=True)["kubeconfig"])
        program, said = str(tools.path("kubectl")), ""
        for _ in range(KUBECTL_TRIES if check else 1):
            done = self.host.run(program, f"--kubeconfig={file}", *words, check=False)
            if done.returncode == 0 or not check:
                return done.stdout
            said = done.stderr
            time.sleep(5)
        raise AssertionError(f"kubectl {' '.join(words)}: {said}")

    def cut_power(self, node: str) -> None:
        """Take a machine's power away."""
        self.host.virsh("destroy", node)

    def give_power(self, node: str) -> None:
        """Switch a machine on."""
        self.host.virsh("start", node)
