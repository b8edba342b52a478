//! Statistics for those who may monitor: models' by the Open Inference Protocol's extension, and the node's metrics
//! for Prometheus. Both are reads through door 2, and nobody sees the numbers of a project that is not theirs.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::StatusCode;
use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    changes::running,
    directory::{Directory, ModelRecord},
    identity::Principal,
    policy::{self, Target},
    releases::alias::number,
};
use mantlet_types::{
    Action, Code, ModelName, ProjectId, Rejection, Resource, Version, VersionRef,
    entry::{Event, Token},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Registry,
};
use serde::Serialize;

use super::{
    call::{Call, Replying},
    llm_metrics::RouteScrape,
    reply,
    statistics::{LATENCY_BOUNDS_US, ModelTotals, RouteTotals, STATUSES, Statistics},
    upstreams::UpstreamScrape,
};
use crate::upstream::{Switchboard, counts::ModelFigures};

/// Whether this caller may see this project's numbers.
fn may_monitor(office: &Office<'_>, project: &ProjectId) -> bool {
    let target = Target::Resource(Resource::Statistics(project.clone()));
    policy::permits(office.caller, Action::Monitor, &target, office.gate.now())
}

/// `GET /v2/models[/{model}[/versions/{version}]]/stats`.
pub(super) fn statistics(call: Call) -> Replying {
    let (statistics, gate) = (Arc::clone(&call.server.statistics), Arc::clone(&call.server.gate));
    call.deed(Event::MonitorRead, &[], move |params, _| {
        let model: Option<ModelName> = params.optional("model")?;
        let version: Option<VersionRef> = params.optional("version")?;
        let directory = &gate.snapshot().directory;
        let version = model.as_ref().zip(version).map(|(model, version)| number(directory, model, &version));
        Ok(ReadStatistics { statistics, model, version })
    })
}

/// Reads the numbers of one model, or of all that the caller may monitor.
pub(super) struct ReadStatistics {
    pub(super) statistics: Arc<Statistics>,
    pub(super) model: Option<ModelName>,
    pub(super) version: Option<Version>,
}

/// The numbers of versions.
#[derive(Serialize)]
pub(super) struct ModelStats {
    pub(super) model_stats: Vec<VersionStats>,
}

#[derive(Serialize)]
pub(super) struct VersionStats {
    pub(super) name: ModelName,
    pub(super) version: String,
    pub(super) last_inference: u64,
    pub(super) inference_count: u64,
    pub(super) execution_count: u64,
    pub(super) inference_stats: InferenceStats,
    batch_stats: [(); 0],
}

#[derive(Serialize)]
pub(super) struct InferenceStats {
    pub(super) success: Duration,
    pub(super) fail: Duration,
}

#[derive(Serialize)]
pub(super) struct Duration {
    pub(super) count: u64,
    pub(super) ns: u64,
}

impl VersionStats {
    fn new(name: &ModelName, version: Version, totals: ModelTotals) -> Self {
        Self {
            name: name.clone(),
            version: version.to_string(),
            last_inference: totals.last_ms,
            inference_count: totals.served + totals.fallback + totals.review,
            execution_count: totals.answers,
            inference_stats: InferenceStats {
                success: Duration { count: totals.answers, ns: totals.answers_ns },
                fail: Duration { count: totals.failures, ns: totals.failures_ns },
            },
            batch_stats: [],
        }
    }
}

impl Deed for ReadStatistics {
    type Reply = ModelStats;

    fn event(&self) -> Event {
        Event::MonitorRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Some(model) = &self.model else { return Ok(Claims::PerItem) };
        // A model that does not exist is asked about like one of the home project's: who may not read statistics learns
        // the same either way.
        let project = match directory.models.get(model) {
            Some(record) => record.project.clone(),
            None => "home".parse().map_err(|_| Code::NotFound)?,
        };
        Ok(Claims::All(vec![(Action::Monitor, Target::Resource(Resource::Statistics(project)))]))
    }

