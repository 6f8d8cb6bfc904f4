"""Answers of a provider in the protocol's own types."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import status_pb2

from ampere_infra.rehearsal.doubles.kind import Failure, IncompleteError, RefusalError
from ampere_infra.rehearsal.doubles.values import encode

if TYPE_CHECKING:
    from collections.abc import Generator

    from ampere_infra.rehearsal.doubles.diffs import Difference


@contextmanager
def answering(context: grpc.ServicerContext) -> Generator[None]:
    """Turn a refusal into the protocol's error."""
    try:
        yield
    except RefusalError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except IncompleteError as error:
        _abort_incomplete(context, error)


def _abort_incomplete(context: grpc.ServicerContext, error: IncompleteError) -> NoReturn:
    detail = any_pb2.Any()
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=error.made.id, properties=encode(error.made.outputs), reasons=error.reasons
        )
    )
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=2, message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, str(error))


def failures(found: list[Failure]) -> list[pb.CheckFailure]:
    """Return what a Check found wrong."""
    return [pb.CheckFailure(property=f.property, reason=f.reason) for f in found]


def diff_response(difference: Difference) -> pb.DiffResponse:
    """Return a Diff's answer, path by path."""
    detailed = {
        change.path: pb.PropertyDiff(
            kind=pb.PropertyDiff.Kind.Value(
                f"{change.kind}_REPLACE" if change.path in difference.replacing else change.kind
            )
        )
        for change in difference.changes
    }
    replaces = {change.top for change in difference.changes if change.path in difference.replacing}
    return pb.DiffResponse(
        changes=pb.DiffResponse.DIFF_SOME if detailed else pb.DiffResponse.DIFF_NONE,
        diffs=sorted({change.top for change in difference.changes}),
        replaces=sorted(replaces),
        deleteBeforeReplace=difference.delete_first and bool(replaces),
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )
