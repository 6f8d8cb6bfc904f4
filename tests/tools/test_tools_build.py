"""Building with the real ``go``: a module of no dependencies, so that it takes a second."""

import dataclasses
import multiprocessing
import os
import subprocess
import sys

import pytest

from ampere_infra import go_build
from ampere_infra.go_build import Build, BuildError, built

MAIN = 'package main\n\nvar version = "none"\n\nfunc main() { print(version) }\n'
BROKEN = "package main\n\nfunc main() { nope }\n"


@pytest.fixture
def build(tmp_path, monkeypatch):
    go_cache = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("GOCACHE", go_cache.stdout.strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "hello"
    (folder / "cmd" / "hello").mkdir(parents=True)
    (folder / "go.mod").write_text("module ampere/hello\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "cmd" / "hello" / "main.go").write_text(MAIN)
    return Build("hello v1.0.0", folder, ("ampere/hello/cmd/hello",), "-X main.version=v1.0.0")


def program(folder):
    return folder / ("hello.exe" if sys.platform == "win32" else "hello")


def ignore(_):
    return None


def test_a_tool_is_built_with_its_version(build):
    lines = []
    folder = built(build, lines.append)
    printed = subprocess.run([program(folder)], capture_output=True, text=True, check=True).stderr
    assert printed == "v1.0.0"
    assert folder.stat().st_mode & 0o055 == 0o055, "whoever keeps the cache may read it"
    assert lines[0].startswith("building hello v1.0.0 from source"), "a person sees what goes on"
    assert lines[-1].startswith("built hello v1.0.0 in ")


def test_a_tool_is_built_once(build):
    lines = []
    assert built(build, ignore) == built(build, lines.append)
    assert lines == [], "the second time it is in the cache"


@pytest.mark.parametrize("change", [{"ldflags": ""}, {"tags": "other"}, {"packages": ("./...",)}])
def test_other_flags_are_another_tool(build, change):
    assert build.key("go") != dataclasses.replace(build, **change).key("go")


def test_other_pins_are_another_tool(build):
    before = build.key("go")
    (build.folder / "go.sum").write_text("example.org/x v1.0.0 h1:xxx=\n")
    assert build.key("go") != before


def _built_elsewhere(build, cache, results):
    os.environ["XDG_CACHE_HOME"] = cache
    lines = []
    built(build, lines.append)
    results.put(any(line.startswith("built ") for line in lines))


def test_two_processes_do_not_build_the_same_tool(build, tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (build, str(tmp_path / "cache"), results)
    processes = [context.Process(target=_built_elsewhere, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert sorted(results.get(timeout=5) for _ in processes) == [False, False, True]


def test_a_build_that_was_killed_leaves_nothing_that_counts(build):
    half = go_build.cache_folder() / f".{build.key('go')}-killed"
    half.mkdir(parents=True)
    folder = built(build, ignore)
    assert program(folder).exists()
    assert not half.exists(), "the next build clears away what a killed one left"


def test_a_compile_error_shows_the_compilers_words(build):
    (build.folder / "cmd" / "hello" / "main.go").write_text(
        "package main\n\nfunc main() { nope }\n"
    )
    with pytest.raises(BuildError, match=r"building hello v1.0.0 failed[\s\S]*undefined: nope"):
        built(build, ignore)
    assert not list(go_build.cache_folder().glob("hello-*[!k]")), "no half-built tool is kept"


def test_a_module_that_is_not_pinned_is_refused(build):
    (build.folder / "cmd" / "hello" / "main.go").write_text(
        'package main\n\nimport _ "example.org/unknown"\n\nfunc main() {}\n'
    )
    with pytest.raises(BuildError, match=r"example\.org/unknown"):
        built(build, ignore)


def test_a_proxy_that_is_not_reached_is_named(build, monkeypatch):
    (build.folder / "go.mod").write_text(
        "module ampere/hello\n\ngo 1.26.0\n\nrequire example.org/unknown v1.0.0\n"
    )
    (build.folder / "go.sum").write_text(
        "example.org/unknown v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
        "example.org/unknown v1.0.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )
    (build.folder / "cmd" / "hello" / "main.go").write_text(
        'package main\n\nimport _ "example.org/unknown"\n\nfunc main() {}\n'
    )
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:9")
    with pytest.raises(BuildError, match="module proxy was not reached"):
        built(build, ignore)


def test_an_interrupted_build_ends_the_compiler(build, monkeypatch):
    monkeypatch.setattr(go_build, "REPORT_SECONDS", 0.01)

    def interrupted(line):
        if "s of about" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(build, interrupted)
    words = ["pgrep", "-af", str(go_build.cache_folder())]
    assert not subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert not list(go_build.cache_folder().glob(".hello-*")), "the temporary folder is gone"
