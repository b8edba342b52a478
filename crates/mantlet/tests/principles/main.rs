//! The principles, tested from outside: the real binary, spoken to over TLS, HTTP and its command line, with the audit
//! log read as evidence.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "whatever a test does not expect ends it; helpers stand outside of what the lints take for tests"
)]

// The harness: homes, servers, people, keys, rows.
mod support;

// The principles.
mod complete_mediation;
mod defence_in_depth;
mod fail_securely;
mod hands;
mod least_privilege;
mod promotion;
mod releases;
mod second_person;
mod secure_defaults;
mod separation_of_duties;

// Every route × method × credential class.
mod names;
mod walk;
mod walk_grpc;

// gRPC: hostile frames, deadlines, cancellation, descriptions.
mod grpc;

// What a model's answers are worth, what is in it, and taking it away.
mod evaluation;

// A new version in the place of the live one: what it would change, who decides, and that nobody's request is lost.
mod signers;
mod swaps;
mod updates;

// What was verified is what is served, whoever writes meanwhile.
mod races;

// What a person is to decide.
mod held_inputs;
mod reviews;
// Secrets of other people's services.
mod secrets;

// Whether what arrives is still what a model was made with.
mod drift;

// What is put before language models.
mod guard_prompts;

// Models that run elsewhere: the same mediation, and what an upstream can do wrong.
mod elsewhere;
mod elsewhere_faults;

// Language models, and what an upstream of theirs can do wrong.
mod budgets;
mod route_reviews;
mod routes;
mod routes_hostile;
mod routes_texts;

// No acknowledged entry is lost, however the process ends.
mod crash;
mod crash_registry;

// Serving can only read what it serves.
mod confined;

// Permissions and networks around a model, from the command line.
mod cloud_proofs;

// Texts for language models, from the command line.
mod scanned_texts;

// The root key is replaced, whatever ends on the way.
mod root_key;

// Starting, reloading, draining; the command line beside a running server; anchors.
mod lifecycle;

// Nothing that was sent, and no key, turns up where it does not belong.
mod canaries;

// Handing a package on without handing out a key.
mod signed_urls;

// Bringing a model in from elsewhere.
mod imports;

// Everybody acts as themselves, from wherever they are.
mod identities;

// Services prove who they are without shared secrets.
mod workloads;

// What scripts rely on: documents, exit codes, messages.
mod commands;
mod terminal;
