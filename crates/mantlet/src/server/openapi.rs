//! The interface in OpenAPI 3.1, generated from the route table: what the router does not know is not in it, and what
//! it knows is.

use std::sync::LazyLock;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
};
use mantlet_types::{Code, Datatype, Rejection, entry::Event};
use serde_json::{Map, Value, json};

use super::{
    call::{Call, Replying},
    reply::Dialect,
    routes::{Protocol, Route, TABLE, Verb, Way},
};

/// The document; the table does not change while the program runs.
static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// `GET /openapi.json`: for everybody whom the gate knows. It says nothing of any model.
pub(super) fn openapi(call: Call) -> Replying {
    call.deed(Event::MonitorRead, &[], |_, _| Ok(ReadInterface))
}

struct ReadInterface;

impl Deed for ReadInterface {
    type Reply = &'static Value;

    fn event(&self) -> Event {
        Event::MonitorRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem) // no item of it is about anything that could be hidden
    }

    async fn act(self, _: &Office<'_>) -> Result<Done<Self::Reply>, Rejection> {
        Ok(Done::read(&DOCUMENT))
    }
}

/// The interface's description.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in TABLE.iter().filter(|route| !route.is_rpc()) {
        let item = paths.entry(template(route.path)).or_insert_with(|| json!({}));
        item[route.verb.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Mantlet", "version": "1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
            "responses": {
                "V2Error": {
                    "description": "not answered",
                    "content": {"application/json": {"schema": reference("V2Error")}},
                },
                "OpenAiError": {
                    "description": "not answered",
                    "content": {"application/json": {"schema": reference("OpenAiError")}},
                },
                "Problem": {
                    "description": "not answered",
                    "content": {"application/problem+json": {"schema": reference("Problem")}},
                },
            },
        },
    })
}

/// The path as OpenAPI writes it, which has no parameter that takes several segments.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses(route),
    });
    let parameters: Vec<Value> = parameters(route.path).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match route.way {
        Way::Open(_) => operation["security"] = json!([]),
        Way::Ask(action, protocol) => {
            operation["x-mantlet-action"] = action.as_str().into();
            let body = match protocol {
                Protocol::Simple => "Predict",
                Protocol::V2 => "Infer",
                Protocol::Explanation => "Explain",
                Protocol::Evaluation | Protocol::Comparison => "Table",
                Protocol::Llm(_) => "Completion",
                Protocol::Grpc => return operation, // described by its proto files instead
            };
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": reference(body)}}});
        }
        Way::Deed(action, _) => {
            operation["x-mantlet-action"] = action.as_str().into();
            if route.verb == Verb::Post {
                operation["requestBody"] =
                    json!({"content": {"application/json": {"schema": {"type": "object"}}}});
            }
        }
    }
    operation
}

/// `post-v1-models-model-predict`: unique because method and path are.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '*']).filter(|word| !word.is_empty());
    std::iter::once(route.verb.as_str().to_lowercase())
        .chain(words.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("-")
}

