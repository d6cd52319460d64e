"""Judge the commits that a push would bring as a controller will that wants them signed."""

from collections.abc import Iterator
from datetime import datetime

from controller.adapters.git import GitRepository
from controller.authoring.told import told
from controller.kernel.errors import ControllerError, Unavailable
from controller.kernel.findings import Finding
from controller.kernel.objects import Oid
from controller.reconcile.commits import VerifiedCommits, refused_commits
from controller.source.commits import Verify
from controller.trust.root import Root


def followed(repository: GitRepository, branch: str, baseline: Oid | None) -> Oid | None:
    """Return where the followed branch stands as far as is known here, else the baseline.

    What the remote `origin` was last seen to hold comes first: a branch of this clone may be ahead.
    """
    for ref in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
        found = repository.target(ref)
        if found is not None:
            return found
    return baseline if baseline is not None and repository.has(baseline) else None


def judge_commits(
    repository: GitRepository,
    root: Root,
    tip: Oid,
    *,
    since: Oid | None,
    verify: Verify,
    now: datetime,
) -> Iterator[Finding]:
    """Yield a finding for each commit that `tip` would bring and a controller would refuse."""
    if since is not None and repository.is_ancestor(tip, since):
        return
    where = f"commit {tip.hex()[:12]}"
    found = refused_commits(
        repository, root, tip, since=since, verify=verify, now=now, memory=VerifiedCommits()
    )
    try:
        for one in found:
            yield told(one, f"commit {one.commit.hex()[:12]}")
    except Unavailable:
        raise
    except ControllerError as error:
        yield told(error, where)
