-- Secrets of other people's services, by name; the value is what is sealed.
CREATE TABLE secrets (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
