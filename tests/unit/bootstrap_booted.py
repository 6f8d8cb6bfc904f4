"""A node booted by a real systemd, as process 1 of namespaces of its own.

Its root is an overlay over this machine's, so nothing here is touched, and what it wrote survives
when it is killed: that is a power cut. The programs that would need a network, a kernel or a
cluster are short sh texts; the units and the node program are the rendered ones.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bootstrap_cases import home, lay_out

from ampere_infra.bootstrap.units import STATE
from ampere_infra.templates import parse
from tests.waiting import await_true

if TYPE_CHECKING:
    from pathlib import Path

    from ampere_infra.bootstrap.spec import NodeSpec

HOME = home()
UNITS = "etc/systemd/system"
DONE = "/run/cloud-init/result.json"
REWRITTEN = "/rewritten"
"""Units that cloud-init writes again at the next boot."""

BOOT = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/,upperdir={state}/upper,workdir={state}/work {state}/root
cd {state}/root
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd,xattr systemd sys/fs/cgroup/systemd
ip link set lo up
ip address add {address}/32 dev lo
ip address add {api}/32 dev lo 2>/dev/null || true
exec chroot . /usr/bin/env -i container=lxc SYSTEMD_UNIT_PATH=/etc/systemd/system \
    /lib/systemd/systemd --system --unit=boot.target --log-target=null
"""
PLAIN_TARGETS = "sysinit basic multi-user network-online shutdown umount timers paths final"
FOR_EVER = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
FAKE_UNITS = {
    "boot.target": "[Unit]\nWants=multi-user.target cloud-final.service\n",
    # As on Ubuntu, cloud-init's last stage comes after multi-user.target.
    "cloud-final.service": (
        "[Unit]\nAfter=multi-user.target\nDefaultDependencies=no\n"
        "[Service]\nType=oneshot\nExecStart=/usr/local/sbin/cloud-final\n"
    ),
    "sshd.service": "[Service]\nExecStart=/usr/local/sbin/fake-server ssh\n",
    "api.service": "[Service]\nExecStart=/usr/local/sbin/fake-server api\nRestart=always\n",
    "containerd.service": FOR_EVER,
    "kubelet.service": FOR_EVER,
    "service.d/fast.conf": (
        "[Service]\nRestartSec=1\nStandardOutput=append:/log\nStandardError=append:/log\n"
    ),
    "ampere-converge.timer.d/fast.conf": (
        "[Timer]\nOnActiveSec=\nOnUnitActiveSec=\nOnActiveSec=3\nOnUnitActiveSec=3\n"
        "AccuracySec=100ms\n"
    ),
    "kubeadm-token-keep.timer.d/fast.conf": (
        "[Timer]\nOnActiveSec=\nOnUnitActiveSec=\nOnActiveSec=2\nOnUnitActiveSec=2\n"
        "AccuracySec=100ms\n"
    ),
}
PKI = "/etc/kubernetes/pki"
FAKE_PROGRAMS = {
    "timedatectl": "echo yes",
    "apt-get": "sleep 0.2; [ ! -e /mirror-is-down ] || exit 100",
    "kubeadm": f"""
case "$1" in
reset) rm -rf {PKI} /etc/kubernetes/*.conf ;;
init)
  [ -e {PKI}/ca.key ] || exit 3
  [ ! -e /etc/kubernetes/admin.conf ] || exit 4
  echo half > /etc/kubernetes/admin.conf
  mkdir -p {PKI}/etcd /srv/ampere/etcd/member
  sleep 0.5
  for f in sa.key sa.pub front-proxy-ca.crt front-proxy-ca.key etcd/ca.crt etcd/ca.key; do
    [ -e {PKI}/$f ] || head -c 12 /dev/urandom | base64 > {PKI}/$f
  done
  echo whole > /etc/kubernetes/admin.conf ;;
join)
  [ ! -e /etc/kubernetes/kubelet.conf ] || exit 5
  mkdir -p {PKI}; echo half > /etc/kubernetes/kubelet.conf
  sleep 0.5
  rm -f /dismissed
  echo whole > /etc/kubernetes/kubelet.conf ;;
esac
""",
    "kubectl": """
case "$*" in
*admin.conf*) [ "$(cat /etc/kubernetes/admin.conf)" = whole ] || exit 1 ;;
*kubelet.conf*) [ "$(cat /etc/kubernetes/kubelet.conf)" = whole ] || exit 1 ;;
esac
case "$*" in
*"get nodes"*) echo '{"items": []}' ;;
*cluster-info*) printf public ;;
*conditions*) printf True ;;
*"get node "*) [ -e /dismissed ] || printf "$(hostname-of-node)" ;;
esac
""",
    "fake-server": "exec /usr/bin/python3 /usr/local/sbin/fake-server.py $1",
}
FAKE_SERVER = """
import os, socket, ssl, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists("/etc/kubernetes/admin.conf") else 503)
        self.end_headers()

if sys.argv[1] == "ssh":
    server = socket.create_server(("0.0.0.0", 22))
    while True:
        connection, _ = server.accept()
        connection.sendall(b"SSH-2.0-test\\r\\n")
        connection.close()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/api.crt", "/api.key")
server = HTTPServer(("0.0.0.0", 6443), Api)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
SILENT = ("modprobe", "sysctl", "swapoff", "apt-mark", "dpkg", "crictl")


def cloud_final(runcmd: list[str | list[str]]) -> str:
    """Return what stands for cloud-init until the node is ready: it writes files, and runs this."""
    orders = "; ".join(word if isinstance(word, str) else shlex.join(word) for word in runcmd)
    write = f"[ ! -d {REWRITTEN} ] || cp {REWRITTEN}/* /{UNITS}"
    result = json.dumps({"v1": {"errors": []}})
    return (
        f"[ -e {STATE}/OS_READY ] || {{ {write}; {orders}; }}\n"
        f"mkdir -p /run/cloud-init; echo '{result}' > {DONE}"
    )


@dataclass
class Booted:
    """A node that can be booted, cut off and looked at."""

    state: Path
    node: NodeSpec
    process: subprocess.Popen[bytes] | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def root(self) -> Path:
        return self.state / "upper"

    def prepare(self) -> None:
        for name in ("upper", "work", "root"):
            (self.state / name).mkdir(parents=True)
        born = HOME.born(self.node)
        lay_out(born, self.root)
        file = self.root / "etc/ampere/node.json"
        known = json.loads(file.read_text()) | {"keys": [], "probe_pause": 0} | self.facts
        file.write_text(json.dumps(known))
        units = self.root / UNITS
        for name in PLAIN_TARGETS.split():
            (units / f"{name}.target").write_text("[Unit]\n")
        for name, text in FAKE_UNITS.items():
            (units / name).parent.mkdir(exist_ok=True)
            (units / name).write_text(text)
        for name in ("sshd", "api"):
            wants = units / "multi-user.target.wants"
            wants.mkdir(exist_ok=True)
            (wants / f"{name}.service").symlink_to(f"/{UNITS}/{name}.service")
        (units / "srv-ampere.mount").unlink(missing_ok=True)
        self._programs(parse(born.text)[0]["runcmd"])

    def _programs(self, runcmd: list[str | list[str]]) -> None:
        folder = self.root / "usr/local/sbin"
        (folder / "fake-server.py").write_text(FAKE_SERVER)
        texts = FAKE_PROGRAMS | dict.fromkeys(SILENT, "")
        texts["cloud-final"] = cloud_final(runcmd)
        texts["hostname-of-node"] = f"printf {self.node.name}"
        for name, text in texts.items():
            note = f'echo "$(date +%s.%N) {name} $*" >> /calls'
            (folder / name).write_text(f"#!/bin/sh\n{note}\n{text}\n")
            (folder / name).chmod(0o755)

    def boot(self) -> None:
        api = HOME.cluster.api_address
        text = BOOT.format(state=self.state, address=self.node.address, api=api)
        options = ("--mount", "--pid", "--fork", "--net", "--ipc", "--kill-child")
        shutil.rmtree(self.state / "work", ignore_errors=True)
        (self.state / "work").mkdir()
        with (self.state / "boot.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", *options, "sh", "-c", text], stdout=log, stderr=log
            )

    def up(self) -> None:
        """Wait until systemd answers."""
        target = "multi-user.target"
        await_true(lambda: self.is_active(target), target, pause=0.1, said=self.story)

    def cut(self) -> None:
        """Take the power away."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    @property
    def init(self) -> str:
        assert self.process
        text = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout
        return text.strip().partition("\n")[0] or "0"

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        clean = ("/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
        enter = ("nsenter", "-t", self.init, "-a", f"--root=/proc/{self.init}/root", *clean)
        return subprocess.run(
            [*enter, *words], input=stdin, capture_output=True, text=True, check=False
        )

    def is_active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", unit).returncode == 0

    def has(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def wait_for(self, path: str) -> None:
        await_true(lambda: self.has(path), path, pause=0.1, said=self.story)

    def story(self) -> str:
        texts = [self.state / "boot.log", self.root / "log", self.root / "calls"]
        tail = "\n".join(t.read_text()[-3000:] for t in texts if t.exists())
        units = self.run("systemctl", "--no-pager", "list-units", "--all").stdout
        return f"{tail}\n{units}"

    @property
    def calls(self) -> list[str]:
        file = self.root / "calls"
        return [c.partition(" ")[2] for c in file.read_text().splitlines()] if file.exists() else []
