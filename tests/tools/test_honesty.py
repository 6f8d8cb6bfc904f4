"""What is asked of a real provider can be asked of its double: see ``tests/honesty``."""

import pytest

from tests.honesty.__main__ import compare, transcript
from tests.honesty.client import double


@pytest.mark.parametrize(
    ("package", "config"),
    [
        ("command", {}),
        ("libvirt", {"uri": "qemu:///system"}),
        ("random", {}),
        ("tls", {}),
    ],
)
def test_a_double_answers_every_question_twice_the_same(package, config):
    answers = []
    for _ in range(2):
        with double(package, config) as provider:
            answers.append(transcript(package, provider))
    assert len(answers[0]) > 30, "the questions are asked"
    assert list(compare(*answers)) == []
