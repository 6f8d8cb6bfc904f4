"""Compare a provider double with the real provider: ``python -m tests.honesty PACKAGE PLUGIN``.

PLUGIN is the real provider's program, such as
``~/.pulumi/plugins/resource-random-v4.21.4/pulumi-resource-random``. Both are asked the same, and
every answer that differs is printed. The libvirt provider acts on a real libvirtd: see there.
"""

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from ampere_infra.rehearsal.reality import Reality
from tests.honesty.client import double, plugin
from tests.honesty.session import Session


def transcript(package, provider):
    """Return ``provider``'s answers to all that is asked of ``package``."""
    questions = import_module(f"tests.honesty.{package}")
    with tempfile.TemporaryDirectory(prefix="honest-") as folder:
        session = Session(provider, questions.RANDOM)
        questions.ask(session, Path(folder))
        return {label: _without(answer, folder) for label, answer in session.answers.items()}


def compare(real, other):
    """Yield each difference: what was asked, where in the answer, and both sides."""
    for label in dict.fromkeys([*real, *other]):
        yield from _differences(real.get(label), other.get(label), label)


def _differences(real, other, path):
    sides = real, other
    if all(isinstance(side, dict) for side in sides) and not any("refused" in s for s in sides):
        for key in dict.fromkeys([*real, *other]):
            # Some providers leave it to the engine to find the details.
            if key != "details" or real.get(key):
                yield from _differences(real.get(key), other.get(key), f"{path} > {key}")
    elif all(isinstance(side, list) for side in sides) and len(real) == len(other):
        for index, pair in enumerate(zip(real, other, strict=True)):
            yield from _differences(*pair, f"{path}[{index}]")
    elif real != other:
        yield path, real, other


def _is_wording(path, real, other):
    """Whether both refuse, each in words of its own."""
    both = all(isinstance(side, dict) and "refused" in side for side in (real, other))
    return both or "> reasons[" in path


def _without(answer, folder):
    if isinstance(answer, dict):
        return {key: _without(value, folder) for key, value in answer.items()}
    if isinstance(answer, list):
        return [_without(item, folder) for item in answer]
    return answer.replace(folder, "<folder>") if isinstance(answer, str) else answer


def main():
    parser = argparse.ArgumentParser(prog="tests.honesty", description=__doc__)
    parser.add_argument("package", choices=["libvirt", "command", "random", "tls"])
    parser.add_argument("plugin", type=Path)
    parser.add_argument("--words", action="store_true", help="show refusals in other words, too")
    on_host = "let the double act on this machine's libvirtd and sshd, too"
    parser.add_argument("--real", action="store_true", help=on_host)
    chosen = parser.parse_args()
    config = import_module(f"tests.honesty.{chosen.package}").CONFIG
    with plugin(chosen.plugin, config) as provider:
        real = transcript(chosen.package, provider)
    reality = Reality(libvirt_uri=config.get("uri", "")) if chosen.real else None
    with double(chosen.package, config, reality) as provider:
        other = transcript(chosen.package, provider)
    found = list(compare(real, other))
    words = [difference for difference in found if _is_wording(*difference)]
    for path, ours, theirs in found:
        if chosen.words or (path, ours, theirs) not in words:
            print(f"{path}\n    real    {ours!r}\n    double  {theirs!r}")
    rest = len(found) - len(words)
    print(f"{chosen.package}: {len(real)} answers, {rest} differences, {len(words)} of words only")
    return 1 if rest else 0


if __name__ == "__main__":
    sys.exit(main())
