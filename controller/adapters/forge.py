"""Commit statuses at GitHub and Gitea: what became of a commit, beside the commit itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from controller.adapters.outbound import Call, send
from controller.adapters.senders import Place, secret_line
from controller.kernel.canonical import Json, canonical
from controller.kernel.notices import Notice, NoticeKind, plain

DESCRIPTION_MAX = 140
"""What GitHub takes; Gitea takes more."""

_STATES = {
    NoticeKind.FAILURE: "failure",
    NoticeKind.RECOVERY: "success",
    NoticeKind.SUCCESS: "success",
    NoticeKind.PENDING: "pending",
    NoticeKind.TEST: "success",
}


class ForgeKind(StrEnum):
    """Whose interface it is."""

    GITHUB = "github"
    GITEA = "gitea"


def body(notice: Notice, context: str, target_url: str | None) -> bytes:
    """Return the bytes of a commit's status; a test has a context of its own."""
    is_test = notice.kind is NoticeKind.TEST
    said = " ".join(notice.message.split()) or notice.title
    status: dict[str, Json] = {
        "state": _STATES[notice.kind],
        "context": f"{context}/test" if is_test else context,
        "description": plain(said, DESCRIPTION_MAX),
    }
    if target_url is not None:
        status["target_url"] = target_url
    return canonical(status)


@dataclass(frozen=True, slots=True)
class Forge:
    """Sets the status of commits of one repository, `owner/name`."""

    kind: ForgeKind
    place: Place
    token_file: Path
    repository: str
    context: str
    target_url: str | None = None

    def send(self, notice: Notice, *, delivery: str, now: datetime) -> None:
        """Post it; a notice of no commit has no status. One that is sent again stands there once.

        Forges keep every status and show the newest of a context.
        """
        del delivery, now
        if notice.commit is None:
            return
        base, token = self.place.address().rstrip("/"), secret_line(self.token_file)
        url = f"{base}{self._root}/repos/{self.repository}/statuses/{notice.commit.hex()}"
        headers = {"content-type": "application/json", **self._login(token)}
        data = body(notice, self.context, self.target_url)
        send(self.place.route, Call("POST", url, headers, data))

    @property
    def _root(self) -> str:
        return "/api/v1" if self.kind is ForgeKind.GITEA else ""

    def _login(self, token: str) -> dict[str, str]:
        if self.kind is ForgeKind.GITEA:
            return {"authorization": f"token {token}", "accept": "application/json"}
        return {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
