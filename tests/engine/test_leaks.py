"""No secret stands in clear anywhere that a run writes to, shows, or passes on."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from drill import API, HOME, fast_folder
from stack_secrets import stack_secrets

from ampere_infra.machines.ways import PREFIX
from ampere_infra.rehearsal.leaks import Canary, Find, canaries, search, search_files
from ampere_infra.rehearsal.project import Project
from ampere_infra.rehearsal.stage import Stage, environment, staged
from ampere_infra.rehearsal.world import World
from ampere_infra.secrets import rules, sops
from ampere_infra.secrets.model import generate
from ampere_infra.settings.load import read_stack_file
from tests.keyvault.server import serving
from tests.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ampere_infra.rehearsal.engine import Outcome

VERBOSE = ("-v=5", "--logtostderr", "--logflow")
"""From 7 on the engine writes every property that it is sent into its log, secrets too."""
FAILING = ("kubernetes:core/v1:Secret", "kubernetes:helm.sh/v3:Release")
COMMANDS = ("-pki", "-join-token", "-base-image", "-tailnet-join")


@dataclass(frozen=True)
class Case:
    """A stack, and what of its secrets and sinks is its own."""

    stack: str
    config_file: Path
    key: str
    """The key of the cluster's Secrets in etcd, as its resource is called."""
    secrets: tuple[str, ...]
    made: int
    """How many passwords its resources make at least."""
    images: bool = False
    """Whether machines read their user-data from NoCloud images."""
    sections: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    """What is laid over the stack file's, so that every secret is needed."""

    @property
    def config(self) -> dict[str, Any]:
        """The stack's settings."""
        found: dict[str, Any] = dict(read_stack_file(self.config_file))
        for name, section in self.sections.items():
            found[name] = {**found.get(name, {}), **section}
        return found


CASES = {
    "home": Case(
        *("home", HOME, "ampere-k8s-encryption-key-1"),
        ("minio_root_password", "airflow_fernet_key", "SSH key"),
        made=3,
        images=True,
    ),
    "api": Case(
        *("api", API, "ampere-api-encryption-key-1"),
        (
            *("hcloud_token", "registry_pull_token", "api_keys.first"),
            *("tailscale_auth_key", "dns_token"),
        ),
        made=1,
        sections={
            "ampere:tailscale": {"enabled": True, "tailnet": "tail1a2b3.ts.net"},
            "ampere:certificates": {"challenge": "cloudflare"},
        },
    ),
}


@dataclass
class Sinks:
    """Everything that a run left or showed, and every secret that went through it."""

    case: Case
    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    canaries: list[Canary] = field(default_factory=list[Canary])
    errors: int = 0
    used: set[str] = field(default_factory=set[str])
    """The secrets that resources were made with."""

    def add(self, name: str, *texts: str) -> None:
        """Put ``texts`` into the sink called ``name``."""
        joined = "\n".join(texts)
        assert joined, f"the sink {name} has to hold something, or it proves nothing"
        self.texts[name] = joined.encode()

    def add_files(self, name: str, files: Iterator[Path]) -> None:
        """Put the files' names and contents into the sink called ``name``."""
        found = [path for path in files if path.is_file()]
        assert found, f"the sink {name} has to hold something, or it proves nothing"
        self.texts[name] = b"\n".join(str(p).encode() + b"\n" + p.read_bytes() for p in found)


started: list[str] = []
"""The arguments of every process that this one started while ``listening`` holds something."""
listening: list[bool] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if listening and event == "subprocess.Popen":
        started.extend(str(argument) for argument in arguments[1])


sys.addaudithook(_listen)


@pytest.fixture(scope="module", params=CASES)
def sinks(request: pytest.FixtureRequest) -> Generator[Sinks]:
    """Run a stack whole, with every operation that a secret goes into failing once.

    Its secrets are opened by a Key Vault, and whenever that is asked, and ever again meanwhile,
    all processes and temporary files are looked at.
    """
    case, folder = CASES[request.param], fast_folder()
    temporary = folder / "temporary"
    temporary.mkdir()
    listening.append(True)
    try:
        with ExitStack() as stack:
            azure = stack.enter_context(serving(folder))
            stack.enter_context(environment({**azure.environment, "TMPDIR": str(temporary)}))
            tempfile.tempdir = str(temporary)
            url = azure.vault("ampere-test").add_version("sops")
            sealed = _sealed(case, folder, url)
            file = folder / f"Pulumi.{case.stack}.yaml"
            file.write_text(yaml.safe_dump({"config": case.config}), encoding="utf-8")
            project = Project(case.stack, file, folder / "out", sealed)
            stage = stack.enter_context(staged(project, World()))
            keys = [project.private, temporary / PREFIX]
            watch = stack.enter_context(Watch([temporary], without=keys))
            azure.before_answer = lambda path: watch.look()
            sinks = _run(case, stage)
            sinks.canaries += canaries("age key", _age_key(folder))
            _collect_seen(sinks, watch, [call.body for call in azure.calls])
            yield sinks
    finally:
        tempfile.tempdir = None
        listening.clear()
        started.clear()
        shutil.rmtree(folder)