fn parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let names = names.map(|name| name.trim_start_matches('*'));
    names.map(|name| {
        let schema = match name {
            "version" | "number" => json!({"type": "integer", "minimum": 1}),
            _ => json!({"type": "string", "pattern": "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$"}),
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    })
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    let (media, schema) = match route.way {
        Way::Ask(_, Protocol::Simple) => ("application/json", reference("Prediction")),
        Way::Ask(_, Protocol::V2) => ("application/json", reference("Inference")),
        Way::Ask(_, Protocol::Explanation) => ("application/json", reference("Explanation")),
        Way::Ask(_, Protocol::Evaluation) => ("application/json", reference("Evaluation")),
        Way::Ask(_, Protocol::Comparison) => ("application/json", reference("Comparison")),
        // A stream where the request asks for one.
        Way::Ask(_, Protocol::Llm(_)) => ("application/json", json!({"type": "object"})),
        Way::Ask(_, Protocol::Grpc) => ("application/grpc", json!({})), // described by its proto files instead
        Way::Deed(mantlet_types::Action::Export, _) if route.path.ends_with("/export") => {
            (super::upload::CONTENT_TYPE, json!({"type": "string", "format": "binary"}))
        }
        Way::Deed(mantlet_types::Action::RedeemUrl, _) if !route.path.ends_with("/files") => {
            ("application/octet-stream", json!({"type": "string", "format": "binary"}))
        }
        Way::Deed(..) if route.path == "/admin/v1/reviews/export" => ("text/csv", json!({"type": "string"})),
        Way::Deed(..) if route.path == "/metrics" => {
            ("application/openmetrics-text", json!({"type": "string"}))
        }
        Way::Deed(..) => ("application/json", json!({})),
        Way::Open(_) => ("application/json", json!({"type": "object"})),
    };
    responses.insert("200".into(), json!({"description": "done", "content": {media: {"schema": schema}}}));
    let error = match Dialect::of(route.path) {
        Dialect::V2 => "V2Error",
        Dialect::OpenAi => "OpenAiError",
        Dialect::Problem | Dialect::Grpc => "Problem",
    };
    if let Way::Open(_) = route.way {
        let not_ready = json!({"description": "not ready", "content": {"application/json": {"schema": {"type": "object"}}}});
        responses.insert("503".into(), not_ready);
        return responses.into();
    }
    for code in Code::ALL {
        let refers = json!({"$ref": format!("#/components/responses/{error}")});
        responses.insert(code.http().to_string(), refers);
    }
    responses.into()
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn schemas() -> Value {
    let datatypes: Vec<&str> = Datatype::ALL.iter().map(|datatype| datatype.as_str()).collect();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let scalar = json!({"type": ["number", "string", "boolean", "null"]});
    let parameters =
        json!({"type": "object", "additionalProperties": {"type": ["number", "string", "boolean"]}});
    let shape = json!({"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 8});
    json!({
        "V2Error": {
            "type": "object", "required": ["error"], "properties": {"error": {"type": "string"}},
            "additionalProperties": false,
        },
        "OpenAiError": {
            "type": "object", "required": ["error"], "additionalProperties": false,
            "properties": {"error": {
                "type": "object", "required": ["message", "type", "param", "code"], "additionalProperties": false,
                "properties": {
                    "message": {"type": "string"}, "type": {"type": "string"},
                    "param": {"type": ["string", "null"]}, "code": {"type": "string"},
                },
            }},
        },
        "Completion": {
            "type": "object", "required": ["model"], "description": "a request of OpenAI's protocol",
            "properties": {"model": {"type": "string"}, "stream": {"type": "boolean"}},
        },
        "Problem": {
            "type": "object", "required": ["type", "title", "status", "code", "request_id"],
            "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                "detail": {"type": "string"}, "code": {"enum": codes}, "field": {"type": "string"},
                "request_id": {"type": "string"},
            },
        },
        "Predict": {
            "type": "object", "required": ["features"], "additionalProperties": false,
            "properties": {
                "features": {"anyOf": [
                    {"type": "object", "additionalProperties": scalar},
                    {"type": "array", "minItems": 1, "items": scalar},
                    {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": scalar}},
                    {"type": "array", "minItems": 1, "items": {"type": "array", "items": scalar}},
                ]},
                "options": {"type": "object", "additionalProperties": scalar},
            },
        },
        "Explain": {"anyOf": [reference("Predict"), reference("Infer")]},
        "Explanation": {
            "type": "object",
            "required": ["model_name", "model_version", "result", "confidence", "explanation", "request_id"],
            "properties": {
                "id": {"type": "string"}, "model_name": {"type": "string"}, "model_version": {"type": "string"},
                "result": {"description": "the answer, or the model's fallback"},
                "action": {"type": "string"},
                "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "candidate": {"const": true}, "request_id": {"type": "string"},
                "explanation": {
                    "type": ["object", "null"], "description": "null where the answer is withheld",
                    "required": ["of", "scale", "method", "base_value", "output_value", "attributions", "evaluations"],
                    "properties": {
                        "of": {"type": "string"},
                        "scale": {"enum": ["probability", "log_odds", "score", "value"]},
                        "method": {"enum": ["linear", "tree", "sampling"]},
                        "base_value": {"type": "number"}, "output_value": {"type": "number"},
                        "attributions": {"type": "array", "items": {
                            "type": "object", "required": ["feature", "value", "standard_error"],
                            "properties": {
                                "feature": {"type": "string"}, "value": {"type": "number"},
                                "standard_error": {"type": "number", "minimum": 0},
                            },
                        }},
                        "withheld": {
                            "type": "object", "required": ["features", "value", "standard_error"],
                            "properties": {
                                "features": {"type": "integer", "minimum": 2}, "value": {"type": "number"},
                                "standard_error": {"type": "number", "minimum": 0},
                            },
                        },
                        "evaluations": {"type": "integer", "minimum": 1},
                    },
                },
            },
        },
        "Result": {
            "type": "object", "required": ["result", "confidence"],
            "properties": {
                "result": {"description": "the answer, or the model's fallback"},
                "action": {"type": "string", "description": "there if the answer was withheld: what to do instead"},
                "outcome": {"const": "review"},
                "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
                "interval": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            },
        },
        "Prediction": {
            "type": "object", "required": ["request_id"],
            "properties": {
                "request_id": {"type": "string"},
                "candidate": {"const": true},
                "results": {"type": "array", "items": reference("Result")},
            },
            "anyOf": [{"required": ["results"]}, reference("Result")],
        },
        "Infer": {
            "type": "object", "required": ["inputs"], "additionalProperties": false,
            "properties": {
                "id": {"type": "string", "maxLength": 128},
                "parameters": parameters,
                "inputs": {"type": "array", "items": {
                    "type": "object", "required": ["name", "shape", "datatype", "data"], "additionalProperties": false,
                    "properties": {
                        "name": {"type": "string"}, "shape": shape, "datatype": {"enum": datatypes},
                        "parameters": {"type": "object"}, "data": {"type": "array"},
                    },
                }},
                "outputs": {"type": "array", "items": {
                    "type": "object", "required": ["name"], "additionalProperties": false,
                    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                }},
            },
        },
        "Table": {
            "type": "object", "required": ["columns", "rows"], "additionalProperties": false,
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                "rows": {"type": "array", "minItems": 1, "items": {"type": "array", "items": scalar}},
                "target": {"type": "string", "description": "the column that holds the truth; every evaluation needs one"},
                "slices": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
            },
        },
        "Evaluation": {
            "type": "object", "required": ["format", "model", "digest", "target", "rows", "slices"],
            "properties": {
                "format": {"const": "mantlet.evaluation/1"},
                "classification": {"type": "object"}, "regression": {"type": "object"},
                "slices": {"type": "array", "items": {"type": "object"}},
            },
        },
        "Comparison": {
            "type": "object",
            "required": ["format", "model", "live", "candidate", "rows", "changed", "outcomes"],
            "properties": {
                "format": {"const": "mantlet.comparison/1"},
                "live": {"type": "object"}, "candidate": {"type": "object"}, "changed": {"type": "object"},
                "answers": {"type": "object"}, "values": {"type": "object"}, "truth": {"type": "object"},
            },
        },
        "Inference": {
            "type": "object", "required": ["model_name", "outputs"],
            "properties": {
                "model_name": {"type": "string"}, "model_version": {"type": "string"}, "id": {"type": "string"},
                "parameters": parameters,
                "outputs": {"type": "array", "items": {
                    "type": "object", "required": ["name", "shape", "datatype", "data"],
                    "properties": {
                        "name": {"type": "string"}, "shape": shape, "datatype": {"enum": datatypes},
                        "parameters": parameters, "data": {"type": "array"},
                    },
                }},
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_once_and_only_published_ones_need_no_key() {
        let document = document();
        let mut ids = BTreeSet::new();
        for route in TABLE.iter().filter(|route| !route.is_rpc()) {
            let operation = &document["paths"][template(route.path)][route.verb.as_str().to_lowercase()];
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{}", route.path);
            let open = matches!(route.way, Way::Open(_));
            assert_eq!(operation.get("security").is_some(), open, "{}", route.path);
            assert_eq!(operation.get("x-mantlet-action").is_some(), !open, "{}", route.path);
        }
    }

    #[test]
    fn references_lead_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
