-- A row whose cells change finds room in its page: then no index has to be written, and the log
-- holds a page for it instead of four. Pages that are full stay as they are until a table is rebuilt.

ALTER TABLE directory.participant SET (fillfactor = 96);
ALTER TABLE directory.identifier SET (fillfactor = 96);
ALTER TABLE directory.endpoint SET (fillfactor = 96);
ALTER TABLE directory.capability SET (fillfactor = 96);
ALTER TABLE directory.range SET (fillfactor = 96);
ALTER TABLE directory.rule SET (fillfactor = 96);
