"""The ways to a machine: what they run, and how long a key lies in a file."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pulumi.runtime
from home_cluster import Recorder, canary
from pulumi_command import remote

from ampere_infra.machines.machine import Machine
from ampere_infra.machines.ways import PREFIX, to_host, to_node
from tests.waiting import await_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def node() -> Machine:
    connection = remote.ConnectionArgs(
        host="203.0.113.10",
        user="ampere",
        private_key=pulumi.Output.secret(canary("key")),
        host_key="ssh-ed25519 AAAA",
    )
    gate = pulumi.CustomResource("test:index:Server", "server")
    return Machine(
        name="api",
        address="203.0.113.10",
        connection=connection,
        identity=pulumi.Output.from_input("1"),
        resource=gate,
    )


def check(words: Sequence[str], places: list[Path]) -> None:
    """Look at the files that ``words`` name, and note them in ``places``."""
    key = Path(words[words.index("-i") + 1])
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700, "this user's alone"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600, "or OpenSSH refuses it"
    assert key.read_text() == canary("key") + "\n", "OpenSSH wants its line's end"
    (hosts,) = [Path(word.partition("=")[2]) for word in words if "UserKnownHostsFile" in word]
    assert hosts.read_text() == "203.0.113.10 ssh-ed25519 AAAA\n"
    assert words[-1] == "ampere@203.0.113.10"
    assert all(place.parent.name.startswith(PREFIX) for place in (key, hosts))
    places += [key, hosts]


def test_the_way_to_a_host_is_its_words():
    async def go() -> Sequence[str]:
        async with to_host(["ssh", "host"])() as words:
            return words

    assert await_result(go()) == ["ssh", "host"]


def test_the_way_to_a_node_pins_its_key_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pulumi.runtime.set_mocks(Recorder(), preview=False)
    places: list[Path] = []

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        way = to_node(node())

        async def go() -> None:
            async with way() as words:
                check(words, places)

        return pulumi.Output.from_input(go())

    program()
    assert len(places) == 2, "the key, and the host's"
    assert not list(tmp_path.iterdir()), "nothing is left when the way is closed"
