"""Write docs/threat-model.md: `python -m tests.support.write_threat_model`."""

from tests.support.house import ROOT
from tests.support.threat_page import threat_page
from tests.support.threats import catalogue, marked

if __name__ == "__main__":
    (ROOT / "docs" / "threat-model.md").write_text(threat_page(catalogue(), marked()))
