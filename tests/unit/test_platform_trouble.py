import json

import pytest

from ampere_infra.platform.trouble import reasons, remains


def pod(name="minio-0", phase="Pending", conditions=(), containers=()):
    status = {"phase": phase, "conditions": conditions, "containerStatuses": containers}
    return {"kind": "Pod", "metadata": {"namespace": "minio", "name": name}, "status": status}


def container(state, **more):
    return {"name": "server", "ready": False, "state": state, **more}


def told(*items):
    return reasons(json.dumps({"items": items}))


READY = {"type": "Ready", "status": "True"}
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/4 nodes are available: 3 Insufficient memory.",
}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            pod(
                containers=[
                    container({"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}})
                ]
            ),
            "pod minio/minio-0 is not ready: container server: ImagePullBackOff: no such tag",
        ),
        (
            pod(
                containers=[
                    container(
                        {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                        lastState={"terminated": {"exitCode": 2}},
                    )
                ]
            ),
            (
                "pod minio/minio-0 is not ready: container server: CrashLoopBackOff: back-off 10s; "
                "it ended with 2 before"
            ),
        ),
        (
            pod(containers=[container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})]),
            "pod minio/minio-0 is not ready: container server ended with 137: OOMKilled",
        ),
        (
            pod(phase="Running", containers=[container({"running": {}})]),
            "pod minio/minio-0 is not ready: container server runs, but its readiness probe fails",
        ),
        (
            pod(conditions=[NO_ROOM]),
            (
                "pod minio/minio-0 is on no node: Unschedulable: 0/4 nodes are available: "
                "3 Insufficient memory."
            ),
        ),
        (pod(), "pod minio/minio-0 is not ready: its containers did not start yet"),
    ],
)
def test_a_pod_that_is_not_ready_is_named_with_its_reason(found, line):
    assert told(found) == [line]


def test_what_is_ready_or_done_is_not_named():
    done = pod("job", phase="Succeeded", containers=[container({"terminated": {"exitCode": 0}})])
    assert told(pod(phase="Running", conditions=[READY]), done) == []


def test_a_pod_that_could_not_be_made_is_told_by_its_owner():
    refused = {
        "kind": "Event",
        "type": "Warning",
        "reason": "FailedCreate",
        "message": "pods are forbidden: exceeded quota",
        "involvedObject": {"kind": "ReplicaSet", "name": "minio-7"},
    }
    normal = {**refused, "type": "Normal"}
    of_a_pod = {**refused, "involvedObject": {"kind": "Pod", "name": "minio-0"}}
    lines = told(pod(conditions=[READY]), refused, refused, normal, of_a_pod)
    assert lines == ["ReplicaSet minio-7: FailedCreate: pods are forbidden: exceeded quota"]


def test_a_few_lines_are_enough():
    assert len(told(*(pod(f"p{number}") for number in range(40)))) == 5


def test_a_namespace_that_does_not_go_away_tells_what_is_left_in_it():
    left = {"type": "NamespaceContentRemaining", "status": "True", "message": "1 pod is left"}
    fine = {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "all well"}
    going = {"metadata": {"deletionTimestamp": "now"}, "status": {"conditions": [left, fine]}}
    assert remains(json.dumps(going)) == ["1 pod is left"]
    assert remains(json.dumps({"metadata": {}, "status": {"phase": "Active"}})) == []
