"""The NoCloud image: the same words, the same bytes, and cloud-init finds it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from pycdlib import PyCdlib, dates

from ampere_infra.machines.seed import digest, meta_data, nocloud_image, write_seed

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TEXTS = ("#cloud-config\nhostname: a\n", "version: 2\n", meta_data("node1", "0123456789ab"))


def read_back(image: bytes, **path: str) -> str:
    reader, content = PyCdlib(), BytesIO()
    reader.open_fp(BytesIO(image))
    reader.get_file_from_iso_fp(content, **path)
    reader.close()
    return content.getvalue().decode()


def test_a_seed_holds_the_three_texts_under_the_names_that_cloud_init_reads():
    image = nocloud_image(*TEXTS)
    user_data, network_config, meta = TEXTS
    for name, text in {
        "user-data": user_data,
        "network-config": network_config,
        "meta-data": meta,
    }.items():
        assert read_back(image, rr_path=f"/{name}") == text, "Linux reads the Rock Ridge name"
        assert read_back(image, joliet_path=f"/{name}") == text, "the Joliet name says the same"


def test_a_seed_has_the_label_that_cloud_init_looks_for():
    image = nocloud_image(*TEXTS)
    assert image[16 * 2048 + 40 : 16 * 2048 + 72].decode().strip() == "cidata"


def test_a_seed_is_small():
    assert len(nocloud_image(*TEXTS)) < 100 * 1024


def test_the_same_words_give_the_same_bytes_at_another_time_and_in_another_zone(
    monkeypatch: pytest.MonkeyPatch,
):
    first = nocloud_image(*TEXTS)
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert nocloud_image(*TEXTS) == first, "a clock or a zone got into the image"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_the_same_words_give_the_same_bytes_in_another_process():
    script = (
        "import hashlib, sys; from ampere_infra.machines.seed import nocloud_image;"
        "print(hashlib.sha256(nocloud_image(*sys.argv[1:])).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, *TEXTS],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert other.stdout.strip() == sha256(nocloud_image(*TEXTS)).hexdigest()


def test_other_words_give_other_bytes():
    assert nocloud_image("a", "b", "c") != nocloud_image("a", "c", "b")


@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(user_data: str, network_config: str):
    image = nocloud_image(user_data, network_config, "")
    assert read_back(image, rr_path="/user-data") == user_data
    assert read_back(image, rr_path="/network-config") == network_config


def test_pycdlib_has_its_own_clock_back_after_an_image():
    nocloud_image(*TEXTS)
    stamp = dates.DirectoryRecordDate()
    stamp.new(0.0)
    assert stamp.years_since_1900 == 70


def test_a_digest_tells_two_splits_of_the_same_words_apart():
    assert digest("ab", "c") != digest("a", "bc")
    assert len(digest("a")) == 12


def test_a_seed_file_is_written_whole_and_named_relative_to_the_project(tmp_path: Path):
    name = write_seed(tmp_path, "a.iso", b"one")
    assert name == ".ampere/seeds/a.iso", "with / on Windows too"
    assert (tmp_path / name).read_bytes() == b"one"
    write_seed(tmp_path, "a.iso", b"two")
    assert (tmp_path / name).read_bytes() == b"two"
    assert [p.name for p in (tmp_path / ".ampere/seeds").iterdir()] == ["a.iso"]
