//! Bounds on everything that comes from outside, each with the reason for its size.

use std::time::Duration;

/// An identifier: fits a file name, a DNS label with room for a prefix, and an audit entry many times over.
pub const ID_BYTES_MAX: usize = 64;

/// A request body as received. A batch of 1,000 rows of 100 doubles in JSON is 2 MB; images go as binary tensors.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// A request body after decompression. Equal to the plain bound: compression must not buy a larger request.
pub const BODY_DECOMPRESSED_BYTES_MAX: usize = BODY_BYTES_MAX;

/// All request headers together. Common servers allow 8 to 16 KiB; tokens of 8 KiB still fit.
pub const HEADERS_BYTES_MAX: usize = 16 << 10;

/// Number of request headers.
pub const HEADERS_MAX: usize = 64;

/// A request path with its query. The longest route has three names of at most 64 bytes.
pub const PATH_BYTES_MAX: usize = 1 << 10;

/// Nesting of arrays and objects in a JSON body. Tensors have at most eight dimensions; four levels lie around them.
pub const JSON_DEPTH_MAX: usize = 12;

/// The same in a prompt for a language model: schemas of tools are themselves nested, each level of theirs two of JSON's.
pub const PROMPT_DEPTH_MAX: usize = 32;

/// Rows in one request unless the package says less: bounds the work that one authorization buys.
pub const BATCH_ROWS_MAX: usize = 1_000;

/// Elements of all input tensors of one request: 16 MiB of doubles.
pub const ELEMENTS_MAX: usize = 2 << 20;

/// Tensors in one request; the widest one-column-per-input model met has a few hundred.
pub const TENSORS_MAX: usize = 1_024;

/// Dimensions of a tensor.
pub const RANK_MAX: usize = 8;

/// Characters of a text input (MISSION B5).
pub const TEXT_CHARS_MAX: usize = 10_000;

/// Bytes of one categorical value where the profile does not list the categories.
pub const CATEGORY_BYTES_MAX: usize = 256;

/// Features of a model.
pub const FEATURES_MAX: usize = 10_000;

/// Features of a model whose answers are explained: a list of a thousand numbers is no explanation to anybody, and each
/// is a decision of its own.
pub const EXPLAINED_FEATURES_MAX: usize = 1_024;

/// Rows of reference data that explanations compare with. Standard errors fall with their root; a hundred is customary.
pub const BACKGROUND_ROWS_MAX: usize = 100;

/// Evaluations of the model that a sampled explanation makes unless asked otherwise: some 30 orders of 30 features.
pub const EVALUATIONS_DEFAULT: usize = 2_000;

/// The most evaluations for one explanation.
pub const EVALUATIONS_MAX: usize = 100_000;

/// What an exact explanation is charged as, in predictions: it costs some tens of a small model's.
pub const EXACT_EXPLANATION_CHARGE: usize = 10;

/// Open connections. Each idle one costs at most 8 KiB, so all of them fit into 16 MiB.
pub const CONNECTIONS_MAX: usize = 2_048;

/// From the first byte to the end of the TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// From accepting a connection, or the end of the last answer, to complete headers of the next request.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// From complete headers to the last byte of the body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A model's time for one request, waiting for a place in the pool included.
pub const INFERENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// After SIGTERM, for requests under way to end.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// An audit entry. C2SP tlog-tiles allow 65,535; metadata needs far less.
pub const ENTRY_BYTES_MAX: usize = 4 << 10;

/// Entries waiting for the audit writer. Full means 503: nothing is answered that cannot be recorded.
pub const LEDGER_QUEUE_MAX: usize = 4_096;

/// Predictions per minute and principal × model, unless the grant says otherwise (MISSION B6).
pub const RATE_PER_MINUTE_DEFAULT: u32 = 60;

/// Questions of one principal at a time. As many as one HTTP/2 connection has streams; with bodies of the largest size
/// they are half a gigabyte, which no single caller should double by opening more connections.
pub const CONCURRENT_MAX: usize = 64;

/// Administrative requests per minute and principal: scripts that walk a list fit, a loop gone wrong does not.
pub const DEEDS_PER_MINUTE: u32 = 600;

/// Messages per minute and principal that are read and lead to nothing, where they have to be read to know what they ask:
/// a client with a fault or two fits, one that lives on refusals does not.
pub const OPENINGS_IN_VAIN_PER_MINUTE: u32 = 240;

/// Principal × model pairs whose use is remembered at a time. At about 200 bytes each, 13 MB if all are busy at once.
pub const LIMITED_MAX: usize = 1 << 16;

/// Addresses whose failed authentications are remembered at a time; further ones push out others. About 3 MB.
pub const FAILING_ADDRESSES_MAX: usize = 1 << 14;

/// An API key's life unless it is said otherwise, in days.
pub const KEY_DAYS_DEFAULT: u32 = 90;

/// An API key's longest life in days: what nobody renews for a year, nobody needs.
pub const KEY_DAYS_MAX: u32 = 365;

/// From so many days before its end, a key's listing warns.
pub const KEY_WARNING_DAYS: i64 = 14;

/// How long a replaced key stays valid unless it is said otherwise, in hours: one night's deployment.
pub const KEY_OVERLAP_HOURS_DEFAULT: u32 = 24;

