"""``command:remote:Command``: SSH, and what the commands of the program do."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from pulumi_command.remote import CommandArgs

from ampere_infra.rehearsal.doubles.command.errors import ExitError
from ampere_infra.rehearsal.doubles.command.nodes import HOST_KEY
from ampere_infra.rehearsal.doubles.command.shell import Order, Shell, lets_in
from ampere_infra.rehearsal.doubles.diffs import Change, Difference
from ampere_infra.rehearsal.doubles.kind import Call, Failure, Kind, Made, RefusalError
from ampere_infra.rehearsal.doubles.values import (
    UNKNOWN,
    Properties,
    Secret,
    Unknown,
    Value,
    number,
    plain,
    table,
    text,
)
from ampere_infra.rehearsal.places.hosts import Hosts, Standing
from ampere_infra.rehearsal.places.hypervisor import Hypervisor
from ampere_infra.rehearsal.places.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ampere_infra.rehearsal.doubles.schema import Fault
    from ampere_infra.rehearsal.places.machines import Booted
    from ampere_infra.rehearsal.world import World

_CONNECTION_DEFAULTS: dict[str, Value] = {
    "user": "root",
    "port": 22,
    "dialErrorLimit": 10,
    "perDialTimeout": 15,
}
_SECRETS = ("password", "privateKey", "privateKeyPassword")
_PARTS_OF_A_KEY = 2
SSH_PORT = 22
BROKEN = "wait: remote command exited without exit status or exit signal"
"""How the provider says that the connection was lost."""
_ON_A_NODE = ("/ampere-node ", "/ampere-tailnet ", HOST_KEY)
"""What tells a command for a node from one for a host, when nobody answers."""


class CommandKind(Kind):
    """A command on another machine."""

    arguments = CommandArgs
    secret = frozenset({"connection"})

    def check(self, call: Call, inputs: Properties) -> tuple[Properties, list[Failure]]:
        """Fill the connection's defaults in; the whole connection is secret."""
        checked = dict(inputs)
        connection = plain(checked.get("connection"))
        if isinstance(connection, dict):
            filled = _with_defaults(connection)
            proxy = connection.get("proxy")
            if isinstance(proxy, dict):
                filled["proxy"] = _with_defaults(proxy)
            checked["connection"] = Secret(filled)
        return checked, self.type_failures(call)

    def say(self, call: Call, fault: Fault) -> Failure:
        """Return the provider's words for ``fault``."""
        del call
        top, _, name = fault.path.rpartition(".")
        of = "remote.Connection" if top else "remote.CommandInputs"
        words = {
            "missing": f"Missing required field '{name}' on '{of}'",
            "unknown": f"Unrecognized field '{name}' on '{of}'",
            "type": f"Field '{name}' on '{of}' must be a '{fault.detail}'",
        }[fault.kind]
        if top:
            what = f"An error occurred decoding 'CommandInputs.{top}': 1 failures decoding:"
            return Failure(f"{what}\n\t{name}: {words}", top)
        return Failure(words, name)

    def plan(self, call: Call) -> Properties:
        """Return the inputs; what the command will print is not known."""
        return {**call.inputs, "stdout": UNKNOWN, "stderr": UNKNOWN}

    def plan_update(self, call: Call) -> Properties:
        """Return the inputs; any change runs a command again."""
        return self.plan(call)

    def diff(self, call: Call) -> Difference:
        """Return the changes; the SDK asks for a replacement when a trigger changes."""
        keys = [key for key in {**call.old_inputs, **call.inputs} if key not in call.ignored]
        found = tuple(change for key in keys for change in _changes(call, key))
        return Difference(found, frozenset({"triggers"} & {change.path for change in found}))

    def create(self, call: Call) -> Made:
        """Run ``create``; when it fails nothing is recorded, whatever it did."""
        identity = f"{call.name}{secrets.token_hex(4)}"
        outputs = self.run(call, identity, text(call.inputs, "create"), call.inputs)
        return Made(identity, {**call.inputs, **outputs})

    def update(self, call: Call) -> Made:
        """Run ``update``, or ``create`` where there is none."""
        line = text(call.inputs, "update") or text(call.inputs, "create")
        before: Properties = {key: call.old.get(key) for key in ("stdout", "stderr")}
        outputs = self.run(call, call.id, line, call.inputs) if line else before
        return Made(call.id, {**call.inputs, **outputs})

    def delete(self, call: Call) -> None:
        """Run ``delete``, if there is one."""
        line = text(call.old, "delete")
        if line:
            self.run(call, call.id, line, call.old)

    def run(self, call: Call, identity: str, line: str, inputs: Properties) -> Properties:
        """Run ``line``, if it is one, as ``inputs`` say, and return what it printed."""
        raise NotImplementedError


