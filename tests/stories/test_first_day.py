"""The first day's page, followed literally: every block, in order, in one shell."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from controller.adapters.embedded import remove
from tests.support.postgres import passable_folder

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "first-day.md"
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="git signs with ssh-keygen")
def test_the_first_day_goes_as_its_page_says() -> None:
    script = "set -euo pipefail\n" + "\n".join(BLOCKS)
    with passable_folder() as folder:
        binaries = Path(sys.executable).parent
        environment = {
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }

        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        remove(folder / "keys" / "state")

    assert len(BLOCKS) == 8
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Kestrel Bank" in done.stdout
