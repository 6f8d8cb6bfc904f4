"""What the clusters' nodes are born with, as files to read and to review.

After a change that is meant: ``AMPERE_RENEW_GOLDEN=1 uv run pytest
tests/unit/test_bootstrap_golden.py``, then look at what git says has changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bootstrap_cases import CA_HASH, births, home

from ampere_infra.bootstrap.kubeadm import init_config, join_config
from ampere_infra.bootstrap.netplan import network_config

FOLDER = Path(__file__).parents[1] / "golden"
HOME = home()
PUBLIC = births()[2:]
RENEW = "AMPERE_RENEW_GOLDEN"


def rendered() -> dict[str, str]:
    """The files that the program renders for each kind of node."""
    public = {f"{birth.name}.user-data.yaml": birth.born.text for birth in PUBLIC}
    public |= {
        f"{birth.name}.kubeadm-init.yaml": init_config(birth.cluster, birth.node)
        for birth in PUBLIC
    }
    return public | {
        "master.user-data.yaml": HOME.born(HOME.master).text,
        "worker.user-data.yaml": HOME.born(HOME.worker).text,
        "master.network-config.yaml": network_config(HOME.nic),
        "master.kubeadm-init.yaml": init_config(HOME.cluster, HOME.master),
        "worker.kubeadm-join.yaml": join_config(HOME.cluster, HOME.worker, CA_HASH),
    }


@pytest.mark.parametrize("name", rendered())
def test_the_rendered_file_is_the_reviewed_one(name: str) -> None:
    file, text = FOLDER / name, rendered()[name]
    if os.environ.get(RENEW):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    assert file.read_text(encoding="utf-8") == text, f"if it is meant: {RENEW}=1, see above"


def test_every_reviewed_file_is_rendered() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(rendered()), "nothing is left over"
