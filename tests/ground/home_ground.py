"""The proving ground of the home stack: a KVM host that serves its image and passes the API on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ampere_infra.platform import nginx
from ampere_infra.settings.load import parse
from ampere_infra.stacks import home_specs
from tests.ground import home, services
from tests.ground.ground import Ground
from tests.ground.host import ADDRESS, NAME
from tests.keyvault.certificates import server_context

if TYPE_CHECKING:
    from contextlib import ExitStack

    from ampere_infra.rehearsal.project import Project
    from ampere_infra.rehearsal.reality import Reality
    from ampere_infra.settings.home import HomeSettings

_NGINX = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
include {folder}/stream.conf;
"""


class HomeGround(Ground):
    """A KVM host, and the stack ``home`` that the engine makes there."""

    stack = "home"
    addresses = home.ADDRESSES
    time_server = home.GATEWAY

    @override
    def configure(self) -> dict[str, Any]:
        keys = (self.mirror.kubernetes_key, self.mirror.containerd_key)
        return home.settings(self.image.sha256, *keys)

    @property
    @override
    def settings(self) -> HomeSettings:
        return parse("home", self.config)

    @override
    def _set_up(self, stack: ExitStack) -> None:
        self.certificates = self.folder / "tls"
        self.certificates.mkdir(parents=True)
        server_context(self.certificates, [NAME])
        super()._set_up(stack)

    @override
    def environment(self) -> dict[str, str]:
        """Have programs trust the image's server."""
        return {**super().environment(), "CURL_CA_BUNDLE": str(self.certificates / "ca.pem")}

    @override
    def furnish(self, reality: Reality) -> Reality:
        """Serve the image."""
        images = self.folder / "images"
        images.mkdir()
        (images / "base.qcow2").symlink_to(self.image.path)
        pair = (str(self.certificates / name) for name in ("server.pem", "server.key"))
        services.start(self.host, "https", "443", str(images), *pair)
        return reality

    @override
    def let_in(self, project: Project) -> None:
        """Let the host know the user's key, and the user the host's; pass the API on."""
        key = project.private / "id_ed25519"
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True
        )
        self.host.authorize(public.stdout)
        known = project.private / "known_hosts"
        known.write_text(f"{NAME},{ADDRESS} {self.host.host_key}\n")
        self._front()

    def _front(self) -> None:
        """Pass the API on, as the rendered NGINX configuration says."""
        files = home_specs.nginx_files(self.settings)
        name = self.settings.cluster.name
        (self.folder / "stream.conf").write_text(files[nginx.stream_path(name)])
        (self.folder / "nginx.conf").write_text(_NGINX.format(folder=self.folder))
        self.host.start("nginx", "-c", str(self.folder / "nginx.conf"), log="nginx.log")
