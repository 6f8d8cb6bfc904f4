"""The parser of known_hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampere_infra.machines.known_hosts import HostKey, host_key

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGUwMzE5ZDkyNzQ0MzE5ZDkyNzQ0MzE5ZDkyNzQ0"
RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"
ED_KEY = HostKey("ssh-ed25519", ED)


def test_a_plain_entry_is_found_by_its_name():
    assert host_key(f"oppie-server ssh-ed25519 {ED}\n", ["oppie-server"]) == ED_KEY


def test_an_entry_for_name_and_address_is_found_by_either():
    text = f"oppie-server,192.168.1.29 ssh-ed25519 {ED} a comment\n"
    assert host_key(text, ["192.168.1.29"]) == ED_KEY
    assert host_key(text, ["OPPIE-server"]) == ED_KEY, "names have no case"


def test_another_host_is_not_known():
    assert host_key(f"other ssh-ed25519 {ED}\n", ["oppie-server", "192.168.1.29"]) is None


def test_ed25519_is_preferred_whatever_the_order():
    text = f"h ssh-rsa {RSA}\nh ssh-ed25519 {ED}\n"
    assert host_key(text, ["h"]) == ED_KEY


def test_comments_blank_lines_and_broken_lines_are_passed_over():
    text = f"# h ssh-ed25519 {ED}\n\n  \nh\nh ssh-ed25519\nh ssh-ed25519 ???\nh ssh-rsa {RSA}\n"
    assert host_key(text, ["h"]) == HostKey("ssh-rsa", RSA)


def test_a_revoked_key_is_no_key():
    text = f"h ssh-ed25519 {ED}\n@revoked * ssh-ed25519 {ED}\n"
    assert host_key(text, ["h"]) is None


def test_a_certificate_authority_is_no_host_key():
    assert host_key(f"@cert-authority * ssh-ed25519 {ED}\n", ["h"]) is None


def test_wildcards_match_and_negation_excludes():
    text = f"*.lan,!bad.lan ssh-ed25519 {ED}\n"
    assert host_key(text, ["good.lan"]) == ED_KEY
    assert host_key(text, ["bad.lan"]) is None


def test_a_bracket_in_an_entry_is_a_bracket_and_no_set_of_letters():
    assert host_key(f"[h]:22 ssh-ed25519 {ED}\n", ["h"]) is None
    assert host_key(f"[h]:2222 ssh-ed25519 {ED}\n", ["h"]) is None, "another port, another host"
    assert host_key(f"[h]:2222 ssh-ed25519 {ED}\n", ["h"], port=2222) == ED_KEY


def test_a_hashed_entry_is_found():
    # 192.168.1.61, as OpenSSH hashes it.
    hashed = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
    text = f"{hashed} ssh-ed25519 {ED}\n"
    assert host_key(text, ["192.168.1.61"]) == ED_KEY
    assert host_key(text, ["192.168.1.29"]) is None


@pytest.mark.parametrize("hashed", ["|1|x", "|2|AAAA|AAAA", "|1||", "|1|?|?", "|"])
def test_a_broken_hash_matches_nothing(hashed: str):
    assert host_key(f"{hashed} ssh-ed25519 {ED}\n", ["h"]) is None


@given(st.text(), st.text(min_size=1))
def test_no_text_whatever_is_an_error(text: str, name: str):
    host_key(text, [name])
