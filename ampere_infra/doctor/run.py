"""``ampere doctor``: look at this machine and at the host, and say what is to be done where."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Final, Literal

from ampere_infra.doctor import local, report
from ampere_infra.doctor.findings import Group, Place, Verdict, bad, here, is_wrong, ok, on_host
from ampere_infra.doctor.judges import judged
from ampere_infra.doctor.login import key_files, login
from ampere_infra.doctor.probe import probe
from ampere_infra.doctor.reach import TOTAL_SECONDS, is_here, run_probe
from ampere_infra.machines.login import Unusable, known_key, pin, ssh_words
from ampere_infra.secrets import sops
from ampere_infra.secrets.errors import SecretsError
from ampere_infra.secrets.files import secrets_file
from ampere_infra.settings.api import ApiSettings
from ampere_infra.settings.foundation import FoundationSettings
from ampere_infra.settings.load import parse, read_stack_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ampere_infra.settings.home import HomeSettings

FINE, FAILED = 0, 1
Way = Literal["here", "ssh"]
AZURES_PROGRAMS: Final = ("pulumi", "uv", "sops")
HETZNERS_PROGRAMS: Final = ("pulumi", "uv", "sops", "ssh")
CHECK_SECRETS: Final = "uv run ampere secrets check"
SHELL: Final = "sh"


def doctor(stack: str, config_file: Path, project: Path, way: Way | None, *, json: bool) -> int:
    """Print what is found about ``stack`` and return the exit status: 1 where anything is wrong.

    ``way`` is how the host is reached; by default directly if its address is this machine's.

    Raises:
        SettingsError: the settings are wrong.
    """
    settings = parse(stack, read_stack_file(config_file))
    if isinstance(settings, FoundationSettings):
        machines, groups = _machines("", "ssh"), list(_foundation(settings))
    elif isinstance(settings, ApiSettings):
        machines, groups = _machines("", "ssh"), list(_api(settings, project))
    else:
        chosen = way or ("here" if is_here(settings.host.address) else "ssh")
        machines = _machines(settings.host.name, chosen)
        groups = list(_home(settings, project, chosen))
    lines = [report.as_json(stack, groups, machines)] if json else report.text(groups, machines)
    sys.stdout.write("\n".join(lines) + "\n")
    return FAILED if is_wrong(groups) else FINE


def _machines(host: str, way: Way) -> dict[Place, str]:
    """Return what a person is told that the machines are."""
    if way == "here":
        return {
            Place.DEV: "the machine that runs Pulumi",
            Place.HOST: f"this machine, the KVM host ({host})",
        }
    return {Place.DEV: f"this machine ({platform.node()})", Place.HOST: f"the KVM host ({host})"}


def _foundation(s: FoundationSettings) -> Iterator[Group]:
    _say("this stack has no host: this machine is looked at, and whether Azure knows you")
    yield Group("this machine: programs", tuple(local.programs(AZURES_PROGRAMS)))
    _say("asking az who is logged in")
    yield Group("this machine: Azure", tuple(local.azure(s)))


def _api(s: ApiSettings, project: Path) -> Iterator[Group]:
    from ampere_infra.doctor.hetzner import hetzner  # noqa: PLC0415 - Hetzner's SDK is api's alone

    _say("this stack has no host: this machine is looked at, and the project at Hetzner")
    yield Group("this machine: programs", tuple(local.programs(HETZNERS_PROGRAMS)))
    file = secrets_file("api")
    _say(f"opening {file.as_posix()}")
    try:
        token = sops.read("api", project / file).hcloud_token
    except SecretsError as error:
        yield Group("this machine: secrets", (bad("file", str(error), here(CHECK_SECRETS)),))
        _say("Hetzner was not asked: its token is in that file")
        return
    yield Group("this machine: secrets", (ok("file", "its keys are at hand"),))
    _say("asking Hetzner")
    yield Group("Hetzner", tuple(hetzner(s, token)))


def _home(s: HomeSettings, project: Path, way: Way) -> Iterator[Group]:
    if way == "here":
        _say("this machine is taken for the host; of the one that runs Pulumi nothing is said:")
        _say("run there: uv run ampere doctor home")
        yield from _directly(s, project)
    else:
        _say("this machine: programs and names")
        yield Group("this machine: programs", tuple(local.programs()))
        yield Group("this machine: names", tuple(local.names(s)))
        yield from _over_ssh(s, project)


def _directly(s: HomeSettings, project: Path) -> Iterator[Group]:
    answer = run_probe([SHELL], probe(s), project, _progress("this machine"))
    if answer.reached:
        yield from judged(s, answer.facts)
        return
    found = f"the probe did not run: {answer.complaint or 'no answer'}"
    again = on_host("run this there, or leave out --here")
    yield Group("host", (bad("probe", found, again),))


def _over_ssh(s: HomeSettings, project: Path) -> Iterator[Group]:
    files, key = tuple(key_files(s.host)), known_key(s.host)
    usable = all(f.verdict is Verdict.OK for f in files)
    if not usable or isinstance(key, Unusable):
        yield Group("this machine: SSH", files)
        _say("the host was not looked at: nobody can log in there with these files")
        return
    pin(s.host, key, project)
    to = f"{s.host.user}@{s.host.address}"
    _say(f"{to}: logging in; all that follows takes {TOTAL_SECONDS:.0f} s at most")
    words = [*ssh_words(to, s.host.private_key_file, key.kind), SHELL]
    answer = run_probe(words, probe(s), project, _progress(to))
    yield Group("this machine: SSH", (*files, login(s.host, answer)))
    if answer.reached:
        yield from judged(s, answer.facts)
    else:
        _say("the host was not looked at: nobody could log in there")


def _progress(where: str) -> Callable[[str], None]:
    return lambda step: _say(f"{where}: {step}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
