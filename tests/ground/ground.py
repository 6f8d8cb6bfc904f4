"""The proving ground: the real program in the real engine makes machines on a real libvirtd."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import yaml

from ampere_infra import tools
from ampere_infra.rehearsal.leaks import plain
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.reality import Emulation, Reality
from ampere_infra.rehearsal.stage import staged
from ampere_infra.rehearsal.world import World
from tests.ground import services
from tests.ground.host import TestHost
from tests.ground.image import base_image
from tests.ground.mirror import mirror
from tests.ground.stack import NODE_KEY, TIME_SERVERS
from tests.ground.virtualisation import kvm_works

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ampere_infra.rehearsal.engine import Outcome
    from ampere_infra.rehearsal.events import Step
    from ampere_infra.settings.api import ApiSettings
    from ampere_infra.settings.home import HomeSettings

KUBECTL_TRIES = 30
SSH = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "10",
    "LogLevel": "ERROR",
}


@dataclass
class Ground(AbstractContextManager["Ground"], ABC):
    """A KVM host with its mirrors, and a stack that the engine makes there.

    Each stack has a ground of its own, which says what stands there around its machines.
    """

    stack: ClassVar[str]
    addresses: ClassVar[Mapping[str, str]]
    """The machines, and where they answer."""
    time_server: ClassVar[str]
    """Where the machines find the time."""
    mirror_port: ClassVar[int] = 80

    folder: Path
    say: Callable[[str], None]
    _read: tuple[int, list[dict[str, Any]]] | None = None
    """The state's resources, and when that state was written."""

    @abstractmethod
    def configure(self) -> dict[str, Any]:
        """Return the stack's settings."""

    @property
    @abstractmethod
    def settings(self) -> HomeSettings | ApiSettings:
        """The stack's settings, as the program reads them."""

    @abstractmethod
    def furnish(self, reality: Reality) -> Reality:
        """Bring what the machines need beside packages and the time, before anything is made."""

    def let_in(self, project: Project) -> None:
        """Let the program in where it has to go."""

    def environment(self) -> dict[str, str]:
        """Return the environment of what runs over SSH on the host."""
        path = f"{tools.path('kubectl').parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _set_up(self, stack: ExitStack) -> None:
        self.image, self.mirror = base_image(self.say), mirror(self.say)
        names = dict.fromkeys(TIME_SERVERS, self.time_server)
        self.host = stack.enter_context(TestHost(self.folder / "host", self.environment(), names))
        self.start_mirror()
        services.start(self.host, "ntp")
        emulation = None if kvm_works(self.image.path, self.say) else Emulation()
        reality = Reality(enter=self.host.enter, emulation=emulation, patience=30)
        world = World(reality=self.furnish(reality))
        self.config = self.configure()
        file = self.folder / f"Pulumi.{self.stack}.yaml"
        file.write_text(yaml.safe_dump({"config": self.config}))
        project = Project(self.stack, file, self.folder / "rehearsal")
        self.stage = stack.enter_context(staged(project, world, checkpoints=True))
        self.let_in(self.stage.project)

    def start_mirror(self) -> None:
        """Serve the packages' mirror."""
        port, folder = str(self.mirror_port), str(self.mirror.folder)
        self._mirror = services.start(self.host, "http", port, folder)

    def stop_mirror(self) -> None:
        """Take the packages' mirror away."""
        self.host.stop(self._mirror)

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
        target = f"{self.settings.cluster.login}@{self.addresses[node]}"
        words = [*self.host.enter, "ssh", *options, *files, target, command]
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=timeout, input=stdin
        )
        assert not check or done.returncode == 0, f"{node}: {command}: {done.stderr}"
        return done

    def _outputs(self, name: str) -> dict[str, Any] | None:
        """Return what the engine recorded of a resource, or None as long as it has none of it."""
        file = self.stage.engine.checkpoint
        written = file.stat().st_mtime_ns
        if self._read is None or self._read[0] != written:
            state = self.stage.engine.export(show_secrets=True)["deployment"]
            self._read = (written, state.get("resources", []))
        of_name = (r for r in self._read[1] if r["urn"].rpartition("::")[2] == name)
        found = next((r.get("outputs") for r in of_name if not r.get("delete")), None)
        return found and {key: plain(told) for key, told in found.items()}

    def recorded(self, name: str) -> dict[str, Any]:
        """Return what the engine recorded of a resource, which it has made."""
        found = self._outputs(name)
        assert found is not None, f"there is no {name} yet"
        return found

    def knows(self, node: str) -> bool:
        """Whether the program has pinned a machine's host key."""
        return self._outputs(f"{node}-host-key") is not None

    def key(self) -> Path:
        """Return the file of the key that the machines know."""
        file = self.stage.project.private / "node_key"
        if not file.exists():
            private = self.recorded(NODE_KEY)["privateKeyOpenssh"]
            file.touch(mode=0o600)
            file.write_text(private)
        return file

    def _known_hosts(self, node: str) -> Path:
        """Return what the program has pinned; it changes when a machine is made anew."""
        pinned = self.recorded(f"{node}-host-key")
        file = self.folder / f"known_hosts.{node}"
        file.write_text(f"{self.addresses[node]} {pinned['stdout']}\n")
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