    fn subject(&self) -> Option<Token> {
        self.model.as_ref().map(|model| Token::of(model.as_str()))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<ModelStats>, Rejection> {
        let directory = &office.snapshot.directory;
        if self.model.as_ref().is_some_and(|model| !directory.models.contains_key(model)) {
            return Err(Code::NotFound.into());
        }
        let asked = directory.models.iter().filter(|(name, record)| match &self.model {
            Some(model) => model == *name,
            None => may_monitor(office, &record.project),
        });
        let mut model_stats = Vec::new();
        for (name, record) in asked {
            // A candidate's numbers are its author's; what is or was live has numbers of its own.
            let known = record
                .versions
                .iter()
                .filter(|(version, kept)| kept.was_live || record.live == Some(**version));
            for (version, _) in
                known.filter(|(version, _)| self.version.is_none_or(|asked| asked == **version))
            {
                model_stats.push(VersionStats::new(
                    name,
                    *version,
                    self.statistics.model_totals(name, *version),
                ));
            }
        }
        if self.version.is_some() && model_stats.is_empty() {
            return Err(Code::NotFound.into());
        }
        Ok(Done::read(ModelStats { model_stats }))
    }
}

/// `GET /metrics`.
pub(super) fn metrics(call: Call) -> Replying {
    let statistics = Arc::clone(&call.server.statistics);
    let switchboard = Arc::clone(&call.server.facilities.switchboard);
    call.deed_shown(
        Event::MonitorRead,
        move |_| Ok(ReadMetrics { statistics, switchboard }),
        |text: String| {
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            Ok(reply::with_body(StatusCode::OK, media, text.into_bytes()))
        },
    )
}

/// Reads the node's metrics.
struct ReadMetrics {
    statistics: Arc<Statistics>,
    switchboard: Arc<Switchboard>,
}

impl Deed for ReadMetrics {
    type Reply = String;

