"""Alert rules ask for metrics that exist, lead to a page that says what to do, and are tried."""

import re
import shutil
import subprocess
from dataclasses import dataclass

import pytest

from controller.adapters.apimetrics import ApiMetrics
from controller.adapters.clock import SystemClock
from controller.adapters.metrics import ControllerMetrics
from tests.support.house import ROOT

DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Rule:
    """One alert, as it stands in the file."""

    name: str
    text: str

    @property
    def expression(self) -> str:
        """What it asks, on one line or on several."""
        found = re.search(r"(?ms)^ +expr: (.+?)(?=^ +(?:for|labels):)", self.text)
        assert found is not None
        return found[1]

    def value(self, name: str) -> str:
        """Return a label or an annotation."""
        found = re.search(rf"^ +{name}: (.+)$", self.text, re.MULTILINE)
        assert found is not None, name
        return found[1].strip("'")


def parts(file: str, word: str) -> list[tuple[str, str]]:
    """Return the members of a list of a file of ours, each by its first word."""
    _, *found = re.split(rf"^ +- {word}: ", (DEPLOY / file).read_text(), flags=re.MULTILINE)
    return [(one.partition("\n")[0], one) for one in found]


RULES = [Rule(*one) for one in parts("alerts.rules.yml", "alert")]
TRIED = parts("alerts.test.yml", "name")
PAGE = (ROOT / "docs" / "runbooks" / "alarms.md").read_text()
NAME = re.compile(r"\bcountersign_[a-z_]+")


def shown() -> set[str]:
    """Return the name of every family that a process of ours shows."""
    pages = (ControllerMetrics("1", SystemClock()).exposition(), ApiMetrics("1").exposition())
    text = b"\n".join(pages).decode()
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


def names(expression: str) -> set[str]:
    return set(NAME.findall(expression))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_asks_for_metrics_that_are_shown(rule: Rule) -> None:
    assert names(rule.expression)
    assert names(rule.expression) - shown() == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_alert_leads_to_its_section(rule: Rule) -> None:
    assert rule.value("runbook") == f"docs/runbooks/alarms.md#{rule.name.lower()}"
    assert rule.value("summary").endswith((".", "?"))
    assert f"\n## {rule.name}\n\n`{rule.value('severity')}`. " in PAGE


def test_the_page_speaks_of_no_alert_that_there_is_not() -> None:
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == [rule.name for rule in RULES]


def test_every_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    fires = [re.findall(r"alertname: (\w+)", text) for _, text in TRIED if "exp_labels" in text]

    assert fires == [[rule.name] for rule in RULES]
    for rule in RULES:
        tried = "".join(text for name, text in TRIED if name.partition(",")[0] == rule.name)
        assert 'job="good"' in tried, rule.name


def test_a_metric_that_is_not_shown_is_seen() -> None:
    assert names("countersign_leader == 1 and countersign_nothing > 0") - shown() == {
        "countersign_nothing"
    }


@pytest.mark.parametrize(
    "words",
    [("check", "rules", "alerts.rules.yml"), ("test", "rules", "alerts.test.yml")],
    ids=" ".join,
)
def test_prometheus_itself_agrees_with_every_rule(words: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here; it comes with the Debian package prometheus")
    done = subprocess.run(
        [promtool, *words], cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
