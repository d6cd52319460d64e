"""`countersign resolve` and `trace`: answers, and where they come from."""

from controller.artifacts.layout import BundleId, files_path
from tests.support.commands import Desk
from tests.support.world import BRANCHES, NEW_RANGE, OLD_RANGE, RANGES


def test_digits_are_resolved_by_the_smallest_range(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    said = desk.run("resolve", "iin", "99010245", "-o", "json")

    assert said.exit_code == 0
    assert said.json["matched"]["iin_start"] == "990100"
    assert said.json["participant"]["id"] == "harbour-bank"
    assert said.json["revision"]["number"] == 1
    assert said.json["revision"]["bundle"] == "card-bin/house-cards@1"


def test_a_value_is_asked_for_in_its_canonical_form(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    said = desk.run("resolve", "bic", "aldrdeffXXX", "-o", "json")

    assert said.json["query"]["value"] == "ALDRDEFF"
    assert said.json["participant"]["id"] == "alder-bank"
    assert [one["id"] for one in said.json["endpoints"]] == ["alder-bank-api"]


def test_a_successor_is_followed_and_said(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    said = desk.run("resolve", "in-ifsc", "MNSN0000009", "-o", "json")

    assert said.json["matched"]["value"] == "MNSN0000001"
    assert said.json["redirected_from"]["value"] == "MNSN0000009"


def test_what_is_scheduled_is_answered_from_its_day_on(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    before = desk.run("resolve", "iin", "990404", "--at", "2026-12-31")
    after = desk.run("resolve", "iin", "990404", "--at", "2027-01-01", "-o", "json")

    assert before.exit_code == 1
    assert "nobody is known as iin 990404" in before.err
    assert after.json["participant"]["id"] == "summit-savings"


def test_a_removed_identifier_is_exit_1_with_its_successor(desk: Desk) -> None:
    start = "monsoon-bank-9,in-ifsc,MNSN0000009,routing,true,in-ifsc,MNSN0000001"
    old, gone = f"{start},,deprecated,,", f"{start},2026-11-01T00:00:00Z,removed,,"
    shop = desk.shop()
    path = f"bundles/{BRANCHES}/files/identifiers.csv"
    shop.publish(add=[gone], drop=[old], path=path, bundle=BRANCHES)
    assert desk.run("reconcile", "--once").exit_code == 0

    said = desk.run("resolve", "in-ifsc", "MNSN0000009")

    assert said.exit_code == 1
    assert "was removed on 2026-11-01T00:00:00Z; its successor is in-ifsc MNSN0000001" in said.err


def test_a_whole_card_number_is_refused_and_never_repeated(desk: Desk) -> None:
    for number in ("4111111111111111", "4111 1111 1111 1111"):
        for scheme in ("iin", "bic"):
            said = desk.run("resolve", scheme, number)

            assert said.exit_code == 2
            assert "1111" not in said.out + said.err


def test_eleven_digits_are_not_a_whole_card_number(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    assert desk.run("resolve", "iin", "99010000000").exit_code == 0


def test_a_row_is_traced_to_its_line_and_its_signers(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    shop = desk.shop()
    commit = shop.publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")

    (row,) = desk.run("trace", "iin", "990600", "-o", "json").json["rows"]

    lines = shop.read(RANGES).decode().splitlines()
    assert (row["file"], lines[row["line"] - 1]) == (RANGES, NEW_RANGE)
    assert (row["bundle"]["bundle"], row["bundle"]["version"]) == ("card-bin/house-cards", 2)
    assert {one["owner"] for one in row["bundle"]["signers"]} == {"alice", "bob"}
    assert row["applied"]["revision"] == 2
    assert row["applied"]["commit"] == commit.hex()
    assert row["applied"]["release"]["serial"] == 2
    assert row["applied"]["audit"]["commit"] == shop.audit_commits()[1].hex()
    assert row["removed"] is None


def test_a_row_of_the_first_release_keeps_its_origin_when_a_later_one_leaves_it(
    desk: Desk,
) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")

    (row,) = desk.run("trace", "iin", "990105", "-o", "json").json["rows"]

    assert (row["bundle"]["version"], row["applied"]["revision"]) == (1, 1)


def test_a_row_that_is_gone_is_traced_to_what_removed_it(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(drop=[OLD_RANGE])
    desk.run("reconcile", "--once")

    said = desk.run("trace", "iin", "990105", "-o", "json")

    (row,) = said.json["rows"]
    assert row["state"] == "gone"
    assert row["removed"]["revision"] == 2
    assert row["bundle"]["version"] == 1
    assert desk.run("resolve", "iin", "990105").exit_code == 1


def test_participants_and_endpoints_are_traced_by_id(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    assert "participants.csv:2" in desk.run("trace", "participant", "harbour-bank").out
    assert "endpoints.csv:" in desk.run("trace", "endpoint", "alder-bank-api").out
    assert desk.run("trace", "participant", "nobody").exit_code == 1


def test_a_key_is_written_as_one_word_or_as_two(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    for words in (("participant", "harbour-bank"), ("participants/harbour-bank",)):
        assert desk.run("trace", *words, "-o", "json").json["query"]["key"] == (
            "participants/harbour-bank"
        )


def test_a_key_of_several_tables_is_answered_with_what_to_type(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    shop = desk.shop()
    endpoint = "harbour-bank,alder-bank,https,,https://x.example/,,,,,20,,,active,,"
    bundle = BundleId("swift-iso20022", "correspondents")
    shop.publish(add=[endpoint], path=f"{files_path(bundle)}/endpoints.csv", bundle=bundle)
    desk.run("reconcile", "--once")

    said = desk.run("trace", "harbour-bank")

    assert said.exit_code == 2
    assert "countersign trace endpoints/harbour-bank" in said.err
    assert desk.run("trace", "endpoints/harbour-bank").exit_code == 0


def test_what_production_served_before_is_shown_with_its_release(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(drop=[OLD_RANGE])
    desk.run("reconcile", "--once")

    then = desk.run("trace", "iin/990105", "--revision", "1", "-o", "json")
    now = desk.run("trace", "iin/990105", "--revision", "2")

    assert then.json["served"]["release"]["serial"] == 1
    assert [row["removed"]["revision"] for row in then.json["rows"]] == [2]
    assert now.exit_code == 1
    assert "was not in production in revision 2" in now.err
    assert desk.run("trace", "iin/990105", "--at", "2020-01-01").exit_code == 2


def test_the_text_tells_a_person_the_owners_the_keys_and_the_command_that_shows_the_line(
    desk: Desk,
) -> None:
    desk.run("reconcile", "--once")
    shop = desk.shop()
    shop.publish(drop=[OLD_RANGE])
    desk.run("reconcile", "--once")

    said = desk.run("trace", "ranges/990105").out

    assert f"alice ({shop.signer('alice').public.id})" in said
    command, _, path = said.partition("git show ")[2].split("\n")[0].partition(":")
    place = said.partition(f"{path}:")[2].split("\n")[0]
    assert shop.git("show", f"{command}:{path}").splitlines()[int(place) - 1] == OLD_RANGE
    assert "  left      revision 2" in said
    assert "  last      " in said


def test_a_number_that_could_be_a_card_is_not_repeated_by_trace_either(desk: Desk) -> None:
    desk.run("reconcile", "--once")

    for key in ("4111111111111111", "participants/4111111111111111", "ranges/4111111111111111"):
        said = desk.run("trace", key)

        assert said.exit_code in {1, 2}
        assert "1111" not in said.out + said.err


def test_nothing_is_answered_before_anything_is_applied(desk: Desk) -> None:
    for command in ("resolve", "trace"):
        said = desk.run(command, "iin", "990100")

        assert said.exit_code == 2
        assert "nothing has been applied" in said.err