    fn event(&self) -> Event {
        Event::MonitorRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        // The node as a whole belongs to the project that every home has.
        let home: ProjectId = "home".parse().map_err(|_| Code::NotFound)?;
        Ok(Claims::All(vec![(Action::Monitor, Target::Resource(Resource::Statistics(home)))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<String>, Rejection> {
        let directory = &office.snapshot.directory;
        let mut models = self.statistics.models();
        models.retain(|(name, ..)| {
            directory.models.get(name).is_some_and(|record| may_monitor(office, &record.project))
        });
        let scrape = Scrape {
            routes: self
                .statistics
                .routes()
                .map(|(route, totals)| {
                    (route.map_or(["none", "none"], |r| [r.verb.as_str(), r.path]), totals)
                })
                .collect(),
            models,
            pending: pending(office),
            generation: office.snapshot.generation,
            ready: office.gate.is_ready(),
            break_glass: running(directory, office.gate.now()).len(),
        };
        let mut upstreams = self.switchboard.figures();
        for upstream in &mut upstreams {
            upstream.models.retain(|ModelFigures { model: name, version, .. }| {
                let told = |record: &ModelRecord| {
                    let kept = record.versions.get(version).is_some_and(|kept| kept.was_live);
                    (kept || record.live == Some(*version)) && may_monitor(office, &record.project)
                };
                directory.models.get(name).is_some_and(told)
            });
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(scrape));
        registry.register_collector(Box::new(UpstreamScrape(upstreams)));
        let routes = office.snapshot.settings.routes.iter().map(AsRef::as_ref);
        let routes = routes.filter(|route| may_monitor(office, &route.project));
        registry.register_collector(Box::new(RouteScrape::new(office.gate, routes)));
        let mut out = String::new();
        text::encode(&mut out, &registry)
            .map_err(|fmt::Error| Rejection::unavailable("metrics cannot be written"))?;
        Ok(Done::read(out))
    }
}

/// How many rows of each model wait for a person; zero where answers may be held and none waits.
fn pending(office: &Office<'_>) -> BTreeMap<ModelName, i64> {
    let may_hold = office.snapshot.settings.holds.keys().map(|model| (model.clone(), 0));
    let mut pending: BTreeMap<ModelName, i64> = may_hold.collect();
    for item in office.gate.reviews().list(&|item| item.status.is_open(), usize::MAX) {
        if let Some(model) = item.model {
            *pending.entry(model).or_default() += 1;
        }
    }
    let directory = &office.snapshot.directory;
    pending.retain(|name, _| {
        directory.models.get(name).is_some_and(|record| may_monitor(office, &record.project))
    });
    pending
}

/// The numbers of one moment.
#[derive(Debug)]
struct Scrape {
    /// By method and path.
    routes: Vec<([&'static str; 2], RouteTotals)>,
    models: Vec<(ModelName, Version, ModelTotals)>,
    /// Rows that wait for a person.
    pending: BTreeMap<ModelName, i64>,
    generation: u64,
    ready: bool,
    /// People whose leave to stop models is not over.
    break_glass: usize,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(&mut encoder)?;
        self.latencies(&mut encoder)?;
        self.rows(&mut encoder)?;
        self.failures(&mut encoder)?;
        self.pending(&mut encoder)?;
        let gauges = [
            ("mantlet_policy_generation", "Generation of policy and directory", self.generation),
            ("mantlet_break_glass", "People for whom break-glass runs", self.break_glass as u64),
            ("mantlet_ready", "Whether requests are answered", u64::from(self.ready)),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// No exemplars: they would tie a series to a request.
const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

impl Scrape {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("mantlet_requests", "Replies", None, MetricType::Counter)?;
        for ([method, route], totals) in &self.routes {
            for (status, count) in STATUSES.iter().zip(totals.by_status).filter(|(_, count)| *count > 0) {
                let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                let labels = [("method", *method), ("route", *route), ("status", status.as_str())];
                family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "microseconds lose none below 285 years")]
    fn latencies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "mantlet_request_duration_seconds";
        let mut family =
            encoder.encode_descriptor(name, "From headers to reply", None, MetricType::Histogram)?;
        let bounds =
            LATENCY_BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain(std::iter::once(f64::INFINITY));
        for ([method, route], totals) in &self.routes {
            let count = totals.by_latency.iter().sum();
            if count == 0 {
                continue;
            }
            let buckets: Vec<(f64, u64)> = bounds.clone().zip(totals.by_latency).collect();
            family.encode_family(&[("method", *method), ("route", *route)])?.encode_histogram::<NoLabelSet>(
                totals.latency_us as f64 / 1e6,
                count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn rows(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("mantlet_model_rows", "Rows answered", None, MetricType::Counter)?;
        for (model, version, totals) in &self.models {
            let version = version.to_string();
            let outcomes =
                [("served", totals.served), ("fallback", totals.fallback), ("review", totals.review)];
            for (outcome, count) in outcomes {
                let labels = [("model", model.as_str()), ("version", version.as_str()), ("outcome", outcome)];
                family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    fn pending(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "mantlet_reviews_pending";
        let mut family =
            encoder.encode_descriptor(name, "Rows that wait for a person", None, MetricType::Gauge)?;
        for (model, count) in &self.pending {
            family.encode_family(&[("model", model.as_str())])?.encode_gauge(count)?;
        }
        Ok(())
    }

    fn failures(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests that this server failed to answer";
        let mut family =
            encoder.encode_descriptor("mantlet_model_failures", help, None, MetricType::Counter)?;
        for (model, version, totals) in &self.models {
            let version = version.to_string();
            let labels = [("model", model.as_str()), ("version", version.as_str())];
            family.encode_family(&labels)?.encode_counter(&totals.failures, NO_EXEMPLAR)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_open_metrics() {
        let statistics = Statistics::default();
        statistics.replied(super::super::routes::TABLE.first(), 200, std::time::Duration::from_micros(70));
        let totals = ModelTotals { served: 3, failures: 1, ..ModelTotals::default() };
        let scrape = Scrape {
            routes: statistics
                .routes()
                .map(|(r, t)| (r.map_or(["none"; 2], |r| [r.verb.as_str(), r.path]), t))
                .collect(),
            models: vec![("loans".parse().unwrap(), Version::FIRST, totals)],
            pending: BTreeMap::from([("loans".parse().unwrap(), 2)]),
            generation: 4,
            ready: true,
            break_glass: 0,
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(scrape));
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        for line in [
            r#"mantlet_requests_total{method="GET",route="/v2/health/live",status="200"} 1"#,
            r#"mantlet_request_duration_seconds_bucket{le="0.00005",method="GET",route="/v2/health/live"} 0"#,
            r#"mantlet_request_duration_seconds_bucket{le="+Inf",method="GET",route="/v2/health/live"} 1"#,
            r#"mantlet_model_rows_total{model="loans",version="1",outcome="served"} 3"#,
            r#"mantlet_model_failures_total{model="loans",version="1"} 1"#,
            r#"mantlet_reviews_pending{model="loans"} 2"#,
            "mantlet_ready 1",
            "# EOF",
        ] {
            assert!(out.lines().any(|have| have == line), "{line} in\n{out}");
        }
    }
}
