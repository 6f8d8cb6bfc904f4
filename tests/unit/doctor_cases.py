"""What the probe says of a host on which all is well, for a test to spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap_cases import home_settings
from settings_cases import patched

from ampere_infra.doctor.facts import Facts, facts_of
from ampere_infra.doctor.judges import judged
from ampere_infra.machines.libvirt.site import bridge_name
from ampere_infra.settings.load import parse

if TYPE_CHECKING:
    from ampere_infra.doctor.findings import Finding
    from ampere_infra.settings.home import HomeSettings

BRIDGE = bridge_name("ampere-k8s")
GIB = 1024**2
"""In KiB, as `df` and the kernel count."""
GOOD = f"""\
ampere|1
clock|1700000000
apart|0.4
user|oppie|oppie-server
session|oppie libvirt kvm
account|oppie libvirt kvm
fine|virsh|/usr/bin/virsh
fine|curl|/usr/bin/curl
fine|ssh-agent|/usr/bin/ssh-agent
fine|ssh-add|/usr/bin/ssh-add
fine|ssh-keyscan|/usr/bin/ssh-keyscan
fine|flock|/usr/bin/flock
fine|kubectl|/snap/bin/kubectl
fine|kvm|/dev/kvm is there
fine|libvirt|oppie reaches it
fine|apparmor|machines may read the disks
fine|nginx|/usr/sbin/nginx
fine|stream|its stream module is there
fine|sudo|/usr/sbin/nginx -t
version|virsh|10.0.0
version|qemu-system-x86_64|QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)
version|curl|curl 8.5.0 (x86_64-pc-linux-gnu) libcurl/8.5.0
version|flock|flock from util-linux 2.39.3
version|ssh|OpenSSH_9.6p1 Ubuntu-3ubuntu13.14, OpenSSL 3.0.13 30 Jan 2024
version|kubectl|Client Version: v1.36.1
version|nginx|nginx version: nginx/1.24.0 (Ubuntu)
version|dnsmasq|Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley
processor|vmx|8
memory|{64 * GIB}
kvm.access|yes
kvm.works|yes
libvirt.version|Using library: libvirt 9.9.9 Running against daemon: 10.0.0
pool|default|/var/lib/libvirt/images
allocated|0
network|default|virbr0|<ip address='192.168.122.1' netmask='255.255.255.0'>
active|default
folder|/var/lib/libvirt|{900 * GIB}
cache|/home/oppie/.cache|{90 * GIB}
address|lo|127.0.0.1/8
address|enp3s0|192.168.1.29/24
route|default via 192.168.1.1 dev enp3s0
route|192.168.1.0/24 dev enp3s0 proto kernel scope link src 192.168.1.29
routes|yes
forward|1
neighbour|10.10.10.10|no|
neighbour|10.10.10.11|no|
neighbour|10.10.10.12|no|10.10.10.12 dev {BRIDGE} FAILED
neighbour|10.10.10.13|no|
name|minio.local|192.168.1.29
name|s3.minio.local|192.168.1.29
name|airflow.local|127.0.0.1
ss|yes
listener|0.0.0.0:80|
listener|127.0.0.1:6443|
server|nginx
stream_file|no
synchronised|yes
end|1"""


def facts(*changes: str, text: str = GOOD) -> Facts:
    """What is told when all is well, with lines added, or taken away by a ``-`` in front."""
    gone = [change[1:] for change in changes if change.startswith("-")]
    kept = [line for line in text.split("\n") if not any(line.startswith(g) for g in gone)]
    added = [change for change in changes if not change.startswith("-")]
    return facts_of([line.replace("|", "\t") for line in [*kept, *added]])


def home(patch: dict[str, object] | None = None) -> HomeSettings:
    """The settings of home, with ``patch`` merged in."""
    return parse("home", patched(patch)) if patch else home_settings()


def findings(settings: HomeSettings, told: Facts) -> dict[str, Finding]:
    """Every finding, by its group and check."""
    return {
        f"{group.title.removeprefix('host: ')}/{finding.check}": finding
        for group in judged(settings, told)
        for finding in group.findings
    }
