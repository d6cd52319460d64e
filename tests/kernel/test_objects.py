"""Objects: one that is not there says which, and who named it."""

from controller.kernel.objects import MissingObject, Oid

OID = Oid(b"\1" * 20)


def test_a_missing_object_says_which_and_where() -> None:
    error = MissingObject(OID, "bundles/x")

    assert error.oid == OID
    assert str(error) == f"object {OID.hex()} is not in the repository (bundles/x)"
    assert str(MissingObject(OID)) == f"object {OID.hex()} is not in the repository"
