"""What is asked of the libvirt provider; the real one needs a libvirtd of its own.

Pools, networks and machines called ``honest...`` are made on it and removed, in 10.254.254.0/24.
A start that is refused leaves ``honest-other`` defined: ``virsh undefine honest-other``.
Machines are emulated, so that no hardware support is needed.
"""

import os
from pathlib import Path

from ampere_infra.machines.seed import meta_data, nocloud_image
from ampere_infra.rehearsal.doubles.values import UNKNOWN

CONFIG = {"uri": os.environ.get("LIBVIRT_DEFAULT_URI", "qemu:///system")}
RANDOM = ("allocation", "available", "capacity", "emulator")

POOL, VOLUME = "libvirt:index/pool:Pool", "libvirt:index/volume:Volume"
NETWORK, DOMAIN = "libvirt:index/network:Network", "libvirt:index/domain:Domain"
GIB = 1024**3


def ask(session, folder: Path):
    pool = _pools(session, folder / "pool")
    volumes = _volumes(session, folder)
    network = _networks(session)
    _domains(session, volumes)
    session.deleted(NETWORK, "honest", network, "delete the network")
    session.gone(NETWORK, "honest", network)
    for name, volume in volumes.items():
        session.deleted(VOLUME, name, volume)
    session.gone(VOLUME, "seed", volumes["seed"])
    session.deleted(POOL, "pool", pool)
    session.gone(POOL, "pool", pool)


def _pools(session, path: Path):
    given = {"name": "honest", "type": "dir", "target": {"path": str(path)}}
    pool = session.made(POOL, "pool", given)
    session.refused(POOL, "pool-of-the-name", given)
    session.refused(POOL, "pool-of-the-folder", {**given, "name": "honest-other"})
    session.refused(POOL, "pool-without-type", {"name": "honest-x", "target": given["target"]})
    session.refused(POOL, "pool-of-odd-type", {**given, "name": "honest-y", "type": "odd"})
    session.refused(POOL, "pool-misspelt", {**given, "tarjet": {}})
    other = {"target": {"path": "/x"}}
    changes = {"name": {"name": "x"}, "type": {"type": "logical"}, "path": other}
    session.changed(POOL, "pool", pool, changes)
    return pool


def _volumes(session, folder: Path):
    iso = folder / "seed.iso"
    iso.write_bytes(nocloud_image("#cloud-config\n", "version: 2\n", meta_data("honest", "a")))
    given = {
        "base": {"format": "qcow2", "size": GIB},
        "seed": {"format": "iso", "source": str(iso)},
        "root": {"format": "qcow2", "size": 2 * GIB, "baseVolumeName": "base"},
        "overlay": {"format": "qcow2", "baseVolumeName": "base", "baseVolumePool": "honest"},
        "plain": {"size": GIB},
    }
    volumes = {
        name: session.made(VOLUME, name, {"name": name, "pool": "honest", **inputs})
        for name, inputs in given.items()
    }
    session.made(VOLUME, "adopted", {"name": "plain", "pool": "honest", "size": 3 * GIB})
    volumes["iso-as-raw"] = session.made(
        VOLUME,
        "iso-as-raw",
        {"name": "iso-as-raw", "pool": "honest", "format": "raw", "source": str(iso)},
    )
    wrong = {
        "size-and-source": {"size": 5, "source": str(iso)},
        "source-not-there": {"source": "/not-there.iso"},
        "base-not-there": {"baseVolumeName": "not-there"},
        "base-pool-not-there": {"baseVolumeName": "base", "baseVolumePool": "not-there"},
        "smaller-than-base": {"size": 1024, "baseVolumeName": "base"},
        "of-odd-format": {"format": "odd", "size": 1024},
        "pool-not-there": {"pool": "not-there", "size": 1024},
        "with-text-as-size": {"size": "large"},
        "misspelt": {"baseVolume": "base"},
    }
    for name, inputs in wrong.items():
        session.refused(VOLUME, name, {"name": name, "pool": "honest", **inputs})
    session.changed(
        VOLUME,
        "root",
        volumes["root"],
        {
            "name": {"name": "x"},
            "pool": {"pool": "x"},
            "format": {"format": "raw"},
            "size": {"size": 3 * GIB},
            "base": {"baseVolumeName": "x"},
            "base gone": {"baseVolumeName": ...},
            "format gone": {"format": ...},
            "name unknown": {"name": UNKNOWN},
        },
    )
    session.changed(VOLUME, "seed", volumes["seed"], {"source": {"source": "/other.iso"}})
    return volumes