class ModelledCommand(CommandKind):
    """A command on a machine of the model."""

    worst = frozenset({"create", "update", "delete"})

    def __init__(self, world: World) -> None:
        self.world = world
        self.shell = Shell(world)
        self.host = world.part(Hypervisor)
        self.machines = Machines(world)
        self.hosts = world.part(Hosts)

    def delete(self, call: Call) -> None:
        """Run ``delete``, if there is one, and take the command's effect away."""
        super().delete(call)
        if call.fails and not text(call.old, "delete"):
            raise RefusalError("client socket is closed")
        self.hosts.drop(text(table(call.old, "connection"), "host"), call.urn, call.id)

    def run(self, call: Call, identity: str, line: str, inputs: Properties) -> Properties:
        """Do what the model knows of the command."""
        connection = table(inputs, "connection")
        address = text(connection, "host")
        if not line:
            return {"stdout": "", "stderr": ""}
        order = Order.of(address, line, text(inputs, "stdin"), breaks=call.fails)
        self._dial(connection, order)
        try:
            stdout = self.shell.run(order)
        except ExitError as error:
            raise RefusalError(ran("Process exited with status 1", line, f"{error}\n")) from error
        if call.fails:
            raise RefusalError(ran(BROKEN, line, ""))
        self.hosts.record(address, call.urn, Standing(identity, order.text))
        return {"stdout": stdout, "stderr": ""}

    def _dial(self, connection: Properties, order: Order) -> None:
        """Do what an SSH client does before the command runs."""
        parse_keys(connection)
        address = text(connection, "host")
        machine = self.machines.answering(address)
        tries = number(connection, "dialErrorLimit")
        endpoint = f"{address}:{number(connection, 'port')}"
        if machine is None:
            if address.startswith("127.") or address.endswith(".invalid"):
                raise RefusalError(
                    f"after {tries} failed attempts: dial tcp {endpoint}: connect: "
                    "connection refused"
                )
            if _for_a_node(order):
                prefix = "proxy: " if connection.get("proxy") else ""
                raise RefusalError(
                    f"{prefix}after {tries} failed attempts: dial tcp {endpoint}: "
                    "connect: no route to host"
                )
            return
        proxy = table(connection, "proxy")
        port = number(connection, "port") or SSH_PORT
        if why := self.machines.refusal(machine, address, port, proxied=bool(proxy)):
            raise RefusalError(f"after {tries} failed attempts: dial tcp {endpoint}: {why}")
        if proxy and self.host.address not in ("", text(proxy, "host")):
            raise RefusalError(
                f"proxy: after {tries} failed attempts: ssh: rejected: connect failed "
                "(Connection timed out)"
            )
        expected = text(connection, "hostKey")
        if expected and expected.split()[:2] != machine.host_key.split()[:2]:
            raise RefusalError(
                f"after {tries} failed attempts: ssh: handshake failed: ssh: host key mismatch"
            )
        self._authenticate(connection, machine)

    def _authenticate(self, connection: Properties, machine: Booted) -> None:
        if not lets_in(machine, text(connection, "privateKey")):
            raise RefusalError(
                "ssh: handshake failed: ssh: unable to authenticate, attempted methods "
                "[none publickey], no supported methods remain"
            )


def _for_a_node(order: Order) -> bool:
    if order.words:
        return order.words[0] == "gate"
    return any(mark in order.text for mark in _ON_A_NODE)


def ran(why: str, line: str, output: str) -> str:
    """Return the provider's words for a command that failed."""
    return f"{why}: running {json.dumps(line, ensure_ascii=False)}:\n{output}"


def _with_defaults(connection: Properties) -> Properties:
    """Return a connection whole, with what is secret in it marked."""
    filled = {**_CONNECTION_DEFAULTS, **connection}
    secret = {key: Secret(filled[key]) for key in _SECRETS if filled.get(key) is not None}
    return {**filled, **secret}


def _changes(call: Call, key: str) -> Iterator[Change]:
    """Yield what changed in one input: each element, but nothing of what is inside a secret."""
    old, new = call.old_inputs.get(key), call.inputs.get(key)
    if isinstance(call.wrapped.get(key), Secret) or key in CommandKind.secret:
        if old != new and not isinstance(new, Unknown):
            yield Change(key, "UPDATE" if key in call.old_inputs else "ADD")
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            path = f"{key}[{index}]"
            if index >= len(old) or index >= len(new):
                yield Change(path, "ADD" if index >= len(old) else "DELETE")
            elif old[index] != new[index]:
                yield Change(path, "UPDATE")
    elif old != new:
        yield Change(key, "ADD" if old is None else "DELETE" if new is None else "UPDATE")


def parse_keys(connection: Properties) -> None:
    """Refuse keys that are none, the proxy's first."""
    if proxy := table(connection, "proxy"):
        parse_keys(proxy)
    host_key = text(connection, "hostKey")
    if host_key and len(host_key.split()) < _PARTS_OF_A_KEY:
        raise RefusalError("failed to parse host key: ssh: no key found")
    private_key = text(connection, "privateKey")
    if private_key and "PRIVATE KEY-----" not in private_key:
        raise RefusalError("ssh: no key found")