def _sealed(case: Case, folder: Path, url: str) -> Path:
    """Seal secrets for a vault, and for an age key that is not at hand."""
    path = folder / "given" / f"{case.stack}.enc.yaml"
    path.parent.mkdir()
    recipient = sops.make_age_key(folder / "age.txt")
    rules.write(path.parent / rules.NAME, path, rules.Recipients((recipient,), (url,)))
    sops.encrypt(generate(case.stack), path)
    return path


def _age_key(folder: Path) -> str:
    return (folder / "age.txt").read_text().splitlines()[-1]


def _collect_seen(sinks: Sinks, watch: Watch, sent: list[str]) -> None:
    for program in ("sops", "pulumi"):
        assert watch.saw(program), f"{program} has to be seen, or it proves nothing"
    # Pulumi takes its passphrase from its environment; that variable holds nothing else.
    passphrase = re.compile(rb"PULUMI_CONFIG_PASSPHRASE=[^\0]*")
    environments = (passphrase.sub(b"", text) for text in watch.environments)
    sinks.texts["arguments in /proc"] = b"\n".join(watch.arguments)
    sinks.texts["environments in /proc"] = b"\n".join(environments)
    sinks.texts["temporary files"] = b"\n".join([*watch.files.values(), b"files:"])
    sinks.texts["temporary files' names"] = "\n".join(["names:", *watch.files]).encode()
    sinks.add("what Azure was sent", *sent)


def _run(case: Case, stage: Stage) -> Sinks:
    sinks, engine, project = Sinks(case), stage.engine, stage.project
    plan = project.folder / "plan.json"
    preview = engine.preview("--save-plan", str(plan), *VERBOSE)
    assert preview.ok, preview.output
    outcomes = [preview, engine.preview("--json"), engine.preview("--diff")]
    outcomes += list(_failing_once(stage, preview))
    sinks.errors = sum(1 for outcome in outcomes if not outcome.ok)
    outcomes += [engine.up(*VERBOSE), engine.up("--diff", "--show-sames"), engine.refresh(*VERBOSE)]
    assert all(outcome.ok for outcome in outcomes[-3:]), outcomes[-3].output
    shown = engine.export(show_secrets=True)
    sinks.canaries = list(stack_secrets(stage, shown))
    found = search("state", json.dumps(shown).encode(), sinks.canaries)
    sinks.used = {find.canary for find in found}
    stage.world.export(project.rendered)
    exported = engine.export()
    outcomes += _unprotected(case, stage)
    outcomes += [engine.destroy(*VERBOSE)]
    assert outcomes[-1].ok, outcomes[-1].output
    _collect(sinks, stage, outcomes)
    sinks.add_files("plan", iter([plan]))
    sinks.add("exported state", json.dumps(exported))
    resources = exported["deployment"]["resources"]
    sinks.add(
        "resource names", *(r["urn"] for r in resources), *(r.get("id", "") for r in resources)
    )
    return sinks


def _unprotected(case: Case, stage: Stage) -> list[Outcome]:
    """Lift all protection; Hetzner's own goes by a run of the program only."""
    config = case.config
    if "ampere:server" not in config:
        stage.engine.unprotect()
        return []
    config["ampere:server"] = {**config["ampere:server"], "protect": False}
    stage.project.write(config)
    return [stage.engine.up(*VERBOSE)]


def _failing_once(stage: Stage, preview: Outcome) -> Iterator[Outcome]:
    for step in preview.events.changes:
        if step.type in FAILING or step.name.endswith(COMMANDS):
            stage.world.fail_at("create", step.urn)
    while True:
        outcome = stage.engine.up()
        yield outcome
        if outcome.ok:
            return


