"""A provider double as the engine talks to it: over gRPC, with plain values in the tests."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc as service
from pulumi.runtime.proto import status_pb2

from ampere_infra.rehearsal.doubles import serve
from ampere_infra.rehearsal.doubles.values import Value, decode, encode, plain
from ampere_infra.rehearsal.world import World

if TYPE_CHECKING:
    from collections.abc import Generator


class RefusedError(Exception):
    """What a Check found wrong."""


@dataclass
class Resource:
    """A resource as the engine would have it in its state."""

    urn: str
    id: str
    inputs: dict[str, Value]
    outputs: dict[str, Value]


@dataclass
class Providers:
    """All doubles of one world."""

    world: World
    stubs: dict[str, service.ResourceProviderStub] = field(default_factory=dict)

    def configure(self, package: str, /, **config: Value) -> None:
        self.stubs[package].Configure(pb.ConfigureRequest(args=encode(config)))

    def check_config(self, package: str, /, **config: Value) -> list[str]:
        request = pb.CheckRequest(urn=urn(f"pulumi:providers:{package}", "p"), news=encode(config))
        return [f.reason for f in self.stubs[package].CheckConfig(request).failures]

    def check(self, kind: str, name: str, inputs: dict[str, Value], old: Any = None) -> Any:
        request = pb.CheckRequest(urn=urn(kind, name), news=encode(inputs), olds=encode(old or {}))
        response = self._stub(kind).Check(request)
        if response.failures:
            raise RefusedError("; ".join(f.reason for f in response.failures))
        return decode(response.inputs)

    def create(self, kind: str, name: str, /, **inputs: Value) -> Resource:
        checked = self.check(kind, name, inputs)
        request = pb.CreateRequest(urn=urn(kind, name), properties=encode(checked))
        made = self._stub(kind).Create(request)
        return Resource(urn(kind, name), made.id, checked, decode(made.properties))

    def preview(self, kind: str, name: str, /, **inputs: Value) -> dict[str, Value]:
        checked = encode(self.check(kind, name, inputs))
        request = pb.CreateRequest(urn=urn(kind, name), properties=checked, preview=True)
        return decode(self._stub(kind).Create(request).properties)

    def diff(self, found: Resource, /, **inputs: Value) -> pb.DiffResponse:
        kind, name = found.urn.split("::")[2:]
        return self._stub(kind).Diff(
            pb.DiffRequest(
                urn=found.urn,
                id=found.id,
                olds=encode(found.outputs),
                old_inputs=encode(found.inputs),
                news=encode(self.check(kind, name, inputs, found.inputs)),
            )
        )

    def update(self, found: Resource, /, **inputs: Value) -> Resource:
        kind, name = found.urn.split("::")[2:]
        checked = self.check(kind, name, inputs, found.inputs)
        request = pb.UpdateRequest(
            urn=found.urn,
            id=found.id,
            olds=encode(found.outputs),
            old_inputs=encode(found.inputs),
            news=encode(checked),
        )
        changed = self._stub(kind).Update(request)
        return Resource(found.urn, found.id, checked, decode(changed.properties))

    def read(self, found: Resource) -> Resource | None:
        kind = found.urn.split("::")[2]
        request = pb.ReadRequest(
            urn=found.urn,
            id=found.id,
            properties=encode(found.outputs),
            inputs=encode(found.inputs),
        )
        read = self._stub(kind).Read(request)
        if not read.id:
            return None
        return Resource(found.urn, read.id, decode(read.inputs), decode(read.properties))

    def delete(self, found: Resource) -> None:
        kind = found.urn.split("::")[2]
        request = pb.DeleteRequest(urn=found.urn, id=found.id, properties=encode(found.outputs))
        self._stub(kind).Delete(request)

    def invoke(self, token: str, /, **arguments: Value) -> dict[str, Value]:
        stub = self.stubs[token.split(":", maxsplit=1)[0]]
        response = stub.Invoke(pb.InvokeRequest(tok=token, args=encode(arguments)))
        return decode(getattr(response, "return"))

    def _stub(self, kind: str) -> service.ResourceProviderStub:
        return self.stubs[kind.split(":", maxsplit=1)[0]]


@contextmanager
def providers(world: World | None = None) -> Generator[Providers]:
    """Serve a world's doubles and connect to all of them."""
    found = Providers(world or World())
    with serve(found.world) as served:
        channels = {}
        for entry in served.split(","):
            package, port = entry.split(":")
            channels[package] = grpc.insecure_channel(f"127.0.0.1:{port}")
            found.stubs[package] = service.ResourceProviderStub(channels[package])
        yield found
        for channel in channels.values():
            channel.close()


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:home::ampere::{kind}::{name}"


def message(error: grpc.RpcError) -> str:
    """What the provider said."""
    return str(error.details()) if isinstance(error, grpc.Call) else str(error)


def partial(error: grpc.RpcError) -> pb.ErrorResourceInitFailed | None:
    """What the engine keeps of a resource whose operation did not end well."""
    trailing: Any = error.trailing_metadata() if isinstance(error, grpc.Call) else ()
    for key, value in trailing:
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            detail = pb.ErrorResourceInitFailed()
            status.details[0].Unpack(detail)
            return detail
    return None


def value(found: Resource, key: str) -> Any:
    """An output without its secret's wrapping."""
    return plain(found.outputs.get(key))
