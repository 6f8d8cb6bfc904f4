"""Whatever stands in a stack file, it ends in settings or in mistakes: never in a traceback."""

from __future__ import annotations

import json
import random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from settings_cases import STACK_FILE, real

from ampere_infra.settings.document import parse_document
from ampere_infra.settings.load import parse
from ampere_infra.settings.mistakes import SettingsError

REAL_TEXT = STACK_FILE.read_text(encoding="utf-8")
FEW = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.binary(max_size=5),
    st.sampled_from(
        [
            *("0.0.0.0/0", "255.255.255.255", "10.10.10.0/24", "::1", "1" * 5000, "1.2.3.4/1e9"),
            *(
                "4GiB",
                "9" * 30 + "TiB",
                "1.36",
                "{",
                "[",
                "[[[[",
                '{"a": NaN}',
                '{"vcpu": ' + "9" * 5000 + "}",
                "latest",
                "a:b",
            ),
            *("\ud800", "\x00", "${x}", "../..", "ampere", "nat", "bridge", "1.36.3", "é\u202e"),
        ]
    ),
)
KEYS = st.one_of(
    st.text(max_size=12), st.integers(), st.sampled_from(["secure", "name", "machines"])
)


def documents(scalars):
    """Anything that YAML or JSON can spell with ``scalars``."""
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )


HUGE = st.just(5000).map(lambda digits: 10**digits)
DOCUMENTS = documents(SCALARS | HUGE)


def judge(config):
    """Parse ``config``; every mistake must be one that a person can read."""
    try:
        parse("home", config)
    except SettingsError as error:
        readable(error)


def readable(refusal):
    """Assert that a person can read ``refusal`` on any terminal."""
    told = str(refusal)
    assert refusal.mistakes, "a refusal says why"
    assert told.isascii(), "it can be printed on any terminal"
    assert len(told) < 60_000
    assert "pydantic" not in told
    assert max(map(len, told.splitlines())) < 800, "a mistake is a line, never a dump"


def places(node, path=()):
    """Every path in ``node`` to a value below its top."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(real()))


@FEW
@given(st.dictionaries(KEYS.map(lambda key: f"ampere:{key}") | KEYS, DOCUMENTS, max_size=5))
def test_any_configuration_ends_in_mistakes(config):
    judge(config)


@settings(FEW, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(PLACES), DOCUMENTS), min_size=1, max_size=4))
def test_any_value_at_any_place_ends_in_settings_or_mistakes(changes):
    config = real()
    for path, value in changes:
        put(config, path, value)
    judge(config)


@FEW
@given(st.sampled_from(PLACES), documents(SCALARS))
def test_any_section_as_text_of_the_engine_ends_in_settings_or_mistakes(path, value):
    config = real()
    put(config, path, value)
    judge({key: json.dumps(it, default=str, skipkeys=True) for key, it in config.items()})


def put(config, path, value):
    """Put ``value`` at ``path``, as far as an earlier change has left the way there."""
    node = config
    for key in path[:-1]:
        if not isinstance(node, dict | list) or (isinstance(node, dict) and key not in node):
            return
        if isinstance(node, list) and not (isinstance(key, int) and key < len(node)):
            return
        node = node[key]
    if isinstance(node, dict) or (isinstance(node, list) and path[-1] in range(len(node))):
        node[path[-1]] = value


@FEW
@given(st.text(alphabet="abc:-?[]{}&*!|>'\"%@`#,~ \n\t019.<=\\\x00\x85\ufeffé", max_size=60))
@example("%YAML 9999999999999999999999.1\n--- a")
@example("a: " + "9" * 5000)
@example("? {a: b}\n: c")
@example("&a [*a]")
@example("a: !!int x")
@example("<<: 3")
@example("a: {<<: [1]}")
@example("\x00")
def test_any_text_is_read_or_refused(text):
    read(text)


@FEW
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_the_real_file_with_characters_changed_is_read_or_refused(seed, count):
    chance = random.Random(seed)
    text = list(REAL_TEXT)
    for _ in range(count):
        at = chance.randrange(len(text))
        text[at : at + chance.choice([0, 1, 1, 9])] = chance.choice("x0 :-{}[]\"'#&*\n\t,.!|%")
    read("".join(text))


def read(text):
    """Read ``text`` as a stack file."""
    try:
        document = parse_document("Pulumi.home.yaml", text)
    except SettingsError as error:
        readable(error)
        return
    if isinstance(document, dict) and isinstance(document.get("config"), dict):
        judge(document["config"])
