"""Which tip of a remote may become the mirror's branch: rule G1, asked before the branch moves."""

from controller.adapters.git import GitRepository
from controller.kernel.objects import Oid
from controller.source.follow import Judge
from controller.trust.history import check_ancestry


def forward_only(repository: GitRepository, accepted: Oid | None, baseline: Oid) -> Judge:
    """Return the judge of a tip: it has to grow out of what was accepted, at first the baseline.

    It raises `HistoryRewritten` or `NotFromBaseline`. Signatures are judged later, by the pass.
    """
    anchor = baseline if accepted is None else accepted

    def judge(tip: Oid) -> None:
        descends = repository.has(anchor) and repository.is_ancestor(anchor, tip)
        check_ancestry(accepted, baseline, tip, descends=descends)

    return judge
