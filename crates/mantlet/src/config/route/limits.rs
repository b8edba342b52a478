//! `[route.limits]`: what may be used on a route, by each application and by all together, and what its models cost.

use std::collections::BTreeMap;

use mantlet_gate::budget::{Allowance, Budget, Price, RouteLimits};
use mantlet_types::entry::Token;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    file::{Given, Source},
    resolve::Resolver,
};

/// The keys of a `[route.limits]`.
pub(in crate::config) const LIMIT_KEYS: [&str; 8] = [
    "requests_per_minute",
    "concurrent",
    "tokens_per_minute",
    "tokens_per_day",
    "cost_per_day",
    "total",
    "prices",
    "answer_tokens",
];

/// Millionths of the currency.
const MICROS: f64 = 1e6;

/// The most that a day or a million tokens may cost: beyond it something was mistyped.
const COST_MAX: f64 = 1e8;

/// `[route.limits]` as typed: bounds are those of each application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsSection {
    requests_per_minute: Option<Given<i64>>,
    concurrent: Option<Given<i64>>,
    tokens_per_minute: Option<Given<i64>>,
    tokens_per_day: Option<Given<i64>>,
    cost_per_day: Option<Given<f64>>,
    total: AllowanceSection,
    prices: BTreeMap<String, PriceSection>,
    answer_tokens: Option<Given<i64>>,
}

/// `[route.limits.total]` as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AllowanceSection {
    requests_per_minute: Option<Given<i64>>,
    concurrent: Option<Given<i64>>,
    tokens_per_minute: Option<Given<i64>>,
    tokens_per_day: Option<Given<i64>>,
    cost_per_day: Option<Given<f64>>,
}

/// What a million tokens cost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceSection {
    input: Given<f64>,
    output: Given<f64>,
}

impl LimitsSection {
    fn each(&self) -> AllowanceSection {
        let Self { requests_per_minute, concurrent, tokens_per_minute, tokens_per_day, cost_per_day, .. } =
            self.clone();
        AllowanceSection { requests_per_minute, concurrent, tokens_per_minute, tokens_per_day, cost_per_day }
    }
}

impl Resolver<'_> {
    pub(super) fn route_limits(&mut self, typed: &LimitsSection, models: &[Token]) -> RouteLimits {
        let mut prices = BTreeMap::new();
        for (name, price) in &typed.prices {
            let Some(model) = models.iter().find(|model| model.as_str() == name) else {
                let message = "`route.limits.prices` names a model that the route does not list";
                self.fail(&price.input.source, message, "add it to `models`");
                continue;
            };
            let input = self.cost("route.limits.prices", &price.input, 0.0);
            let output = self.cost("route.limits.prices", &price.output, 0.0);
            prices.insert(model.clone(), Price { input, output });
        }
        let priced = models.iter().all(|model| prices.contains_key(model));
        let each = self.allowance("route.limits", &typed.each(), priced);
        let total = self.allowance("route.limits.total", &typed.total, priced);
        let key = "route.limits.answer_tokens";
        let answer_tokens = self.count(key, typed.answer_tokens.as_ref());
        let answer_tokens = answer_tokens.unwrap_or(RouteLimits::ANSWER_TOKENS);
        RouteLimits { each, total, prices, answer_tokens }
    }

    fn allowance(&mut self, section: &str, typed: &AllowanceSection, priced: bool) -> Allowance {
        let count = |this: &mut Self, key: &str, typed: &Option<Given<i64>>| {
            this.count(&format!("{section}.{key}"), typed.as_ref())
        };
        if let (Some(cost), false) = (&typed.cost_per_day, priced) {
            let message = format!("`{section}.cost_per_day` without a price for each of the route's models");
            let hint = "add `[route.limits.prices]`: `\"MODEL\" = { input = …, output = … }` for a million tokens, 0 for \
                        what costs nothing";
            self.fail(&cost.source, message, hint);
        }
        let cost = |typed: &Given<f64>| self.cost(&format!("{section}.cost_per_day"), typed, 1.0 / MICROS);
        let cost_per_day = typed.cost_per_day.as_ref().map(cost);
        Allowance {
            requests_per_minute: count(self, "requests_per_minute", &typed.requests_per_minute),
            concurrent: count(self, "concurrent", &typed.concurrent),
            tokens_per_minute: count(self, "tokens_per_minute", &typed.tokens_per_minute),
            tokens_per_day: count(self, "tokens_per_day", &typed.tokens_per_day),
            cost_per_day,
        }
    }

    /// A number of prompts or tokens.
    fn count(&mut self, key: &str, typed: Option<&Given<i64>>) -> Option<u64> {
        let typed = typed?;
        match u64::try_from(typed.value) {
            Ok(value) if (1..=Budget::MOST).contains(&value) => Some(value),
            _ => {
                let hint = format!("a whole number from 1 to {}", Budget::MOST);
                self.fail(&typed.source, format!("`{key}` is out of range"), hint);
                Some(1)
            }
        }
    }

    /// An amount of money, in millionths.
    fn cost(&mut self, key: &str, typed: &Given<f64>, least: f64) -> u64 {
        if (least..=COST_MAX).contains(&typed.value) {
            return micros(typed.value);
        }
        self.out_of_range(key, &typed.source)
    }

    fn out_of_range(&mut self, key: &str, source: &Source) -> u64 {
        let hint = format!("an amount such as `0.15`, up to {COST_MAX}");
        self.fail(source, format!("`{key}` is out of range"), hint);
        0
    }
}

/// An amount within the bounds above in millionths, to the nearest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and below 2^53")]
fn micros(amount: f64) -> u64 {
    (amount * MICROS).round() as u64
}

/// As `config check` shows it.
pub(super) fn shown(limits: &RouteLimits) -> Value {
    let RouteLimits { each, total, prices, answer_tokens } = limits;
    let money = |micros: u64| Value::from(micros as f64 / MICROS);
    let allowance = |allowance: &Allowance| {
        json!({
            "requests_per_minute": allowance.requests_per_minute,
            "concurrent": allowance.concurrent,
            "tokens_per_minute": allowance.tokens_per_minute,
            "tokens_per_day": allowance.tokens_per_day,
            "cost_per_day": allowance.cost_per_day.map(money),
        })
    };
    let price = |price: &Price| json!({ "input": money(price.input), "output": money(price.output) });
    let prices: BTreeMap<&str, Value> =
        prices.iter().map(|(model, of)| (model.as_str(), price(of))).collect();
    json!({
        "each": allowance(each),
        "total": allowance(total),
        "prices": prices,
        "answer_tokens": answer_tokens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_kept_to_the_millionth() {
        for (amount, expect) in
            [(0.0, 0), (0.15, 150_000), (0.000_001, 1), (2.5, 2_500_000), (1e8, 100_000_000_000_000)]
        {
            assert_eq!(micros(amount), expect, "{amount}");
        }
    }
}
