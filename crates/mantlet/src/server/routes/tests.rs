//! The table and the router that is built from it.

use http::Method;

use super::*;

fn check(method: &str, path: &str, expect: &str) {
    let router = Router::new().unwrap();
    let shown = match router.find(&Method::from_bytes(method.as_bytes()).unwrap(), path) {
        Found::Route(route, _) => format!("{} {}", route.verb.as_str(), route.path),
        Found::Methods(methods) => format!("allow {methods}"),
        Found::Nothing => "nothing".to_owned(),
    };
    assert_eq!(shown, expect, "{method} {path}");
}

#[test]
fn requests_find_their_route_or_what_else_there_is() {
    check("GET", "/v2/models/loans", "GET /v2/models/{model}");
    check("HEAD", "/v2/models/loans", "GET /v2/models/{model}");
    check("GET", "/v2/models/stats", "GET /v2/models/stats");
    check("POST", "/v2/models/loans/versions/2/infer", "POST /v2/models/{model}/versions/{version}/infer");
    check("GET", "/v2/models/loans/infer", "allow POST");
    check("OPTIONS", "/v2/models/loans", "allow GET, PUT, HEAD");
    check("TRACE", "/admin/v1/keys", "allow GET, POST, HEAD");
    for path in ["/", "", "/v2/", "/v2//models", "/v3", "/v2/models/a/b/infer", "/v2/models/a/../b/ready"] {
        check("GET", path, "nothing");
    }
}

#[test]
fn every_line_of_the_table_is_reachable_as_itself() {
    let router = Router::new().unwrap();
    for route in TABLE {
        let path = route.path.replace("{model}", "m").replace(['{', '}'], "");
        let method = Method::from_bytes(route.verb.as_str().as_bytes()).unwrap();
        let Found::Route(found, _) = router.find(&method, &path) else { panic!("{path}") };
        assert!(std::ptr::eq(found, route), "{path}");
    }
}

#[test]
fn only_these_pages_are_published() {
    let open: Vec<&str> =
        TABLE.iter().filter(|r| matches!(r.way, Way::Open(_))).map(|route| route.path).collect();
    let rest = ["/v2/health/live", "/v2/health/ready", "/healthz", "/v2"];
    let rpc = [
        "/grpc.health.v1.Health/Check",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
        "/inference.GRPCInferenceService/ServerMetadata",
    ];
    assert_eq!(open, [&rest[..], &rpc].concat());
}
