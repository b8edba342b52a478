//! Metrics of routes to language models: how prompts ended, what they took, what the guard said, how upstreams did. The
//! labels are routes and models of the configuration, places of upstreams in it, and words of ours.

use std::fmt;

use mantlet_gate::{
    Gate,
    routes::{
        Breaker, Route,
        meter::{Did, Ended, Totals, VERDICTS},
    },
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

/// The numbers of some routes at one moment.
#[derive(Debug)]
pub(super) struct RouteScrape {
    models: Vec<([String; 2], Totals)>,
    upstreams: Vec<([String; 2], Breaker, [u64; Did::ALL.len()])>,
}

impl RouteScrape {
    /// Of these routes.
    pub(super) fn new<'a>(gate: &Gate, routes: impl Iterator<Item = &'a Route>) -> Self {
        let (mut models, mut upstreams) = (Vec::new(), Vec::new());
        for route in routes {
            let name = || route.name.as_str().to_owned();
            for model in &route.models {
                models.push(([name(), model.as_str().to_owned()], gate.meter().totals(&route.name, model)));
            }
            for (place, upstream) in route.upstreams.iter().enumerate() {
                let calls = gate.meter().calls(&route.name, place);
                upstreams.push(([name(), place.to_string()], upstream.breaker(), calls));
            }
        }
        Self { models, upstreams }
    }

    fn by_word(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        [name, help, label]: [&str; 3],
        counts: impl Fn(&Totals) -> Vec<(&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ([route, model], totals) in &self.models {
            for (word, count) in counts(totals) {
                let labels = [("route", route.as_str()), ("model", model.as_str()), (label, word)];
                family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "millionths lose none below nine billions")]
    fn cost(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What prompts and answers cost, in the currency of the route's prices";
        let mut family = encoder.encode_descriptor("mantlet_route_cost", help, None, MetricType::Counter)?;
        for ([route, model], totals) in &self.models {
            let cost = totals.cost_micros as f64 / 1e6;
            let labels = [("route", route.as_str()), ("model", model.as_str())];
            family.encode_family(&labels)?.encode_counter(&cost, NO_EXEMPLAR)?;
        }
        Ok(())
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls of the route's upstreams, by their place in the configuration and how they ended";
        let name = "mantlet_route_upstream_calls";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for ([route, place], _, calls) in &self.upstreams {
            for (did, count) in Did::ALL.iter().zip(calls) {
                let labels = [("route", route.as_str()), ("upstream", place.as_str()), ("end", did.as_str())];
                family.encode_family(&labels)?.encode_counter(count, NO_EXEMPLAR)?;
            }
        }
        let help = "Whether the upstream is asked: 0 by everybody, 1 by one to try it, 2 by nobody";
        let name = "mantlet_route_upstream_breaker";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for ([route, place], breaker, _) in &self.upstreams {
            let state: i64 = match breaker {
                Breaker::Closed => 0,
                Breaker::HalfOpen => 1,
                Breaker::Open => 2,
            };
            let labels = [("route", route.as_str()), ("upstream", place.as_str())];
            family.encode_family(&labels)?.encode_gauge(&state)?;
        }
        Ok(())
    }
}

impl Collector for RouteScrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if self.models.is_empty() {
            return Ok(());
        }
        let words = ["mantlet_route_prompts", "Prompts by how they ended", "end"];
        self.by_word(&mut encoder, words, |totals| {
            Ended::ALL.iter().zip(totals.ended).map(|(end, count)| (end.as_str(), count)).collect()
        })?;
        let words = ["mantlet_route_guard", "Prompts by what the guard says of them", "verdict"];
        self.by_word(&mut encoder, words, |totals| VERDICTS.into_iter().zip(totals.verdicts).collect())?;
        let words = ["mantlet_route_tokens", "Tokens of prompts (`in`) and answers (`out`)", "direction"];
        self.by_word(&mut encoder, words, |totals| {
            vec![("in", totals.input_tokens), ("out", totals.output_tokens)]
        })?;
        self.cost(&mut encoder)?;
        self.calls(&mut encoder)
    }
}
