"""Addresses of remotes: what is followed, and what is refused before any child starts."""

from pathlib import Path

import pytest

from controller.adapters.remoteaddress import BadAddress, BadBranchName, Remote, branch_ref


def over_ssh(url: str) -> Remote:
    return Remote("remote", url, ssh_key=Path("key"), known_hosts=Path("known_hosts"))


def over_https(url: str) -> Remote:
    return Remote("remote", url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.example.com/a/b.git", "https://git.example.com/a/b.git"),
        ("https://git.example.com:8443/a", "https://git.example.com:8443/a"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
        ("file:///srv/a.git", "file:///srv/a.git"),
        ("/srv/a.git", "file:///srv/a.git"),
    ],
)
def test_addresses_that_are_followed(url: str, shown: str) -> None:
    assert Remote("remote", url).shown == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ssh://git@git.example.com/a.git", "ssh://git.example.com/a.git"),
        ("ssh://git.example.com:2222/a.git", "ssh://git.example.com:2222/a.git"),
        ("git@git.example.com:a/b.git", "ssh://git.example.com/a/b.git"),
        ("git.example.com:/a/b.git", "ssh://git.example.com/a/b.git"),
    ],
)
def test_who_asks_is_not_shown(url: str, shown: str) -> None:
    found = over_ssh(url)

    assert (found.scheme, found.shown) == ("ssh", shown)


@pytest.mark.parametrize(
    "url",
    [
        "https://hunter2@git.example.com/a.git",
        "https://git:hunter2@git.example.com/a.git",
        "ssh://git:hunter2@git.example.com/a.git",
        "git:hunter2@git.example.com:a.git",
        "https://git.example.com/a.git?token=hunter2",
        "https://git.example.com/a.git#hunter2",
        "http://git.example.com/hunter2",
        "git://git.example.com/hunter2",
        "ext::sh -c hunter2",
        "ssh://-oProxyCommand=hunter2/a",
        "-oProxyCommand=hunter2:a",
        "ssh://-hunter2@git.example.com/a",
        "https://git.example.com/hunter2\n/a",
        "https://git.example.com/hunter2 a",
        "https://git.example.com:0/hunter2",
        "https://git.example.com:99999/hunter2",
        "https://git.example.com:x/hunter2",
        "https://git.example.com",
        "https:///hunter2",
        "https://git..example.com-/hunter2",
        "https://[::1/hunter2",
        "file://elsewhere/hunter2",
        "hunter2",
        "../hunter2",
        "",
    ],
)
def test_other_addresses_are_refused_and_not_repeated(url: str) -> None:
    for way in (over_https, over_ssh):
        with pytest.raises(BadAddress) as refusal:
            way(url)

        assert "hunter2" not in f"{refusal.value} {refusal.value.hint}"
        assert refusal.value.__cause__ is None


def test_a_way_in_belongs_to_its_protocol() -> None:
    with pytest.raises(BadAddress, match="takes a key file and a known-hosts file"):
        Remote("remote", "ssh://git@git.example.com/a", ssh_key=Path("key"))
    with pytest.raises(BadAddress, match="for https alone"):
        Remote("remote", "file:///srv/a.git", token_file=Path("token"))
    with pytest.raises(BadAddress, match="for ssh alone"):
        Remote("remote", "https://git.example.com/a", ssh_key=Path("key"))
    with pytest.raises(BadAddress, match="user's name"):
        Remote("remote", "https://git.example.com/a", user="a:b")


@pytest.mark.parametrize(
    "ref",
    [
        "main", "heads/main", "refs/tags/main", "refs/heads/", "refs/heads/a..b", "refs/heads/a b",
        "refs/heads/*", "refs/heads/a:refs/heads/b", "refs/heads/a.lock", "refs/heads/a/",
        "+refs/heads/a", "refs/heads/a\n", "refs/heads/a@{1}", "HEAD",
    ],
)  # fmt: skip
def test_only_full_names_of_branches_are_asked_for(ref: str) -> None:
    with pytest.raises(BadBranchName):
        branch_ref(ref)


def test_a_full_name_of_a_branch_is_itself() -> None:
    assert branch_ref("refs/heads/release/2026") == "refs/heads/release/2026"
