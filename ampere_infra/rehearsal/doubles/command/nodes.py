"""What a node does when it is told to, or waited for: markers are earned, not given."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ampere_infra.bootstrap.node import control_plane, encryption
from ampere_infra.bootstrap.node.core import Failed
from ampere_infra.bootstrap.units import TAILNET_PROGRAM
from ampere_infra.rehearsal.doubles.command.errors import ExitError
from ampere_infra.rehearsal.doubles.command.members import Members
from ampere_infra.rehearsal.doubles.kind import RefusalError
from ampere_infra.rehearsal.doubles.tls.keys import load
from ampere_infra.rehearsal.places.cluster import Cluster
from ampere_infra.rehearsal.places.machines import Machines
from ampere_infra.templates import parse

if TYPE_CHECKING:
    from ampere_infra.rehearsal.places.machines import Booted
    from ampere_infra.rehearsal.world import World

_GATE = re.compile(r"^until \[ -e \S*/([A-Z_]+) \]", re.MULTILINE)
_RESULT = re.compile(r"^done\ncat (\S+)$", re.MULTILINE)
HOST_KEY = "cat /etc/ssh/ssh_host_ed25519_key.pub"
_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
CA, TOKEN, API = "CA", "TOKEN", "CONTROL_PLANE_CREATED"
KEY = "encryption "
MARKING = "mark-control-plane"


class Nodes:
    """Runs commands on machines."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.machines = Machines(world)
        self.cluster = world.part(Cluster)
        self.tailnets = Members(world)

    def run(self, node: Booted, text: str, stdin: str) -> str:
        """Run a command on ``node`` and return its stdout.

        Raises:
            ExitError: it fails.
        """
        if gate := _GATE.search(text):
            result = _RESULT.search(text)
            return self._gate(node, gate[1], result[1] if result else "")
        if text == HOST_KEY:
            return node.host_key
        words = shlex.split(text)
        if TAILNET_PROGRAM in words:
            verb, *arguments = words[words.index(TAILNET_PROGRAM) + 1 :]
            return self.tailnets.run(node, verb, stdin, *arguments)
        program = next((n for n, w in enumerate(words) if w.endswith("/ampere-node")), None)
        if program is not None:
            verb, *arguments = words[program + 1 :]
            action = getattr(self, f"_{verb.replace('-', '_')}", None)
            if action is None:
                raise ExitError(f"ampere-node: {verb}: no such command")
            action(node, stdin, *arguments)
        return ""

    def _gate(self, node: Booted, marker: str, result: str) -> str:
        if marker in (API, "API_STABLE"):
            self._must(node, marker, CA in node.marks, "kubeadm-init.service waits for its CA")
            node.marks.setdefault(API, "")
            self.cluster.live_on(node.owner, node.name, excluded=_is_marked(node))
        elif marker == "NODE_JOINED":
            self._join(node)
        node.marks[marker] = ""
        files = node.born_of.files if node.born_of else {}
        return files.get(result, f"{marker} since its birth").rstrip("\n")

    def _join(self, node: Booted) -> None:
        token = node.marks.get(TOKEN)
        self._must(node, "NODE_JOINED", token is not None, "kubeadm-join.service waits for a token")
        masters = [m for m in self.machines.everyone() if API in m.marks and m.running]
        admitted = [m for m in masters if m.marks.get(f"admitted {node.name}") == token]
        why = "couldn't validate the identity of the API Server: there is no such token"
        self._must(node, "NODE_JOINED", bool(admitted), why)
        pinned = admitted[0].marks[CA]
        told = node.born_of.user_data if node.born_of else ""
        why = f"none of the public keys is pinned; the cluster's CA has {pinned}"
        self._must(node, "NODE_JOINED", pinned in told, why)
        self.cluster.nodes.add(node.name)

    def _must(self, node: Booted, marker: str, is_so: object, why: str) -> None:
        if not is_so:
            raise ExitError(f"{node.name}: no {marker} in time. The end of its journal:\n{why}")

    def _receive_pki(self, node: Booted, stdin: str) -> None:
        try:
            pair: dict[str, str] = json.loads(stdin)
            certificate = x509.load_pem_x509_certificate(pair["ca.crt"].encode())
            key = load(pair["ca.key"])
            keys = encryption.fingerprints(pair["encryption.json"])
        except (ValueError, KeyError, RefusalError, Failed) as error:
            raise ExitError("ampere-node: stdin is no CA") from error
        public = _spki(certificate.public_key().public_bytes)
        if public != _spki(key.public_key().public_bytes):
            raise ExitError("ampere-node: the CA's key is not its certificate's")
        pin = f"sha256:{hashlib.sha256(public).hexdigest()}"
        is_same = API not in node.marks or node.marks[CA] == pin
        self._must(node, "CA", is_same, "this control plane was created with another CA")
        node.marks[CA] = pin
        used = {mark: digest for mark, digest in node.marks.items() if mark.startswith(KEY)}
        given = {f"{KEY}{name}": digest for name, digest in keys.items()}
        lost = used.items() - given.items()
        self._must(node, "encryption", not lost, "Secrets in etcd need a key that is gone")
        node.marks.update(given)

    def _rewrite_secrets(self, node: Booted, stdin: str, newest: str) -> None:
        del stdin
        self._must(node, API, API in node.marks, "there is no cluster with Secrets")
        has = f"{KEY}key-{newest}" in node.marks
        self._must(node, "encryption", has, f"key-{newest} never came")

    def _receive_token(self, node: Booted, stdin: str) -> None:
        node.marks[TOKEN] = _digest_of_token(stdin)

    def _admit(self, node: Booted, stdin: str, worker: str, *_: str) -> None:
        self._must(node, API, API in node.marks, "there is no cluster to admit anybody to")
        node.marks[f"admitted {worker}"] = _digest_of_token(stdin)

    def _dismiss(self, node: Booted, stdin: str, worker: str, *_: str) -> None:
        del stdin
        node.marks.pop(f"admitted {worker}", None)
        self.cluster.nodes.discard(worker)

    def _roster(self, node: Booted, stdin: str, *workers: str) -> None:
        del stdin
        self._must(node, API, API in node.marks, "there is no cluster to have a roster")
        for key in [mark for mark in node.marks if mark.startswith("roster")]:
            del node.marks[key]
        node.marks[f"roster {' '.join(workers)}"] = ""


def _is_marked(node: Booted) -> bool:
    """Tell whether kubeadm labels the control plane, as it does unless the phase is left out.

    Which labels these are is built in (``labelsToAdd`` of kubeadm's phases/markcontrolplane).
    """
    told = node.born_of.files.get(control_plane.CONFIG) if node.born_of else None
    return told is None or MARKING not in parse(told)[0]["skipPhases"]


def _digest_of_token(stdin: str) -> str:
    if not _TOKEN.fullmatch(stdin.strip()):
        raise ExitError("ampere-node: stdin is no bootstrap token")
    return hashlib.sha256(stdin.strip().encode()).hexdigest()


def _spki(public_bytes: object) -> bytes:
    assert callable(public_bytes)  # noqa: S101
    encoded = public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded if isinstance(encoded, bytes) else b""
