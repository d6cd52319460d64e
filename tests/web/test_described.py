"""The server keeps to the page that describes it, asked by a machine that tries to catch it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from controller.web import models
from tests.support.api import Api

EXAMPLES = os.environ.get("API_EXAMPLES", "5")  # noqa: TID251  a flag of `make fuzz`


def test_the_server_keeps_to_its_page(hearing: Api, tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name("schemathesis")
    page = f"http://{hearing.host}:{hearing.port}/openapi.json"
    done = subprocess.run(
        [tool, "run", page, "--max-examples", EXAMPLES, "--no-color", "--continue-on-failure"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6_000:]
    assert "Operations:       10 selected / 10 total" in done.stdout
    assert '"level":"error"' not in hearing.said


@pytest.mark.parametrize(
    ("target", "status", "model"),
    [
        ("/v1/resolve/bic/ALDRDEFF", 200, models.Answer),
        ("/v1/resolve/bic/OLDRDEFF", 200, models.Answer),
        ("/v1/resolve/iin/400012", 200, models.Answer),
        ("/v1/resolve/bic/GONEDEFF", 410, models.Answer),
        ("/v1/resolve/bic/NOBODYXX", 404, models.Problem),
        ("/v1/resolve/iin/1", 400, models.Problem),
        ("/v1/participants/alder-bank", 200, models.ParticipantAnswer),
        ("/v1/changes?since=0&limit=3", 200, models.Changes),
        ("/v1/status", 200, models.Status),
        ("/v1/events", 200, models.Events),
        ("/healthz", 200, models.Alive),
        ("/readyz", 200, models.Ready),
    ],
)
def test_what_is_answered_has_the_members_that_the_page_names(
    api: Api, target: str, status: int, model: type[BaseModel]
) -> None:
    got = api.get(target)

    assert got.status == status
    assert model.model_validate_json(got.body, strict=True)


def test_a_batch_has_the_members_that_the_page_names(api: Api) -> None:
    values = ("ALDRDEFF", "GONEDEFF", "NOBODYXX")
    questions = [{"scheme": "bic", "value": value} for value in values]

    assert models.Answers.model_validate_json(
        api.post("/v1/resolve:batch", {"questions": questions}).body, strict=True
    )
