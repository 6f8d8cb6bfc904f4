"""What the tests of sealed files share."""

import sys
import traceback

import pytest
import yaml

from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.errors import SecretsError


def refused(path, values, call=None):
    """Return the text of the refusal, having looked for values in all that it carries."""
    with pytest.raises(SecretsError) as caught:
        (call or (lambda: sops.read("home", path)))()
    links: list[BaseException] = [caught.value]
    while (before := links[-1].__context__) is not None:
        links.append(before)
    carried = [*map(repr, links), *(repr(vars(link)) for link in links)]
    carried.append("".join(traceback.format_exception(caught.value)))
    for value in values.values():
        assert not any(value in text for text in carried), "an error must not carry a secret"
    assert path.as_posix() in str(caught.value), "an error names the file"
    return str(caught.value)


def rule(path, age=(), azure_kv=()):
    """Have a `.sops.yaml` beside ``path`` rule it."""
    rules.write(path.parent / ".sops.yaml", path, rules.Recipients(tuple(age), tuple(azure_kv)))


def impostor(folder, code):
    """Put a program in place of sops."""
    path = folder / "impostor"
    path.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    path.chmod(0o755)
    return lambda name=None, report=None: path


def editor(monkeypatch, folder, code):
    """Have ``code`` edit the plain ``file``."""
    program = folder / "editor"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n{code}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("SOPS_EDITOR", str(program))


def sealed_part(path):
    """Return SOPS's own part of the file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))["sops"]
