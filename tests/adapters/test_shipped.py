"""What comes with Countersign is found wherever it was installed from."""

from controller.adapters.shipped import shipped


def test_the_shipped_rails_and_bundles_are_there() -> None:
    assert "card-bin/rail.json" in shipped("policies")
    assert "caip/chains/draft.json" in shipped("bundles")


def test_paths_are_in_order_and_bytes_are_read_once() -> None:
    assert list(shipped("bundles")) == sorted(shipped("bundles"))
    assert shipped("bundles") is shipped("bundles")
