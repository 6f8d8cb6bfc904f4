"""The look at a run that finds secrets in clear."""

from __future__ import annotations

import shutil
import threading

from tests.watch import Watch


def test_folders_that_go_meanwhile_do_not_end_the_look(tmp_path):
    (tmp_path / "stays").write_text("seen")
    watch, ended = Watch([tmp_path]), threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            (tmp_path / "a/b/c").mkdir(parents=True)
            shutil.rmtree(tmp_path / "a")

    coming = threading.Thread(target=come_and_go)
    coming.start()
    try:
        for _ in range(50):
            watch.look()
    finally:
        ended.set()
        coming.join()
    assert watch.files[str(tmp_path / "stays")] == b"\nseen"
