"""Write docs/rules.md from the shipped rails: `python -m tests.support.write_rules_page`."""

from controller.policy.rules_page import rules_page
from tests.support.policies import POLICIES, shipped

if __name__ == "__main__":
    (POLICIES.parent / "docs" / "rules.md").write_text(rules_page(shipped().values()))
