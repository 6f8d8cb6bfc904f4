"""A provider, real or double, asked the way the engine asks it."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from ampere_infra.rehearsal.doubles import serve
from ampere_infra.rehearsal.doubles.values import bare, decode, encode, like_inputs
from ampere_infra.rehearsal.world import World

LIMIT_SECONDS = 300
OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]


class _Engine(engine_pb2_grpc.EngineServicer):
    """What a plugin needs of the engine: somewhere to log to."""

    def Log(self, request, context):  # noqa: N802
        return empty_pb2.Empty()

    def GetRootResource(self, request, context):  # noqa: N802
        return engine_pb2.GetRootResourceResponse()


@contextmanager
def plugin(binary, config):
    """Run a real provider's plugin."""
    server = grpc.server(ThreadPoolExecutor(2))
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    command = [str(binary), f"127.0.0.1:{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield _configured(int(process.stdout.readline()), config)
        finally:
            process.kill()
            server.stop(None)


@contextmanager
def double(package, config, reality=None):
    """Serve the double of ``package`` on a world of its own, or on a real host."""
    with serve(World(reality=reality)) as ports:
        port = dict(pair.split(":") for pair in ports.split(","))[package]
        yield _configured(int(port), config)


def _configured(port, config):
    provider = Provider(grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS))
    request = pb.ConfigureRequest(
        args=encode(config),
        acceptSecrets=True,
        acceptResources=True,
        sends_old_inputs=True,
        sends_old_inputs_to_delete=True,
    )
    answer = provider.call("Configure", request)
    assert not isinstance(answer, Refusal), answer
    provider.takes_secrets = answer.acceptSecrets
    return provider


@dataclass(frozen=True)
class Refusal:
    """An error, with what the provider says of a resource that it left half made."""

    text: str
    left: dict | None = None


class Provider:
    takes_secrets = True
    """Whether it is handed secrets as such; else the engine marks its answers by its questions."""

    def __init__(self, channel):
        self.stub = provider_pb2_grpc.ResourceProviderStub(channel)

    def encoded(self, properties):
        return encode(properties if self.takes_secrets else bare(properties))

    def decoded(self, struct, asked):
        answer = decode(struct)
        return answer if self.takes_secrets else like_inputs(answer, asked)

    def call(self, name, request):
        try:
            return getattr(self.stub, name)(request, timeout=LIMIT_SECONDS)
        except grpc.RpcError as error:
            return _refusal(error)

    def check(self, token, name, inputs, old=None):
        """Return the checked inputs and the reasons against them."""
        request = pb.CheckRequest(
            **_named(token, name),
            news=self.encoded(inputs),
            olds=self.encoded(old or {}),
            randomSeed=b"0" * 32,
        )
        answer = self.call("Check", request)
        if isinstance(answer, Refusal):
            return inputs, [answer.text]
        reasons = [f"{f.property}: {f.reason}" if f.property else f.reason for f in answer.failures]
        return self.decoded(answer.inputs, inputs), reasons

    def create(self, token, name, inputs, *, preview=False):
        request = pb.CreateRequest(
            **_named(token, name), properties=self.encoded(inputs), preview=preview
        )
        answer = self.call("Create", request)
        return (
            answer
            if isinstance(answer, Refusal)
            else (answer.id, self.decoded(answer.properties, inputs))
        )

    def diff(self, token, name, made, new):
        request = pb.DiffRequest(
            **_named(token, name),
            id=made.id,
            olds=self.encoded(made.outputs),
            old_inputs=self.encoded(made.inputs),
            news=self.encoded(new),
        )
        answer = self.call("Diff", request)
        if isinstance(answer, Refusal):
            return answer
        return {
            "changes": answer.changes == pb.DiffResponse.DIFF_SOME,
            "replaces": sorted(set(answer.replaces)),
            "delete first": answer.deleteBeforeReplace,
            "details": {
                path: pb.PropertyDiff.Kind.Name(how.kind)
                for path, how in answer.detailedDiff.items()
            },
        }

    def update(self, token, name, made, new):
        request = pb.UpdateRequest(
            **_named(token, name),
            id=made.id,
            olds=self.encoded(made.outputs),
            old_inputs=self.encoded(made.inputs),
            news=self.encoded(new),
        )
        answer = self.call("Update", request)
        return answer if isinstance(answer, Refusal) else self.decoded(answer.properties, new)

    def read(self, token, name, made):
        request = pb.ReadRequest(
            **_named(token, name),
            id=made.id,
            properties=self.encoded(made.outputs),
            inputs=self.encoded(made.inputs),
        )
        answer = self.call("Read", request)
        if isinstance(answer, Refusal):
            return answer
        outputs = self.decoded(answer.properties, {**made.outputs, **made.inputs})
        return answer.id, outputs, self.decoded(answer.inputs, made.inputs)

    def delete(self, token, name, made):
        request = pb.DeleteRequest(
            **_named(token, name),
            id=made.id,
            properties=self.encoded(made.outputs),
            old_inputs=self.encoded(made.inputs),
        )
        answer = self.call("Delete", request)
        return answer if isinstance(answer, Refusal) else "done"


def _named(token, name) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:home::ampere::{token}::{name}", "name": name, "type": token}


def _refusal(error):
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is not None:
        status = status_pb2.Status()
        status.ParseFromString(details)
        for detail in status.details:
            left = pb.ErrorResourceInitFailed()
            if detail.Unpack(left):
                return Refusal("; ".join(left.reasons), decode(left.properties))
    return Refusal(error.details())
