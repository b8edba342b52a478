-- A held row: its name; what is known of it without opening it, as JSON; its own key, sealed under the key of all items
-- with `body` authenticated; what was asked, and what was decided, each sealed under its own key.
CREATE TABLE items (
    id       TEXT NOT NULL PRIMARY KEY,
    body     TEXT NOT NULL,
    wrapped  BLOB NOT NULL,
    contents BLOB NOT NULL,
    decision BLOB NOT NULL
) STRICT;
