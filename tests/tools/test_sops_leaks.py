"""While sops runs, nobody else sees a secret: not in processes, not in files."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from keyvault_cases import sealed_for_both
from sops_cases import editor

from ampere_infra import tools
from ampere_infra.rehearsal.leaks import canaries, search, search_files
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.model import generate
from tests.watch import Watch

pytestmark = [
    pytest.mark.usefixtures("sops_alone"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc"),
]
NEW = "a-new-value-of-one-secret"


@pytest.fixture
def both(tmp_path, azure, monkeypatch):
    (tmp_path / "stack").mkdir()
    return sealed_for_both(tmp_path / "stack", azure, generate("home"), monkeypatch)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Have all temporary files lie in one folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def watch(both, temporary):
    """Look whenever sops waits for the vault, and so is there for sure."""
    watch = Watch([temporary, both.path.parent], without=[both.age_key])
    both.azure.before_answer = lambda path: watch.look()
    return watch


def found(watch, both):
    sought = [c for kv in {**both.values, "new": NEW}.items() for c in canaries(*kv)]
    sought += canaries("age key", both.age_key.read_text().splitlines()[-1])
    places = {
        "process arguments": b"\n".join(watch.arguments),
        "process environments": b"\n".join(watch.environments),
        "file names": "\n".join(watch.files).encode(),
        **watch.files,
    }
    return [str(find) for name, text in places.items() for find in search(name, text, sought)]


OPERATIONS = {
    "encrypt": lambda both: sops.encrypt(both.values, both.path),
    "decrypt": lambda both: sops.decrypt(both.path),
    "read": lambda both: sops.read("home", both.path),
    "set": lambda both: sops.set_value(both.path, "minio_root_password", NEW),
    "rotate": lambda both: sops.rotate(both.path),
    "updatekeys": lambda both: (
        rules.write(both.path.parent / ".sops.yaml", both.path, rules.Recipients((), (both.url,)))
        and sops.update_keys(both.path)
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_process_and_no_file_shows_a_secret(both, watch, temporary, name):
    OPERATIONS[name](both)
    assert watch.saw("sops"), "it proves something only if sops was there"
    assert both.azure.calls, "and if it asked the vault meanwhile"
    assert found(watch, both) == []
    assert list(temporary.iterdir()) == [], "nothing is left over"
    assert both.path.read_bytes() != b""


def test_a_secret_in_an_argument_an_environment_or_a_file_would_be_found(both, watch, monkeypatch):
    value = both.values["minio_root_password"]
    watch.arguments.add(f"sops\0set\0{value}".encode())
    watch.environments.add(f"VALUE={value}".encode())
    (both.path.parent / "plain.yaml").write_text(json.dumps(both.values))
    watch.look()
    places = {text.partition(" stands in clear in ")[2] for text in found(watch, both)}
    assert {"process arguments", "process environments"} < places
    assert str(both.path.parent / "plain.yaml") in places


def test_sops_writes_no_temporary_file_while_it_opens_or_seals(both, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(both.path.parent / "missing"))
    sops.encrypt(both.values, both.path)
    assert sops.decrypt(both.path) == both.values


def test_what_is_edited_lies_in_memory_for_its_user_alone_and_is_removed(
    both, temporary, monkeypatch, tmp_path
):
    record = tmp_path / "record"
    editor(
        monkeypatch,
        tmp_path,
        "import json, os\n"
        "modes = [os.stat(p).st_mode for p in (file, file.parent, file.parent.parent)]\n"
        f"pathlib.Path({str(record)!r}).write_text(json.dumps([str(file), *modes]))\n"
        "file.write_text(file.read_text() + 'more: new value\\n')",
    )
    assert sops.edit(both.path)
    place, *modes = json.loads(record.read_text())
    assert Path(place).is_relative_to(temporary), "XDG_RUNTIME_DIR lies in memory"
    assert [stat.S_IMODE(mode) & 0o077 for mode in modes] == [0, 0, 0]
    assert list(temporary.iterdir()) == [], "nothing is left over"


@pytest.mark.parametrize("code", ["sys.exit(1)", "import os, signal\nos.kill(os.getppid(), 9)"])
def test_an_editor_that_fails_and_a_sops_that_is_killed_leave_nothing(
    both, temporary, monkeypatch, tmp_path, code
):
    editor(monkeypatch, tmp_path, code)
    before = both.path.read_bytes()
    with pytest.raises(sops.SecretsError):
        sops.edit(both.path)
    assert list(temporary.iterdir()) == []
    assert both.path.read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_terminal_that_is_closed_meanwhile_leaves_nothing(
    both, temporary, monkeypatch, tmp_path, number
):
    started = tmp_path / "started"
    editor(monkeypatch, tmp_path, f"open({str(started)!r}, 'w')\nimport time\ntime.sleep(6000)")
    code = (
        "import pathlib, sys\nfrom ampere_infra.secrets import sops\n"
        "sops.edit(pathlib.Path(sys.argv[1]))"
    )
    environment = {**os.environ, "AMPERE_SOPS": str(tools.path("sops"))}
    command = [sys.executable, "-c", code, str(both.path)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while not started.exists():
            assert process.poll() is None, "it ended before the editor was there"
            time.sleep(0.05)
        assert list(temporary.rglob(both.path.name)), "the plain text lies there meanwhile"
        process.send_signal(number)
        assert process.wait(60) != 0
    assert list(temporary.iterdir()) == []


def test_the_vault_is_sent_no_secret_either(both):
    sops.encrypt(both.values, both.path)
    sops.decrypt(both.path)
    sent = "\n".join(call.body for call in both.azure.calls).encode()
    sought = [c for kv in both.values.items() for c in canaries(*kv)]
    assert b"RSA-OAEP-256" in sent
    assert list(search("what Azure was sent", sent, sought)) == []


def test_no_file_of_the_folder_holds_a_value_after_all_of_it(both, temporary):
    for call in OPERATIONS.values():
        call(both)
    sought = [c for kv in {**both.values, "new": NEW}.items() for c in canaries(*kv)]
    assert list(search_files(both.path.parent, sought)) == []
    assert list(temporary.iterdir()) == []


def test_no_command_of_ampere_secrets_shows_a_secret(project, azure, temporary, monkeypatch):
    given = {"HCLOUD_TOKEN": "aB3dE6gH" * 8, "REGISTRY_PULL_TOKEN": "ghp_Canary0Canary0Canary0"}
    for name, value in {**azure.environment, **given}.items():
        monkeypatch.setenv(name, value)
    url, watch = azure.vault("ampere-test").add_version("sops"), Watch([temporary, project.folder])
    azure.before_answer = lambda path: watch.look()
    for stack, path in {"home": project.home, "api": project.api}.items():
        rules.write(project.folder / rules.NAME, path, rules.Recipients((), (url,)))
        project.run("init", stack)
    held = [sops.decrypt(project.home), sops.decrypt(project.api)]
    project.run("rotate", "home", "minio_root_password")
    project.run("rotate", "home")
    project.run("check")
    held.append(sops.decrypt(project.home))
    sought = [c for kv in held for name, value in kv.items() for c in canaries(name, str(value))]
    assert {c.text for c in sought} > set(given.values())
    places = {
        "process arguments": b"\n".join(watch.arguments),
        "process environments": b"\n".join(watch.environments),
        **watch.files,
    }
    assert watch.saw("sops")
    assert [str(f) for name, text in places.items() for f in search(name, text, sought)] == []
