"""The keys that Secrets are encrypted with in etcd: none that was in use may ever go missing."""

from __future__ import annotations

import hashlib
import json
import time

from .cluster import kubectl
from .core import Failed, at, facts, say, write

CONFIG = "/var/lib/ampere/encryption/config.json"
"""In a folder of its own on the root disk, which the API server's pod sees: etcd is elsewhere."""
LOADED = "apiserver_encryption_config_controller_last_config_info"
"""The API server's metric that names the SHA-256 of the file it works with."""
RELOAD_WAIT = 300
"""Seconds to wait for the API server, which looks at the file every minute."""
TRIES = 5
"""A Secret that changes while all are rewritten makes one try fail."""


def fingerprints(config: str) -> dict[str, str]:
    """Return the keys' names, each with its key's SHA-256, which tells nothing of a random key.

    Raises:
        Failed: it is no configuration of ours.
    """
    try:
        first = json.loads(config)["resources"][0]["providers"][0]
        keys = {key["name"]: key["secret"] for key in first["secretbox"]["keys"]}
    except (ValueError, LookupError, TypeError) as error:
        raise Failed("this is no EncryptionConfiguration with secretbox keys") from error
    return {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}


def missing(config: str) -> list[str]:
    """Return the keys that the Secrets on the data disk need and ``config`` has not."""
    kept = at(f"{facts()['data_mount']}/encryption-keys.json")
    given = fingerprints(config)
    if not kept.exists():
        return []
    needed: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    return [name for name in needed if needed[name] != given.get(name)]


def remember() -> None:
    """Note beside etcd's data which keys open it."""
    known = fingerprints(at(CONFIG).read_text(encoding="utf-8"))
    write(at(f"{facts()['data_mount']}/encryption-keys.json"), json.dumps(known, indent=2) + "\n")


def rewrite_secrets(_generation: str) -> None:
    """Have every Secret stored anew, so that the newest key encrypts it.

    Raises:
        Failed: the API server does not take up the keys, or Secrets keep changing.
    """
    await_loaded()
    for _ in range(TRIES):
        listed = kubectl("get", "secrets", "--all-namespaces", "--output=json")
        count = len(json.loads(listed)["items"])
        try:
            if count:
                kubectl("replace", "--filename=-", stdin=listed)
        except Failed as failure:
            say(f"once more: {failure}")
        else:
            say(f"{count} Secrets are encrypted with the newest key")
            return
    raise Failed(f"Secrets changed meanwhile in each of {TRIES} tries")


def await_loaded() -> None:
    """Wait until the API server works with the keys that are here."""
    wanted = f'hash="sha256:{hashlib.sha256(at(CONFIG).read_bytes()).hexdigest()}"'
    for _ in range(RELOAD_WAIT // 10):
        lines = kubectl("get", "--raw", "/metrics").splitlines()
        if any(line.startswith(LOADED) and wanted in line for line in lines):
            return
        time.sleep(10)
    raise Failed(f"the API server has not loaded {CONFIG} after {RELOAD_WAIT} s")
