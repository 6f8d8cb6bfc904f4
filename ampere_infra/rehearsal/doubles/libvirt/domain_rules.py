"""The schema of a machine: what makes another one, and what the provider finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.bridged import Rules

if TYPE_CHECKING:
    from ampere_infra.rehearsal.doubles.values import Properties

NESTED: dict[str, Properties] = {
    "disks": {"scsi": False},
    "consoles": {"sourceHost": "127.0.0.1", "sourceService": "0"},
}
"""Defaults of what a machine has several of."""
FOUND = {"disks": ("wwn",), "networkInterfaces": ("addresses", "hostname", "networkId")}
"""What libvirt finds of each of them."""

_FORCE_NEW = frozenset(
    {"name", "description", "vcpu", "memory", "firmware", "type", "coreosIgnition", "fwCfgName"}
    | {"nvram", "nvram.file", "nvram.template", "filesystems", "disks", "disks[].scsi", "cpu"}
    | {"graphics", "graphics.type", "graphics.autoport", "graphics.listenType"}
    | {"graphics.listenAddress", "cmdlines", "xml.xslt", "tpm.model", "tpm.backendType"}
    | {"tpm.backendDevicePath", "tpm.backendEncryptionSecret", "tpm.backendVersion"}
    | {"tpm.backendPersistentState"}
    | {f"consoles[].{key}" for key in ("type", "sourcePath", "sourceHost", "sourceService")}
    | {f"consoles[].{key}" for key in ("targetPort", "targetType")}
)
_COMPUTED = frozenset(
    {"nvram", "nvram.file", "nvram.template", "cpu", "cpu.mode", "autostart", "machine", "arch"}
    | {"emulator", "disks[].wwn", "disks[].scsi"}
    | {f"networkInterfaces[].{key}" for key in ("networkId", "networkName", "hostname", "mac")}
    | {"networkInterfaces[].addresses"}
    | {"graphics.type", "graphics.autoport", "graphics.listenType", "graphics.listenAddress"}
    | {"consoles[].sourceHost", "consoles[].sourceService", "video.type"}
)
RULES = Rules(
    force_new=_FORCE_NEW,
    computed=_COMPUTED,
    defaults={
        "coreosIgnition": "",
        "vcpu": 1,
        "memory": 512,
        "type": "kvm",
        "running": True,
        "fwCfgName": "opt/com.coreos/config",
        "qemuAgent": False,
    },
    fold_case=frozenset({"networkInterfaces[].mac"}),
)
