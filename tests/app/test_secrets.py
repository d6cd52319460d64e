"""No secret that the settings hold or name comes through the redactor."""

from pathlib import Path

import pytest

from controller.adapters.redaction import GONE
from controller.app import settings
from controller.app.secrets import redactor
from tests.app.test_settings import GOOD

FILES = {
    "database.url_file": '[database]\nurl_file = "secret"\n',
    "remote.token_file": '[remote]\nurl = "https://x/y.git"\ntoken_file = "secret"\n',
    "remote.second": '[remote]\nurl = "https://x/y"\n[remote.second]\nurl = "https://z"\n'
    'token_file = "secret"\n',
    "webhooks": '[webhooks.github]\nsecret_file = "secret"\n',
    "notify": '[[notify]]\nname = "a"\nkind = "slack"\nurl_file = "secret"\n',
    "audit.key": '[audit]\nkey = "secret"\n',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_what_a_file_of_the_settings_holds_is_taken_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "countersign.toml").write_text(GOOD + text)
    (tmp_path / "secret").write_text("this-is-the-secret\n")

    found = redactor(settings.load(tmp_path / "countersign.toml"))

    assert found.text("it said this-is-the-secret here") == f"it said {GONE} here"


def test_the_password_of_the_database_is_taken_out_however_it_is_spelt(tmp_path: Path) -> None:
    text = GOOD + '[database]\nurl = "postgresql://ledger:w%40lrus-9@db/x"\n'
    (tmp_path / "countersign.toml").write_text(text)

    found = redactor(settings.load(tmp_path / "countersign.toml"))

    assert found.text("w@lrus-9 or w%40lrus-9") == f"{GONE} or {GONE}"


def test_a_certificate_is_no_secret(tmp_path: Path) -> None:
    text = GOOD + '[remote]\nurl = "https://x/y.git"\nca_file = "ca"\n'
    (tmp_path / "countersign.toml").write_text(text)
    (tmp_path / "ca").write_text("issued-by-somebody\n")

    found = redactor(settings.load(tmp_path / "countersign.toml"))

    assert found.text("issued-by-somebody") == "issued-by-somebody"
