"""The program itself: hanging, failing, babbling, missing."""

import time
from pathlib import Path

import pytest
from sops_cases import impostor, refused

from ampere_infra import tools
from ampere_infra.secrets import run, sops

find = tools.path
pytestmark = pytest.mark.usefixtures("sops_alone")


def ended(status):
    """Whether a process ends within some seconds; what is killed may still be on its way."""
    for _ in range(100):
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_sops_that_hangs_is_ended_with_its_children(sealed, values, monkeypatch, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f"print({values['minio_root_user']!r}, flush=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6000)'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(6000)"
    )
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    monkeypatch.setattr(run, "LIMIT_SECONDS", 3.0)
    assert "did not end within 3 s" in refused(sealed, values), "although a child keeps the pipe"
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/status")
    assert ended(state), "no child outlives the call"


def test_what_sops_writes_about_a_failure_is_not_repeated(sealed, values, monkeypatch, tmp_path):
    code = f"import sys\nsys.stderr.write({' '.join(values.values())!r})\nsys.exit(1)"
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    assert "status 1" in refused(sealed, values)


def test_output_that_is_no_json_is_refused_without_showing_it(
    sealed, values, monkeypatch, tmp_path
):
    code = f"print({values['minio_root_user']!r})"
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    assert "sops answered with something that is no JSON" in refused(sealed, values)


def test_sops_is_given_only_the_variables_that_it_needs(sealed, values, monkeypatch, tmp_path):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "not for sops")
    monkeypatch.setenv("AZURE_TENANT_ID", "for sops")
    record = tmp_path / "record"
    code = (
        f"import os\nopen({str(record)!r}, 'w').write(repr(dict(os.environ)))\nraise SystemExit(1)"
    )
    monkeypatch.setattr(tools, "path", impostor(tmp_path, code))
    refused(sealed, values)
    seen = record.read_text()
    assert "not for sops" not in seen
    assert "AZURE_TENANT_ID" in seen
    assert "SOPS_AGE_KEY_FILE" in seen


@pytest.fixture
def no_go(sops_alone, sealed, monkeypatch, tmp_path):
    """Have sops looked for as it is, on a PATH where nothing else is."""
    monkeypatch.setattr(tools, "path", find)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    tools.forget()
    yield tmp_path / "bin"
    tools.forget()


@pytest.mark.usefixtures("no_go")
def test_a_missing_sops_is_told_with_the_ways_to_get_it(sealed, values):
    text = refused(sealed, values)
    assert "needs sops, and there is none (docs/secrets.md)" in text
    assert "install Go" in text


def test_a_sops_that_is_too_old_is_told_with_the_floor(sealed, values, no_go):
    impostor(no_go, "print('sops 3.9.4')")().rename(no_go / "sops")
    text = refused(sealed, values)
    assert "it is version 3.9.4, and sops 3.11.0 or newer is needed" in text


def test_a_sops_that_is_set_and_too_old_is_told_too(sealed, values, no_go, monkeypatch):
    program = impostor(no_go, "print('sops 3.7.3')")()
    monkeypatch.setenv("AMPERE_SOPS", str(program))
    text = refused(sealed, values)
    assert f"AMPERE_SOPS names {program}: it is version 3.7.3" in text


def test_the_sops_that_is_set_is_the_one_that_opens_files(
    sealed, values, no_go, monkeypatch, sops_programs
):
    monkeypatch.setenv("AMPERE_SOPS", str(sops_programs["sops"]))
    assert sops.decrypt(sealed) == values
