"""Settings: the file, the environment over it, and what is refused."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from controller.app import settings
from controller.app.settings import BadSettings, Settings, load
from tests.support.cli import countersign

PIN = "0" * 64
GOOD = f'[trust]\nroot = "1.root.json"\nroot_sha256 = "{PIN}"\n'
PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def written(folder: Path, text: str) -> Path:
    file = folder / "countersign.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(BadSettings) as caught:
        load(written(folder, text))
    return str(caught.value)


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    found = load(written(tmp_path, GOOD + '[repository]\npath = "../shop"\n'))

    assert found.path(found.trust.root) == tmp_path / "1.root.json"
    assert found.path(found.repository.path) == tmp_path.parent / "shop"


def test_a_misspelt_name_is_refused_by_name(tmp_path: Path) -> None:
    assert "guards.removed_shares" in refusal(tmp_path, GOOD + "[guards]\nremoved_shares = 0.5\n")
    assert load(written(tmp_path, GOOD + '[guards]\nremoved_share = "0.5"\n')).guards


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "trust"),
        (GOOD.replace(PIN, "beef"), "trust.root_sha256"),
        (GOOD + '[repository]\nbaseline = "main"\n', "repository.baseline"),
        (GOOD + "[guards]\nremoved_share = 1.5\n", "guards.removed_share"),
        (GOOD + '[database]\nurl = "postgresql:///x"\nurl_file = "y"\n', "database"),
        (GOOD + "[broken\n", "countersign.toml"),
    ],
)
def test_a_bad_value_is_refused_by_its_place(tmp_path: Path, text: str, named: str) -> None:
    assert named in refusal(tmp_path, text)


def test_a_refusal_never_repeats_a_value_that_may_be_a_secret(tmp_path: Path) -> None:
    said = refusal(tmp_path, GOOD + '[database]\nurls = "postgresql://u:hunter2@db/x"\n')

    assert "hunter2" not in said


def test_the_database_url_is_never_shown_by_accident(tmp_path: Path) -> None:
    found = load(written(tmp_path, GOOD + '[database]\nurl = "postgresql://u:hunter2@db/x"\n'))

    assert "hunter2" not in repr(found)
    assert found.database_url() == "postgresql://u:hunter2@db/x"


def test_a_url_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql:///elsewhere\n", encoding="utf-8")

    found = load(written(tmp_path, GOOD + '[database]\nurl_file = "url"\n'))

    assert found.database_url() == "postgresql:///elsewhere"


def loaded_with(file: Path, environment: dict[str, str]) -> dict[str, str]:
    """Load settings in a process that has this environment."""
    script = (
        "import json, sys; from pathlib import Path; from controller.app.settings import load; "
        "found = load(Path(sys.argv[1])); "
        "print(json.dumps({'name': found.controller.name, 'url': found.database_url()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env=environment,
        cwd=PAGE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    values: dict[str, str] = json.loads(done.stdout)
    return values


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + '[controller]\nname = "file"\n')

    assert loaded_with(file, {})["name"] == "file"
    assert loaded_with(file, {"COUNTERSIGN_CONTROLLER__NAME": "other"})["name"] == "other"


def test_an_ambient_database_url_only_fills_a_gap(tmp_path: Path) -> None:
    ambient = {"DATABASE_URL": "postgresql:///ambient"}
    named = GOOD + '[database]\nurl = "postgresql:///named"\n'

    assert loaded_with(written(tmp_path, GOOD), ambient)["url"] == "postgresql:///ambient"
    assert loaded_with(written(tmp_path, named), ambient)["url"] == "postgresql:///named"


def test_a_file_that_is_not_there_is_an_error_and_not_defaults(tmp_path: Path) -> None:
    with pytest.raises(BadSettings):
        load(tmp_path / "absent.toml")


def test_every_setting_is_documented_and_nothing_else() -> None:
    known = set()
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        for one in (kind, *get_args(kind)):  # a section, or any number of them
            if isinstance(one, type) and issubclass(one, BaseModel):
                known |= {f"{section}.{name}" for name in one.model_fields}
    written_down = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))

    assert written_down == known
    assert settings.CONFIG_VARIABLE in PAGE.read_text("utf-8")


NOTIFY = {
    "webhook": 'secret_file = "s"\nurl = "https://hooks.example/x"\n',
    "slack": 'url_file = "u"\n',
    "pagerduty": 'token_file = "t"\n',
    "github": 'token_file = "t"\nrepository = "bank/artifacts"\n',
    "gitea": 'token_file = "t"\nrepository = "bank/artifacts"\nurl = "https://git.example"\n',
}


def receiver(kind: str, name: str = "one") -> str:
    return f'[[notify]]\nname = "{name}"\nkind = "{kind}"\n{NOTIFY[kind]}'


def test_any_number_of_receivers_may_be_named(tmp_path: Path) -> None:
    text = "".join(receiver(kind, kind) for kind in NOTIFY)

    assert [one.kind for one in load(written(tmp_path, GOOD + text)).notify] == list(NOTIFY)


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("slack", 'url = "https://hooks.slack.com/services/secret"\n', "url is not for"),
        ("slack", 'secret_file = "s"\n', "secret_file is not for"),
        ("github", 'on = ["failure"]\n', "on is not for"),
        ("webhook", 'url_file = "u"\n', "one of them"),
        ("webhook", 'token_file = "t"\n', "token_file is not for"),
        ("webhook", 'on = ["everything"]\n', "notify.0.on"),
        ("webhook", 'min_severity = "info"\n', "min_severity"),
        ("webhook", 'proxy = "http://user:hunter2@proxy"\n', "proxy"),
        ("webhook", 'secret = "hunter2"\n', "notify.0.secret"),
    ],
)
def test_a_receiver_that_does_not_fit_its_kind_is_refused(
    tmp_path: Path, kind: str, change: str, named: str
) -> None:
    said = refusal(tmp_path, GOOD + receiver(kind) + change)

    assert named in said
    assert "hunter2" not in said


@pytest.mark.parametrize("kind", NOTIFY)
def test_a_receiver_without_what_it_needs_is_refused(tmp_path: Path, kind: str) -> None:
    first, _, rest = NOTIFY[kind].partition("\n")
    text = f'[[notify]]\nname = "one"\nkind = "{kind}"\n{rest}'

    assert f"{first.partition(' ')[0]} is missing" in refusal(tmp_path, GOOD + text)


def test_two_receivers_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "name of its own" in refusal(tmp_path, GOOD + receiver("slack") + receiver("webhook"))


def test_a_file_that_is_not_there_is_looked_for_where_the_person_named_it(tmp_path: Path) -> None:
    by_option = countersign("status", "--config", "gone.toml", folder=tmp_path)
    by_variable = countersign("status", folder=tmp_path, COUNTERSIGN_CONFIG="gone.toml")
    by_both = countersign(
        "status", "--config", "gone.toml", folder=tmp_path, COUNTERSIGN_CONFIG="other.toml"
    )

    assert [one.code for one in (by_option, by_variable, by_both)] == [2, 2, 2]
    assert by_option.said.endswith("hint: check --config\n")
    assert by_variable.said.endswith("hint: check COUNTERSIGN_CONFIG\n")
    assert by_both.said.endswith("hint: check --config\n")
