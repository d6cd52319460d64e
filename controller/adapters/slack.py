"""Slack's incoming webhooks: what strangers wrote stands there as they wrote it, and does nothing.

It is put into preformatted rich text, which knows no mark-up, mention or link, and `&`, `<` and
`>`, which begin those everywhere else at Slack, are escaped all the same. What a notification
shows, and Slack reads for mark-up, is made of words of ours.
"""

from dataclasses import dataclass
from datetime import datetime

from controller.adapters.outbound import Call, send
from controller.adapters.senders import Place
from controller.kernel.canonical import Json, canonical
from controller.kernel.instants import format_instant
from controller.kernel.notices import Notice, NoticeKind, plain

_SIGNS = {
    NoticeKind.FAILURE: "\N{LARGE RED CIRCLE}",
    NoticeKind.RECOVERY: "\N{LARGE GREEN CIRCLE}",
    NoticeKind.SUCCESS: "\N{WHITE HEAVY CHECK MARK}",
    NoticeKind.PENDING: "\N{HOURGLASS}",
    NoticeKind.TEST: "\N{BELL}",
}


def escaped(text: str) -> str:
    """Return a text that begins no mark-up, mention or link at Slack."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body(notice: Notice) -> bytes:
    """Return the bytes of a notice."""
    title = f"{_SIGNS[notice.kind]} {escaped(notice.title)}"
    facts = [format_instant(notice.at)]
    if notice.commit is not None:
        facts.append(f"commit {notice.commit.hex()[:12]}")
    if notice.revision is not None:
        facts.append(f"revision {notice.revision}")
    blocks: list[Json] = [_section(title, bold=True)]
    blocks += [_verbatim(text) for text in (notice.message, notice.hint) if text]
    blocks.append(_section(" · ".join(facts), bold=False))
    document: dict[str, Json] = {
        "text": title,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [{"type": "rich_text", "elements": blocks}],
    }
    return canonical(document)


def _section(text: str, *, bold: bool) -> Json:
    words: dict[str, Json] = {"type": "text", "text": text}
    if bold:
        words["style"] = {"bold": True}
    return {"type": "rich_text_section", "elements": [words]}


def _verbatim(text: str) -> Json:
    words: dict[str, Json] = {"type": "text", "text": escaped(text)}
    return {"type": "rich_text_preformatted", "elements": [words]}


@dataclass(frozen=True, slots=True)
class Slack:
    """Sends notices to one channel; its address is the secret."""

    place: Place

    def send(self, notice: Notice, *, delivery: str, now: datetime) -> None:
        """Post it. Slack knows no delivery ids: what is sent again is shown again."""
        del delivery, now
        headers = {"content-type": "application/json"}
        send(self.place.route, Call("POST", self.place.address(), headers, body(notice)))
