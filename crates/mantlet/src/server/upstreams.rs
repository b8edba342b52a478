//! Metrics of upstreams: whether they are asked, how that ends, how long it takes, and which models answer there.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::statistics::LATENCY_BOUNDS_US;
use crate::upstream::{
    breaker::State,
    counts::{End, Figures, ModelFigures},
};

/// The numbers of all upstreams at one moment.
#[derive(Debug)]
pub(super) struct UpstreamScrape(pub(super) Vec<Figures>);

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

impl Collector for UpstreamScrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        self.gauges(&mut encoder)?;
        self.calls(&mut encoder)?;
        self.latencies(&mut encoder)
    }
}

/// Where a breaker stands, as a number.
const fn number(state: State) -> i64 {
    match state {
        State::Closed => 0,
        State::HalfOpen => 1,
        State::Open => 2,
    }
}

impl UpstreamScrape {
    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether the upstream is asked: 0 by everybody, 1 by one to try it, 2 by nobody";
        let mut family =
            encoder.encode_descriptor("mantlet_upstream_breaker", help, None, MetricType::Gauge)?;
        for figures in &self.0 {
            let own = [("upstream", figures.upstream.as_str())];
            family.encode_family(&own)?.encode_gauge(&number(figures.state))?;
        }
        let help = "Calls under way";
        let mut family =
            encoder.encode_descriptor("mantlet_upstream_under_way", help, None, MetricType::Gauge)?;
        for figures in &self.0 {
            let under_way = i64::try_from(figures.under_way).unwrap_or(i64::MAX);
            family.encode_family(&[("upstream", figures.upstream.as_str())])?.encode_gauge(&under_way)?;
        }
        let help = "Whether a model answers where it runs";
        self.of_models(encoder, "mantlet_upstream_model_ready", help, |model| i64::from(model.ready))?;
        let help = "Whether a model is asked where it runs: 0 by everybody, 1 by one to try it, 2 by nobody";
        self.of_models(encoder, "mantlet_upstream_model_breaker", help, |model| number(model.state))
    }

    fn of_models(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&ModelFigures) -> i64,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for figures in &self.0 {
            for model in &figures.models {
                let version = model.version.to_string();
                let labels = [
                    ("upstream", figures.upstream.as_str()),
                    ("model", model.model.as_str()),
                    ("version", version.as_str()),
                ];
                family.encode_family(&labels)?.encode_gauge(&value(model))?;
            }
        }
        Ok(())
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls by how they ended; `full` and `open` were not made";
        let mut family =
            encoder.encode_descriptor("mantlet_upstream_calls", help, None, MetricType::Counter)?;
        for figures in &self.0 {
            for (end, count) in End::ALL.iter().zip(figures.ends) {
                let labels = [("upstream", figures.upstream.as_str()), ("end", end.as_str())];
                family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "microseconds lose none below 285 years")]
    fn latencies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "mantlet_upstream_duration_seconds";
        let mut family =
            encoder.encode_descriptor(name, "From question to answer", None, MetricType::Histogram)?;
        let bounds =
            LATENCY_BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain(std::iter::once(f64::INFINITY));
        for figures in &self.0 {
            let buckets: Vec<(f64, u64)> = bounds.clone().zip(figures.by_latency).collect();
            let labels = [("upstream", figures.upstream.as_str())];
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                figures.latency_us as f64 / 1e6,
                figures.by_latency.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}
