"""Why a release is not ready or a namespace is not gone, as the cluster tells it.

Helm and the provider say only that the time is over. What is asked and answered here is what
``kubectl get pods,events`` shows: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
The same for a namespace that does not go away, whose conditions tell what is left in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 5
"""Lines of one failure: the first ones mostly have the cause of all."""
_DONE = ("Succeeded",)


def reasons(answer: str) -> list[str]:
    """Return a line for each pod that is not ready, and for each that could not be made.

    Args:
        answer: a list of pods and events in JSON, of one namespace.
    """
    found: list[dict[str, Any]] = json.loads(answer).get("items", [])
    pods = [item for item in found if item["kind"] == "Pod"]
    events = [item for item in found if item["kind"] == "Event" and item.get("type") == "Warning"]
    names = {pod["metadata"]["name"] for pod in pods}
    lines = [line for pod in pods for line in _pod(pod)]
    lines += [_event(event) for event in events if event["involvedObject"]["name"] not in names]
    return list(dict.fromkeys(lines))[:_SHOWN]


def remains(answer: str) -> list[str]:
    """Return a line for each reason why a namespace that is being deleted is still there.

    Args:
        answer: the namespace in JSON.
    """
    found: dict[str, Any] = json.loads(answer)
    if "deletionTimestamp" not in found["metadata"]:
        return []
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions", [])
    return [each["message"] for each in conditions if each["status"] == "True"]


def _pod(pod: dict[str, Any]) -> Iterator[str]:
    status = pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    if status.get("phase") in _DONE or conditions.get("Ready", {}).get("status") == "True":
        return
    name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        yield f"{name} is on no node: {placed.get('reason')}: {placed.get('message')}"
        return
    containers = [
        *status.get("initContainerStatuses", []),
        *status.get("containerStatuses", []),
    ]
    told = [line for each in containers if (line := _container(each))]
    for line in told or ["its containers did not start yet"]:
        yield f"{name} is not ready: {line}"


def _container(status: dict[str, Any]) -> str:
    """Return what is wrong with a container, or nothing."""
    state = status.get("state", {})
    if status.get("ready") or state.get("terminated", {}).get("exitCode") == 0:
        return ""
    name = f"container {status['name']}"
    if "waiting" in state:
        why = state["waiting"]
        before = status.get("lastState", {}).get("terminated")
        ended = f"; it ended with {before['exitCode']} before" if before else ""
        return f"{name}: {why.get('reason')}: {why.get('message', '')}{ended}".rstrip(": ")
    if "terminated" in state:
        why = state["terminated"]
        return f"{name} ended with {why['exitCode']}: {why.get('reason')}"
    return f"{name} runs, but its readiness probe fails"


def _event(event: dict[str, Any]) -> str:
    about = event["involvedObject"]
    return f"{about['kind']} {about['name']}: {event.get('reason')}: {event.get('message')}"