/// The longest overlap of a key with its replacement, in hours: a week.
pub const KEY_OVERLAP_HOURS_MAX: u32 = 7 * 24;

/// Secrets of one owner that are valid at the same time: the old and the new one of a rotation.
pub const KEYS_ACTIVE_MAX: usize = 2;

/// Identities of one application: a few environments, each with a certificate and a token.
pub const IDENTITIES_MAX: usize = 64;

/// A token as it is sent. Most have 1 KiB; those that list somebody's groups have more.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// From its making to its end, and from now to its end: a token that lives longer is a key without a revocation.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How far an issuer's clock and ours may be apart (RFC 7519, section 4.1.4: "no more than a few minutes").
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(60);

/// How old an issuer's keys may get without anybody being able to fetch them again; then nothing that it signed counts.
pub const ISSUER_KEYS_STALE: Duration = Duration::from_secs(3_600);

/// An issuer's key set. Large issuers have some ten keys of 2 KiB, certificates included.
pub const JWKS_BYTES_MAX: usize = 128 << 10;

/// Keys of one issuer.
pub const ISSUER_KEYS_MAX: usize = 64;

/// Tokens of one issuer that are remembered as verified; further ones are verified each time.
pub const TOKENS_VERIFIED_MAX: usize = 4_096;

/// Tokens of one issuer that are remembered because their signature failed, so that showing one again costs no verification.
/// Beyond that all are forgotten: whoever makes new ones all the time is slowed by their address' failures.
pub const TOKENS_FAILED_MAX: usize = 4_096;

/// Identities that were taken from an application and are still named by its list; the oldest go first.
pub const IDENTITIES_REMOVED_MAX: usize = 64;

/// Networks that one key may be tied to.
pub const KEY_NETWORKS_MAX: usize = 32;

/// Rows of one evaluation. In JSON a row of thirty numbers takes some 300 bytes, so that most bodies end before this.
pub const EVALUATED_ROWS_MAX: usize = 100_000;

/// Rows that one principal may have evaluated on one model in a minute. An allowance of its own: an evaluation takes
/// hundreds of rows and tells of them together, where the limit of predictions is about answers one by one.
pub const EVALUATED_ROWS_PER_MINUTE: u32 = 100_000;

/// Rows of an evaluation that run at once; between two such batches others have their turn in the pool.
pub const EVALUATED_BATCH_ROWS: usize = 256;

/// From the first batch of an evaluation to its report, waiting included.
pub const EVALUATION_TIMEOUT: Duration = Duration::from_secs(120);

/// Days for which a held answer and what was asked are kept; a configuration can say less.
pub const REVIEW_DAYS_MAX: u32 = 7;

/// Answers of one principal that wait for a person at a time, unless the configuration says otherwise: more than that
/// nobody looks at in a day.
pub const REVIEWS_PENDING_DEFAULT: usize = 100;

/// Held answers that are kept at a time, decided ones included. Their names take some 5 MB of memory.
pub const REVIEWS_MAX: usize = 10_000;

/// What is kept of one held row: an image of 256 × 256 × 3 numbers in FP32 fits as JSON, a page of text many times.
pub const REVIEW_BYTES_MAX: usize = 2 << 20;

/// Elements of a request up to which the rows to hold are chosen on the thread that serves it: written as JSON they take
/// some 0.1 ms, which is what handing over costs. Larger batches go to the pool.
pub const HELD_INLINE_ELEMENTS_MAX: usize = 1_024;

/// Bytes of held rows that are sealed before others get their turn on the thread: some 0.2 ms.
pub const HELD_SEALED_AT_ONCE: usize = 256 << 10;

/// What is kept of all held rows together, on the disk.
pub const REVIEWS_BYTES_MAX: usize = 1 << 30;

/// Characters of the reason for a decision.
pub const REVIEW_REASON_CHARS_MAX: usize = 1_000;

/// Held answers in one listing: more than a person looks through, and as many decisions as take some 20 ms.
pub const REVIEWS_LISTED_MAX: usize = 1_000;

/// Labelled rows that leave at once, in bytes of CSV: what a command takes.
pub const REVIEW_EXPORT_BYTES_MAX: usize = 32 << 20;

/// Columns by which one evaluation is sliced.
pub const SLICES_MAX: usize = 8;

/// A signed URL's life unless it is said otherwise, in seconds: time to hand it on and to fetch a package.
pub const URL_SECONDS_DEFAULT: u32 = 15 * 60;

/// A signed URL's longest life, in minutes. Whoever has the URL has the package: what takes longer is a role's business.
pub const URL_MINUTES_MAX: u32 = 60;

/// The longest life of a URL that a bucket's own credential signs, in seconds: seven days, as Amazon and Google have it.
pub const PRESIGNED_SECONDS_MAX: u32 = 7 * 86_400;

/// Answers to signed URLs of one principal a minute: a download in parts fits. Apart from what the person does in person,
/// so that who has a URL of theirs cannot keep them out.
pub const REDEMPTIONS_PER_MINUTE: u32 = 600;

/// Signed URLs for one use that were used and are remembered as that, at a time; some 200 bytes each.
pub const URL_USES_MAX: usize = 10_000;

/// Bytes of one secret of somebody else's service. Keys of providers have some 200; a private key with its chain of
/// certificates fits.
pub const SECRET_BYTES_MAX: usize = 16 << 10;