def _collect(sinks: Sinks, stage: Stage, outcomes: list[Outcome]) -> None:
    project = stage.project
    said = [d for outcome in outcomes for d in outcome.events.diagnostics]
    sinks.add("engine's output", *(o.output for o in outcomes))
    sinks.add("engine's events", *(line for o in outcomes for line in o.events.raw))
    sinks.add("error texts", *(d.text for d in said if d.severity == "error"))
    sinks.add("warnings", "warnings:", *(d.text for d in said if d.severity != "error"))
    sinks.add("process arguments", *started)
    sinks.add_files("logs", project.logs.rglob("*"))
    sinks.add_files("state and its history", project.state.rglob("*"))
    sinks.add_files("rendered files", project.rendered.rglob("*"))
    if sinks.case.images:
        sinks.add_files("NoCloud images", (project.root / ".ampere").rglob("*.iso"))
    sinks.add_files("project's folder", project.root.rglob("*"))
    sinks.add("seen by providers", "seen:", *(f"{x.canary} {x.where}" for x in stage.world.leaks))
    sinks.add("invocations", "invoked:", *(" ".join(x) for x in stage.world.invocations))


def test_no_secret_stands_in_clear_in_any_sink(sinks: Sinks, capsys: pytest.CaptureFixture[str]):
    found = [f for name, text in sinks.texts.items() for f in search(name, text, sinks.canaries)]
    names = {canary.name for canary in sinks.canaries}
    with capsys.disabled():
        print(f"\n{len(sinks.texts)} sinks x {len(names)} canaries: {len(found)} in clear")
    assert not found, "\n".join(map(str, found))


def test_the_canaries_are_all_secrets_given_and_made(sinks: Sinks):
    names = {canary.name for canary in sinks.canaries}
    for wanted in (*sinks.case.secrets, "passphrase", "age key", "key of Secrets in etcd"):
        assert wanted in names
    assert f"{sinks.case.key}.result" in names, "and what it is made of"
    assert sum("privateKey" in name for name in names) >= 3, "the CA's, the admin's and the nodes'"
    optional = {"tailscale_auth_key", "dns_token"} & {*sinks.case.secrets}
    assert optional <= sinks.used, "and what not every stack needs has gone where it is needed"
    made = sum(name.endswith(".result") for name in names)
    assert made >= sinks.case.made, "at home a join token for each worker"


def test_operations_that_carry_secrets_failed_on_the_way(sinks: Sinks):
    assert sinks.errors > 3, "error texts prove something only if there were errors"


def test_no_secret_value_is_written_even_into_the_folder_that_vanishes(home: Any):
    project = home.stage.project
    values = [c for kv in project.secrets.items() for c in canaries(*kv)]
    assert values
    assert list(search_files(project.private, values)) == []


PLANTED = Canary("planted", 'pa"ss\\word-ünd-canary/+9 8')


@pytest.mark.parametrize(
    "spelling",
    [
        PLANTED.text,
        json.dumps(PLANTED.text),
        json.dumps(json.dumps({"key": PLANTED.text})),
        base64.b64encode(PLANTED.text.encode()).decode(),
        base64.b64encode(f"user:{PLANTED.text}\n".encode()).decode(),
        base64.b64encode(f"x{PLANTED.text}, and more".encode()).decode(),
        base64.urlsafe_b64encode(f"ab{PLANTED.text}".encode()).decode(),
    ],
    ids=[
        "raw",
        "JSON",
        "JSON in JSON",
        "base64",
        "base64 behind",
        "base64 amid",
        "base64 for URLs",
    ],
)
def test_a_secret_planted_in_any_sink_would_be_found(sinks: Sinks, spelling: str):
    for name, text in sinks.texts.items():
        assert not list(search(name, text, [PLANTED])), f"{name} holds the planted one already"
        middle = len(text) // 2
        spoiled = text[:middle] + spelling.encode() + text[middle:]
        assert list(search(name, spoiled, [PLANTED])) == [Find("planted", name)]


def test_a_private_key_without_its_header_would_be_found(sinks: Sinks):
    keys = [c for c in sinks.canaries if c.name.endswith("privateKeyPem")]
    assert keys
    for key in keys:
        text = f'"stdin": "{key.text}"'.encode()
        assert list(search("a sink", text, [key])), "one line of a key's body is enough"
