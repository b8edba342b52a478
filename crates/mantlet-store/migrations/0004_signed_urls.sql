-- Keys that sign URLs, by id, as far as anything was done about them; and signed URLs for one use that were used, by id.
CREATE TABLE url_keys (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE url_uses (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
