"""What every provider double shares: the protocol's calls around the rules of resource types."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc as service
from typing_extensions import override

from ampere_infra.rehearsal.doubles.answers import answering, diff_response, failures
from ampere_infra.rehearsal.doubles.diffs import Difference
from ampere_infra.rehearsal.doubles.kind import (
    Call,
    Failure,
    IncompleteError,
    Kind,
    Made,
    RefusalError,
)
from ampere_infra.rehearsal.doubles.values import (
    Properties,
    Secret,
    Value,
    bare,
    clear_texts,
    decode,
    encode,
    like_inputs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ampere_infra.rehearsal.world import World

Context = grpc.ServicerContext
LOST = "rpc error: code = Unavailable desc = error reading from server: EOF"
"""How an operation fails whose type knows no worse way."""


class Double(service.ResourceProviderServicer):
    """A provider that acts on a world instead of on machines.

    A package's double gives its resource types as ``kinds``, by type token, and overrides
    ``configure`` and ``invoke`` where it has something to say there.
    """

    package: str
    version: str
    credentials: frozenset[str] = frozenset()
    """Settings that the provider logs in with; the engine takes secrets' marks off all settings."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kinds: Mapping[str, Kind] = {}

    def kind(self, token: str) -> Kind:
        """Return the resource type of ``token``.

        Raises:
            RefusalError: this double has no such type.
        """
        if token not in self.kinds:
            raise RefusalError(f"unrecognized resource type: {token}")
        return self.kinds[token]

    def check_config(self, config: Properties) -> list[Failure]:
        """Return what is wrong with the provider's settings."""
        del config
        return []

    def diff_config(self, old: Properties, new: Properties) -> Difference:
        """Return what a change of the provider's settings does to its resources."""
        del old, new
        return Difference()

    def configure(self, config: Properties) -> None:
        """Take the provider's settings, or raise ``RefusalError``."""

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Call a function."""
        del arguments
        raise RefusalError(f"unrecognized function token: {token}")

    def beside(self) -> AbstractContextManager[None]:
        """Serve what the program reaches by another way than this provider, while it is served."""
        return nullcontext()

    def attach(self, engine: str) -> None:
        """Take the address at which the engine listens to what its providers say."""

    def cancel(self) -> None:
        """End what is under way, for the engine stops."""

    # The protocol, as the engine calls it.

    @override
    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> empty_pb2.Empty:
        del context
        self.attach(request.address)
        return empty_pb2.Empty()

    @override
    def Handshake(
        self, request: pb.ProviderHandshakeRequest, context: Context
    ) -> pb.ProviderHandshakeResponse:
        del request, context
        return pb.ProviderHandshakeResponse(accept_secrets=True)

    @override
    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> plugin_pb2.PluginInfo:
        del request, context
        return plugin_pb2.PluginInfo(version=self.version)

    @override
    def Cancel(self, request: empty_pb2.Empty, context: Context) -> empty_pb2.Empty:
        del request, context
        self.cancel()
        return empty_pb2.Empty()

    @override
    def CheckConfig(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        with answering(context):
            config = decode(request.news)
            told = {key: value for key, value in config.items() if key not in self.credentials}
            self._seen("CheckConfig", request.urn, encode(told))
            found = self.check_config(bare(config))
            return pb.CheckResponse(inputs=request.news, failures=failures(found))

    @override
    def DiffConfig(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        with answering(context):
            old, new = bare(decode(request.old_inputs)), bare(decode(request.news))
            return diff_response(self.diff_config(old, new))

    @override
    def Configure(self, request: pb.ConfigureRequest, context: Context) -> pb.ConfigureResponse:
        with answering(context):
            self.configure(bare(decode(request.args)))
            return pb.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @override
    def Invoke(self, request: pb.InvokeRequest, context: Context) -> pb.InvokeResponse:
        with answering(context):
            # The engine takes secrets' marks off whatever it passes to a function's stdin.
            arguments = decode(request.args)
            told = {key: value for key, value in arguments.items() if key != "stdin"}
            self._seen("Invoke", request.tok, encode(told))
            response = pb.InvokeResponse()
            result: struct_pb2.Struct = getattr(response, "return")
            result.CopyFrom(encode(self.invoke(request.tok, bare(arguments))))
            return response

    @override
    def Check(self, request: pb.CheckRequest, context: Context) -> pb.CheckResponse:
        with answering(context):
            inputs = self._seen("Check", request.urn, request.news)
            call = Call(
                request.urn,
                inputs=bare(inputs),
                wrapped=inputs,
                old_inputs=bare(decode(request.olds)),
            )
            checked, found = self._kind(request.urn).check(call, inputs)
            return pb.CheckResponse(inputs=encode(checked), failures=failures(found))

    @override
    def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffResponse:
        with answering(context):
            call = Call(
                request.urn,
                request.id,
                bare(decode(request.news)),
                decode(request.news),
                bare(decode(request.olds)),
                bare(decode(request.old_inputs)),
                tuple(request.ignoreChanges),
            )
            with self.world.lock:
                return diff_response(self._kind(request.urn).diff(call))

    @override
    def Create(self, request: pb.CreateRequest, context: Context) -> pb.CreateResponse:
        with answering(context):
            inputs = self._seen("Create", request.urn, request.properties)
            call = Call(request.urn, "", bare(inputs), inputs, preview=request.preview)
            kind = self._kind(request.urn)
            if request.preview:
                planned = self._wrapped(kind, kind.plan(call), inputs)
                return pb.CreateResponse(properties=encode(planned))
            made = self._operate("create", call, inputs)
            outputs = self._wrapped(kind, made.outputs, inputs)
            return pb.CreateResponse(id=made.id, properties=encode(outputs))

    @override
    def Update(self, request: pb.UpdateRequest, context: Context) -> pb.UpdateResponse:
        with answering(context):
            inputs = self._seen("Update", request.urn, request.news)
            old = self._seen("Update", request.urn, request.olds)
            call = Call(
                request.urn,
                request.id,
                bare(inputs),
                inputs,
                bare(old),
                bare(decode(request.old_inputs)),
                tuple(request.ignoreChanges),
                preview=request.preview,
            )
            kind = self._kind(request.urn)
            if request.preview:
                planned = self._wrapped(kind, kind.plan_update(call), inputs)
                return pb.UpdateResponse(properties=encode(planned))
            made = self._operate("update", call, inputs)
            outputs = self._wrapped(kind, made.outputs, inputs)
            return pb.UpdateResponse(properties=encode(outputs))

    @override
    def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        with answering(context):
            old = self._seen("Read", request.urn, request.properties)
            inputs = decode(request.inputs)
            call = Call(request.urn, request.id, bare(inputs), inputs, bare(old), bare(inputs))
            kind = self._kind(request.urn)
            made = self._operate("read", call, inputs)
            if not made.id:
                return pb.ReadResponse()
            outputs = self._wrapped(kind, made.outputs, {**old, **inputs})
            read = self._wrapped(kind, kind.inputs_read(call, made), inputs)
            return pb.ReadResponse(id=made.id, properties=encode(outputs), inputs=encode(read))

    @override
    def Delete(self, request: pb.DeleteRequest, context: Context) -> empty_pb2.Empty:
        with answering(context):
            old = bare(self._seen("Delete", request.urn, request.properties))
            inputs = bare(decode(request.old_inputs))
            self._operate("delete", Call(request.urn, request.id, inputs, {}, old, inputs), {})
            return empty_pb2.Empty()

    def _kind(self, urn: str) -> Kind:
        return self.kind(urn.split("::")[2].rsplit("$", 1)[-1])

    def _operate(self, action: str, call: Call, inputs: Mapping[str, Value]) -> Made:
        kind = self._kind(call.urn)
        try:
            with self.world.operation(action, call.urn, alone=kind.alone) as fails:
                return _act(kind, action, replace(call, fails=fails))
        except RefusalError as error:
            raise RefusalError(kind.error(action, call, str(error))) from error
        except IncompleteError as error:
            outputs = self._wrapped(kind, error.made.outputs, inputs)
            made = replace(error.made, outputs=outputs)
            raise IncompleteError(made, [kind.error("", call, r) for r in error.reasons]) from error

    def _seen(self, call: str, where: str, struct: struct_pb2.Struct) -> Properties:
        properties = decode(struct)
        texts = [where, *(t for value in properties.values() for t in clear_texts(value))]
        self.world.watch(f"{call} of {where}", texts)
        return properties

    def _wrapped(self, kind: Kind, outputs: Properties, inputs: Mapping[str, Value]) -> Properties:
        marked = like_inputs(outputs, inputs)
        for name in kind.secret & marked.keys():
            value = marked[name]
            if value is not None and not isinstance(value, Secret):
                marked[name] = Secret(value)
        return marked


def _act(kind: Kind, action: str, call: Call) -> Made:
    if call.fails and action not in kind.worst:
        raise RefusalError(LOST)
    match action:
        case "create":
            return kind.create(call)
        case "update":
            return kind.update(call)
        case "read":
            return kind.read(call) or Made("", {})
        case _:
            kind.delete(call)
            return Made("", {})
