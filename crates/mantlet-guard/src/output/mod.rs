//! What answers may carry: leaks, markup, links, schemas, tool calls, personal data and secrets.