def _networks(session):
    given = {
        "name": "honest",
        "mode": "nat",
        "bridge": "honest0",
        "addresses": ["10.254.254.0/24"],
        "dhcp": {"enabled": False},
        "autostart": True,
    }
    network = session.made(NETWORK, "honest", given)
    other = {"name": "honest-other", "bridge": "honest1", "addresses": ["10.254.253.0/24"]}
    wrong = {
        "same-name": {**other, "name": "honest"},
        "same-bridge": {**other, "bridge": "honest0"},
        "same-subnet": {**other, "addresses": ["10.254.254.0/24"]},
        "odd-mode": {**other, "mode": "odd"},
        "odd-address": {**other, "addresses": ["odd"]},
        "narrow": {**other, "addresses": ["10.254.253.0/31"]},
        "bridge-not-named": {**other, "mode": "bridge", "bridge": ...},
        "text-for-a-flag": {**other, "autostart": "perhaps"},
    }
    for name, inputs in wrong.items():
        whole = {key: value for key, value in {**given, **inputs}.items() if value is not ...}
        session.refused(NETWORK, name, whole)
    session.changed(
        NETWORK,
        "honest",
        network,
        {
            "name": {"name": "x"},
            "mode": {"mode": "none"},
            "bridge": {"bridge": "x"},
            "bridge gone": {"bridge": ...},
            "addresses": {"addresses": ["10.254.253.0/24"]},
            "another address": {"addresses": ["10.254.254.0/24", "10.254.253.0/24"]},
            "dhcp": {"dhcp": {"enabled": True}},
            "dhcp gone": {"dhcp": ...},
            "autostart": {"autostart": False},
            "domain": {"domain": "x.local"},
            "mtu": {"mtu": 1400},
            "dns": {"dns": {"enabled": True}},
        },
    )
    return session.updated(NETWORK, "honest", network, {"autostart": False})


def _domains(session, volumes):
    interface = {"networkName": "honest", "mac": "52:54:00:AA:BB:CC"}
    disks = [{"volumeId": volumes[name].id} for name in ("root", "seed", "plain")]
    given = {
        "name": "honest",
        "description": "honest",
        "type": "qemu",
        "machine": "pc",
        "vcpu": 1,
        "memory": 128,
        "autostart": True,
        "qemuAgent": False,
        "disks": disks,
        "networkInterfaces": [interface],
        "consoles": [{"type": "pty", "targetType": "serial", "targetPort": "0"}],
    }
    domain = session.made(DOMAIN, "machine", given)
    _wrong_domains(session, given)
    unknown = [{"volumeId": UNKNOWN}, *disks[1:]]
    session.changed(
        DOMAIN,
        "machine",
        domain,
        {
            "name": {"name": "x"},
            "description": {"description": "x"},
            "memory": {"memory": 256},
            "vcpu": {"vcpu": 2},
            "type": {"type": "kvm"},
            "machine type": {"machine": "q35"},
            "cpu": {"cpu": {"mode": "host-model"}},
            "autostart": {"autostart": False},
            "agent": {"qemuAgent": True},
            "stopped": {"running": False},
            "firmware": {"firmware": "/x"},
            "another volume": {"disks": [*disks[:2], {"volumeId": "/x"}]},
            "a volume unknown": {"disks": unknown},
            "volumes unknown": {"disks": UNKNOWN},
            "one disk fewer": {"disks": disks[:2]},
            "one disk more": {"disks": [*disks, {"volumeId": "/x"}]},
            "console gone": {"consoles": ...},
            "mac": {"networkInterfaces": [{**interface, "mac": "52:54:00:AA:BB:CD"}]},
            "mac in lower case": {"networkInterfaces": [{**interface, "mac": "52:54:00:aa:bb:cc"}]},
            "network": {"networkInterfaces": [{**interface, "networkName": "x"}]},
            "network unknown": {"networkInterfaces": [{**interface, "networkName": UNKNOWN}]},
            "no interface": {"networkInterfaces": ...},
        },
    )
    domain = session.updated(DOMAIN, "machine", domain, {"autostart": False})
    domain = session.updated(DOMAIN, "machine", domain, {"disks": [*disks[:2], {"volumeId": "/x"}]})
    session.again(DOMAIN, "machine", domain, "read after another volume")
    session.deleted(DOMAIN, "machine", domain)
    session.gone(DOMAIN, "machine", domain)


def _wrong_domains(session, given):
    disks, interface = given["disks"], given["networkInterfaces"][0]
    other = {"name": "honest-other", "disks": [], "networkInterfaces": []}
    wrong = {
        "machine-of-the-name": {},
        "disk-not-there": {**other, "disks": [{"volumeId": "/not-there"}]},
        "network-not-there": {**other, "networkInterfaces": [{"networkName": "not-there"}]},
        "odd-mac": {**other, "networkInterfaces": [{**interface, "mac": "52:54"}]},
        "no-memory": {**other, "memory": 0},
        "disk-in-use": {**other, "disks": disks},
        "misspelt-disk": {**other, "disks": [{"volume": "x"}]},
    }
    for name, inputs in wrong.items():
        session.refused(DOMAIN, name, {**given, **inputs})
