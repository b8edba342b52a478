//! What the registry knows of a version, as documents that other people's tools read: a bill of materials ([CycloneDX 1.6][cdx],
//! machine learning) and where it came from ([in-toto Statement v1][statement] with [SLSA Provenance v1][slsa]).
//!
//! Both are made of records and digests alone, so that they can be had of a retired version too, and neither says more
//! than the registry has found or been told. They are statements of the registry and not of the author: the package has the
//! author's signature. Unsigned unless somebody signs them where keys are ([`envelope`]); a server holds none.
//!
//! [cdx]: https://cyclonedx.org/docs/1.6/json/
//! [statement]: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
//! [slsa]: https://slsa.dev/spec/v1.0/provenance

use base64::{Engine, engine::general_purpose::STANDARD};
use mantlet_gate::{directory::VersionRecord, releases::facts::Evaluated};
use mantlet_types::{ModelName, ProjectId, Sha256, Timestamp, Version};
use serde_json::{Value, json};

use crate::artifact::{KeyError, SigningKey};

/// The media type of the statement, as envelopes have it.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagedFile {
    /// Its name in the package.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Sha256,
}

/// A version that a document is about.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// The model.
    pub model: &'a ModelName,
    /// The version.
    pub version: Version,
    /// The model's project.
    pub project: &'a ProjectId,
    /// What is recorded of it.
    pub record: &'a VersionRecord,
    /// The package's files.
    pub files: &'a [PackagedFile],
    /// Whose record it is: the audit log's origin, which names home and node.
    pub origin: &'a str,
    /// When the document is made.
    pub now: Timestamp,
}

fn sha256(digest: Sha256) -> Value {
    json!([{ "alg": "SHA-256", "content": digest }])
}

/// A UUID of version 8 (RFC 9562) made of a digest: one artifact has one.
fn serial(digest: Sha256) -> String {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    format!("urn:uuid:{}", parts.join("-"))
}

/// The bill of materials: the model with its figures, its files, and the data that it was trained and evaluated on.
#[must_use]
pub fn bill_of_materials(of: &Described<'_>) -> Value {
    let facts = &of.record.facts;
    let file = |file: &PackagedFile| {
        let name = file.name.as_str();
        json!({ "type": "file", "bom-ref": format!("file:{name}"), "name": name, "hashes": sha256(file.digest) })
    };
    let data = |digest: Sha256, what: &str| {
        json!({
            "type": "data", "bom-ref": format!("data:{digest}"), "name": format!("sha256:{digest}"),
            "hashes": sha256(digest), "data": [{ "type": "dataset", "name": what }],
        })
    };
    let evaluated_on: std::collections::BTreeSet<Sha256> =
        facts.evaluations.iter().map(|evaluated| evaluated.data).collect();
    let components: Vec<Value> = of
        .files
        .iter()
        .map(file)
        .chain(facts.datasets.iter().map(|digest| data(*digest, "training data")))
        .chain(evaluated_on.difference(&facts.datasets).map(|digest| data(*digest, "evaluation data")))
        .collect();
    let refs: Vec<Value> = components.iter().map(|component| component["bom-ref"].clone()).collect();
    let sets: Vec<Value> =
        facts.datasets.iter().map(|digest| json!({ "ref": format!("data:{digest}") })).collect();
    let metrics: Vec<Value> = facts.evaluations.iter().flat_map(metrics).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(of.record.digest),
        "version": 1,
        "metadata": {
            "timestamp": of.now,
            "tools": { "components": [
                { "type": "application", "name": "mantlet", "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": of.model,
                "version": of.version.to_string(),
                "hashes": sha256(of.record.digest),
                "modelCard": {
                    "modelParameters": { "datasets": sets },
                    "quantitativeAnalysis": { "performanceMetrics": metrics },
                },
                "properties": properties(of),
            },
        },
        "components": components,
        "dependencies": [{ "ref": "model", "dependsOn": refs }],
    })
}

/// An evaluation's figures; which table they are about is the slice.
fn metrics(evaluated: &Evaluated) -> impl Iterator<Item = Value> + '_ {
    let table = format!("sha256:{}", evaluated.data);
    evaluated
        .figures
        .iter()
        .map(move |(name, value)| json!({ "type": name, "value": value.to_string(), "slice": table }))
}

/// What CycloneDX has no member for. The hash of the model is that of its signed manifest, which names every file.
fn properties(of: &Described<'_>) -> Value {
    let facts = &of.record.facts;
    let mut properties = Vec::new();
    let mut add = |name: &str, value: String| {
        properties.push(json!({ "name": format!("mantlet:{name}"), "value": value }));
    };
    add("project", of.project.to_string());
    add("author", of.record.author.to_string());
    of.record.data_authors.iter().for_each(|author| add("data_author", author.to_string()));
    add("registered", of.record.registered.to_string());
    if let Some(signer) = facts.signer {
        add("signer", signer.to_string());
    }
    if let Some(profile) = facts.profile {
        add("profile", profile.to_string());
    }
    if let Some(scan) = &facts.scan {
        add("scan", format!("{} by {} at {}", scan.verdict.as_str(), scan.scanner, scan.at));
    }
    if let Some(retired) = &facts.retired {
        add("retired", format!("by {} at {}", retired.by, retired.at));
    }
    properties.into()
}

/// Where a version came from: that this registry took these files at that time, from whom, made of which data. It says
/// nothing of how they were trained, which no registry sees.
#[must_use]
pub fn provenance(of: &Described<'_>) -> Value {
    let facts = &of.record.facts;
    let subject: Vec<Value> = of
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "digest": { "sha256": file.digest } }))
        .collect();
    let data = |digest: &Sha256| json!({ "name": "dataset", "digest": { "sha256": digest } });
    let report = |evaluated: &Evaluated| json!({ "name": "evaluation report", "digest": { "sha256": evaluated.report } });
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:mantlet:registration:1",
                "externalParameters": {
                    "model": of.model, "version": of.version, "project": of.project,
                    "author": of.record.author, "data_authors": of.record.data_authors,
                },
                "internalParameters": { "manifest": of.record.digest, "signer": facts.signer },
                "resolvedDependencies": facts.datasets.iter().map(data).collect::<Vec<_>>(),
            },
            "runDetails": {
                "builder": {
                    "id": format!("urn:mantlet:registry:{}", of.origin),
                    "version": { "mantlet": env!("CARGO_PKG_VERSION") },
                },
                "metadata": {
                    "invocationId": format!("{}@{}", of.model, of.version), "finishedOn": of.record.registered,
                },
                "byproducts": facts.evaluations.iter().map(report).collect::<Vec<_>>(),
            },
        },
    })
}

/// Signs a statement: a [DSSE envelope](https://github.com/secure-systems-lab/dsse/blob/master/envelope.md), with the signature
/// over its pre-authentication encoding.
///
/// # Errors
/// The provider failed.
pub fn envelope(statement: &str, key: &SigningKey) -> Result<Value, KeyError> {
    let (kind, body) = (PAYLOAD_TYPE, statement.as_bytes());
    let mut encoded = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
    encoded.extend_from_slice(body);
    let signature = key.sign(&encoded)?;
    Ok(json!({
        "payloadType": kind,
        "payload": STANDARD.encode(body),
        "signatures": [{ "keyid": key.public().fingerprint(), "sig": STANDARD.encode(signature) }],
    }))
}
