-- What the second person signs, and what waits for one: approvals as they were given, by the digest of their statement;
-- pending changes of policy and requests for break-glass, by number; the custom policies in force, by name.
CREATE TABLE approvals (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE proposals (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE policies  (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
