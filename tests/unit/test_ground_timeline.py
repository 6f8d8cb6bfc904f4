"""Which second went where, read from canned words of an engine, a systemd and a journal."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from tests.ground.picture import Bar, Tick, svg
from tests.ground.timeline import ENGINE, Timeline, boot, markers, steps

BEGAN = 1795860000.0
TOLD = """\
now 1795860400.500000000 380.50
UserspaceTimestampMonotonic=12000000

Id=cloud-init-local.service
InactiveExitTimestampMonotonic=20000000
ActiveEnterTimestampMonotonic=36000000

Id=ampere-os-ready.service
InactiveExitTimestampMonotonic=100000000
ActiveEnterTimestampMonotonic=119500000

Id=kubeadm-join.service
InactiveExitTimestampMonotonic=0
ActiveEnterTimestampMonotonic=0
"""
JOURNAL = """\
1795860139.750000 master ampere-node[700]: OS_READY at 2026-11-28T10:02:19Z
1795860001.000000 master ampere-node[600]: API_STABLE at 2026-11-27T10:00:00Z
"""
URN = "urn:pulumi:home::ampere::{}::{}"
COMMAND = "ampere:bootstrap:Worker$command:remote:Command"
MASTER, WORKER = "master", "worker"
BORN = (
    Bar(ENGINE, MASTER, 2, 5),
    Bar(ENGINE, "master-os-ready", 6, 122),
    Bar(MASTER, "kernel", 6, 18),
    Bar(MASTER, "system", 18, 30),
    Bar(MASTER, "OS_READY", 30, 120),
    Bar(MASTER, "packages", 121, 221),
    Bar(ENGINE, "master-pki", 123, 130),
    Bar(MASTER, "kubeadm init", 222, 422),
    Bar(ENGINE, "master-api-stable", 300, 446),
    Bar(MASTER, "API_STABLE", 423, 436),
    Bar(ENGINE, "worker-membership", 446, 456),
    Bar(ENGINE, "worker-join-token", 456, 462),
    Bar(WORKER, "packages", 121, 240),
    Bar(WORKER, "kubeadm join", 461, 521),
    Bar(ENGINE, "worker-node-joined", 462, 524),
)


def event(seconds: int, kind: str, op: str, type_: str, name: str) -> str:
    metadata = {"op": op, "urn": URN.format(type_, name)}
    return json.dumps({"timestamp": int(BEGAN) + seconds, kind: {"metadata": metadata}})


def test_a_boot_is_the_kernel_then_the_system_then_units():
    assert boot("master", TOLD, BEGAN) == [
        Bar("master", "kernel", 20, 32),
        Bar("master", "system", 32, 40),
        Bar("master", "cloud-init: network", 40, 56),
        Bar("master", "OS_READY", 120, 139.5),
    ]


def test_a_step_of_the_engine_is_as_long_as_it_took_to_end_or_to_fail():
    raw = [
        json.dumps({"timestamp": int(BEGAN), "preludeEvent": {}}),
        event(1, "resourcePreEvent", "create", COMMAND, "gate"),
        event(1, "resourcePreEvent", "create", COMMAND, "brief"),
        event(2, "resOutputsEvent", "create", COMMAND, "brief"),
        event(3, "resourcePreEvent", "create", COMMAND, "broken"),
        event(9, "resOpFailedEvent", "create", COMMAND, "broken"),
        event(61, "resOutputsEvent", "create", COMMAND, "gate"),
    ]
    assert steps(raw, BEGAN) == [Bar(ENGINE, "broken", 3, 9), Bar(ENGINE, "gate", 1, 61)]


def test_what_owns_others_or_is_only_looked_at_is_no_step():
    raw = [
        event(second, kind, op, type_, "worker")
        for second, kind in ((0, "resourcePreEvent"), (60, "resOutputsEvent"))
        for op, type_ in (("create", "ampere:bootstrap:Worker"), ("same", COMMAND))
    ]
    assert steps(raw, BEGAN) == []


def test_a_marker_is_as_exact_as_the_journals_line_about_that_very_marker():
    earned = {"OS_READY": "2026-11-28T10:02:19Z", "API_STABLE": "2026-11-28T10:05:00Z"}
    assert markers(earned, JOURNAL) == {"OS_READY": 1795860139.75, "API_STABLE": 1795860300.0}


def test_the_critical_path_goes_from_what_a_machine_did_to_what_let_it_and_never_waits():
    path = [(bar.machine, bar.what) for bar in Timeline(BEGAN, list(BORN)).critical_path()]
    assert path == [
        (ENGINE, MASTER),
        (MASTER, "kernel"),
        (MASTER, "system"),
        (MASTER, "OS_READY"),
        (MASTER, "packages"),
        (MASTER, "kubeadm init"),
        (MASTER, "API_STABLE"),
        (ENGINE, "worker-membership"),
        (ENGINE, "worker-join-token"),
        (WORKER, "kubeadm join"),
    ]


def test_the_time_taken_counts_from_the_masters_power_to_the_workers_join():
    taken, alone = Timeline(BEGAN, list(BORN)).taken(MASTER, WORKER)
    assert (taken, alone) == (515, 114 + 100 + 200 + 60)


def test_a_timeline_is_told_machine_by_machine_with_its_markers():
    lines = Timeline(BEGAN, list(BORN), [Tick(MASTER, "OS_READY", 119.5)]).lines()
    assert len(lines) == len(BORN) + 1
    assert lines[0].split() == ["engine", "master", "2.0", "..", "5.0", "3.0", "s"]
    assert "master           OS_READY" in "\n".join(lines)


def test_a_picture_has_a_bar_for_what_took_long_and_a_tick_for_a_marker():
    drawn = ET.fromstring(svg("<birth>", BORN, [Tick(MASTER, "OS_READY", 119.5)]))
    kinds = [element.tag.rpartition("}")[2] for element in drawn]
    assert kinds.count("rect") == len(BORN) + 1, "and the paper"
    assert kinds.count("path") == 1
    texts = [element.text for element in drawn]
    assert texts[1] == "<birth>"
    assert "at 120 s" in texts
    assert "worker: kubeadm join" in texts


def test_a_picture_of_hours_has_a_scale():
    assert "36000 s" in svg("hours", [Bar("master", "kernel", 0, 36000)], [])
