"""Checkpoints: three lines, read in their one form."""

import base64

import pytest

from controller.trust.checkpoint import Checkpoint, MalformedCheckpoint
from controller.trust.transparency import EMPTY_ROOT, SIZE_MAX, leaf_hash

ROOT = leaf_hash(b"record")
TEXT = f"example.org/log\n12\n{base64.b64encode(ROOT).decode()}\n"


def test_a_checkpoint_survives_its_text() -> None:
    checkpoint = Checkpoint.parse(TEXT)

    assert checkpoint == Checkpoint("example.org/log", 12, ROOT)
    assert checkpoint.text() == TEXT


def test_the_checkpoint_of_an_empty_list_has_size_0() -> None:
    assert Checkpoint.parse(Checkpoint("log", 0, EMPTY_ROOT).text()).size == 0


def test_the_example_of_the_standard_is_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    assert Checkpoint.parse(text).size == 20_852_163


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.removesuffix("\n"),
        TEXT + "\n",
        TEXT + "extension\n",
        "\n" + TEXT.partition("\n")[2],
        TEXT.replace("12", "012"),
        TEXT.replace("12", "+12"),
        TEXT.replace("12", "-1"),
        TEXT.replace("12", "1_2"),
        TEXT.replace("12", "١٢"),
        TEXT.replace("12", "9" * 19),
        pytest.param(TEXT.replace("12", "1" * 5000), id="endless-size"),
        TEXT.replace("=", ""),
        TEXT.replace("=", "=="),
        f"log\n12\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"log\n12\n{base64.b64encode(ROOT + b'.').decode()}\n",
        f"log\n12\n{base64.b64encode(ROOT).decode()[:-2]}B=\n",
        "log\n12\n\n",
        "log\n12\né\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        Checkpoint.parse(text)


def test_the_size_of_a_list_has_a_bound() -> None:
    assert Checkpoint.parse(Checkpoint("log", SIZE_MAX, ROOT).text()).size == SIZE_MAX

    with pytest.raises(MalformedCheckpoint):
        Checkpoint.parse(Checkpoint("log", SIZE_MAX + 1, ROOT).text())
