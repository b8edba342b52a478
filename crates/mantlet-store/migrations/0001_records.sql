-- Every table has the same shape: a record's name, the record as JSON, and what is sealed under the store's key:
-- the record's secret, if it has one, with an authentication tag over table, name and record.
CREATE TABLE meta      (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE peppers   (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE projects  (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE users     (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE consumers (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE keys      (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE models    (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE grants    (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, sealed BLOB NOT NULL) STRICT;
