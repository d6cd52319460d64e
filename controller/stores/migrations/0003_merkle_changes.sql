-- A remembered directory may be told as what changed since an earlier one: a few entries instead of
-- a thousand. What was remembered in the older form is a cache and goes.

DELETE FROM controller.merkle_memory;

-- The tree whose record this one changes; a whole record has none.
ALTER TABLE controller.merkle_memory ADD COLUMN base controller.oid;
