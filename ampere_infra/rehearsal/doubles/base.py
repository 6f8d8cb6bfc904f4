"""What every provider double shares: the protocol's calls around a resource type's rules."""

from __future__ import annotations

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc as service

from ampere_infra.rehearsal.world import World


class Double(service.ResourceProviderServicer):
    """A provider that acts on a world instead of on machines."""

    def __init__(self, package: str, version: str, world: World) -> None:
        self.package = package
        self.version = version
        self.world = world

    def Attach(self, request, context): return empty_pb2.Empty()
    def Handshake(self, request, context):
        return pb.ProviderHandshakeResponse(accept_secrets=True, accept_resources=False, accept_outputs=False)
    def GetPluginInfo(self, request, context): return plugin_pb2.PluginInfo(version=self.version)
    def CheckConfig(self, request, context): return pb.CheckResponse(inputs=request.news)
    def DiffConfig(self, request, context): return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)
    def Configure(self, request, context):
        return pb.ConfigureResponse(acceptSecrets=True, acceptResources=False, acceptOutputs=False, supportsPreview=True)
    def Check(self, request, context): return pb.CheckResponse(inputs=request.news)
    def Diff(self, request, context):
        same = request.news == request.old_inputs
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE if same else pb.DiffResponse.DIFF_SOME)
    def Create(self, request, context):
        if request.preview:
            return pb.CreateResponse(properties=request.properties)
        with self.world.operation("create", request.urn) as fails:
            if fails: 
                context.abort(grpc.StatusCode.UNKNOWN, "it was to fail")
        return pb.CreateResponse(id="id-" + request.urn[-6:], properties=request.properties)
    def Read(self, request, context):
        with self.world.operation("read", request.urn) as fails:
            if fails: 
                context.abort(grpc.StatusCode.UNKNOWN, "it was to fail")
        return pb.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
    def Update(self, request, context):
        if request.preview:
            return pb.UpdateResponse(properties=request.news)
        with self.world.operation("update", request.urn) as fails:
            if fails: 
                context.abort(grpc.StatusCode.UNKNOWN, "it was to fail")
        return pb.UpdateResponse(properties=request.news)
    def Delete(self, request, context):
        with self.world.operation("delete", request.urn) as fails:
            if fails: 
                context.abort(grpc.StatusCode.UNKNOWN, "it was to fail")
        return empty_pb2.Empty()
    def Invoke(self, request, context):
        return pb.InvokeResponse(**{"return": struct_pb2.Struct()})
    def Cancel(self, request, context): return empty_pb2.Empty()
