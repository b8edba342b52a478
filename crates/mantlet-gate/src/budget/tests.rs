//! Accounting, held against a plain list of everything that happened.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use proptest::prelude::*;

use super::*;

const T0: i64 = 1_795_000_000_000_000;

/// A clock that is set.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The clock of a test, and what the gate takes it for.
fn clock() -> (Arc<Set>, Arc<dyn Clock>) {
    let set = Arc::new(Set(AtomicI64::new(T0)));
    (Arc::clone(&set), set)
}

impl Set {
    fn to(&self, moment: Timestamp) {
        self.0.store(moment.micros(), Ordering::SeqCst);
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(T0 + (seconds * 1e6) as i64)
}

fn who(name: &str) -> PrincipalId {
    format!("consumer:{name}").parse().unwrap()
}

fn tokens(input: u64, output: u64) -> Tokens {
    Tokens { input, output }
}

const PRICE: Price = Price { input: 1_000_000, output: 3_000_000 };

fn route() -> RouteName {
    "r".parse().unwrap()
}

fn request(principal: &PrincipalId, each: Allowance, total: Allowance, estimate: Tokens) -> Request<'_> {
    static ROUTE: std::sync::LazyLock<RouteName> = std::sync::LazyLock::new(route);
    Request {
        route: &ROUTE,
        principal,
        own: Allowance::default(),
        each,
        total,
        price: Some(PRICE),
        estimate,
        least: u64::MAX,
        bound: None,
    }
}

#[test]
fn tokens_are_reserved_settled_and_given_back() {
    let budgets = Arc::new(Budgets::default());
    let (set, clock) = clock();
    let (alice, each) = (who("alice"), Allowance { tokens_per_minute: Some(100), ..Allowance::default() });
    let ask = |estimate, now| {
        set.to(now);
        budgets.reserve(&request(&alice, each, Allowance::default(), estimate), &clock)
    };
    let first = ask(tokens(40, 40), at(0.0)).unwrap();
    let refused = ask(tokens(10, 11), at(0.0)).unwrap_err();
    assert_eq!((refused.what, refused.standing.unwrap().remaining), (Metered::TokensPerMinute, 20));
    first.used(tokens(30, 20));
    set.to(at(1.0));
    drop(first);
    let second = ask(tokens(50, 0), at(1.0)).unwrap();
    assert_eq!(ask(tokens(1, 0), at(1.0)).unwrap_err().retry_after.map(|wait| wait.as_secs()), Some(61));
    drop(second);
    assert!(ask(tokens(50, 0), at(2.0)).is_ok(), "it was never sent");
    assert!(ask(tokens(100, 0), at(63.0)).is_ok(), "a minute later");
    assert_eq!(ask(tokens(101, 0), at(200.0)).unwrap_err().retry_after, None, "more than there ever is");
}

#[test]
fn an_answer_that_is_cut_off_is_charged_for_what_of_it_there_was() {
    let budgets = Arc::new(Budgets::default());
    let (set, clock) = clock();
    let (alice, each) = (who("alice"), Allowance { tokens_per_day: Some(100), ..Allowance::default() });
    let ask = |estimate| {
        set.to(at(0.0));
        budgets.reserve(&request(&alice, each, Allowance::default(), estimate), &clock)
    };
    let cut = ask(tokens(10, 80)).unwrap();
    cut.sent();
    cut.used(tokens(10, 5));
    drop(cut);
    assert!(ask(tokens(86, 0)).is_err());
    assert!(ask(tokens(85, 0)).is_ok());
}

#[test]
fn days_end_at_midnight_and_cost_is_of_both_ways() {
    let budgets = Arc::new(Budgets::default());
    let (set, clock) = clock();
    let alice = who("alice");
    let each = Allowance { cost_per_day: Some(100), ..Allowance::default() };
    let ask = |estimate, now| {
        set.to(now);
        budgets.reserve(&request(&alice, each, Allowance::default(), estimate), &clock)
    };
    let spent = ask(tokens(10, 30), at(0.0)).unwrap();
    spent.used(tokens(10, 30));
    assert_eq!(spent.cost_of(spent.taken()), 100);
    drop(spent);
    let refused = ask(tokens(1, 0), at(0.0)).unwrap_err();
    assert_eq!(refused.what, Metered::CostPerDay);
    let midnight = refused.retry_after.unwrap().as_secs_f64();
    assert!(ask(tokens(1, 0), at(midnight - 2.0)).is_err());
    assert!(ask(tokens(1, 0), at(midnight)).is_ok());
    assert!(ask(tokens(99, 0), at(0.0)).is_ok(), "a clock that goes back brings no day back");
}

#[test]
fn requests_and_places_are_counted() {
    let budgets = Arc::new(Budgets::default());
    let (set, clock) = clock();
    let alice = who("alice");
    let each = Allowance { requests_per_minute: Some(3), concurrent: Some(2), ..Allowance::default() };
    let ask = |now| {
        set.to(now);
        budgets.reserve(&request(&alice, each, Allowance::default(), tokens(1, 1)), &clock)
    };
    let (one, two) = (ask(at(0.0)).unwrap(), ask(at(0.0)).unwrap());
    assert_eq!(ask(at(0.0)).unwrap_err().what, Metered::Concurrent);
    drop(one);
    let three = ask(at(0.0)).unwrap();
    drop((two, three));
    let refused = ask(at(10.0)).unwrap_err();
    assert_eq!((refused.what, refused.retry_after.map(|wait| wait.as_secs())), (Metered::Requests, Some(51)));
    assert!(ask(at(61.0)).is_ok());
}

#[test]
fn all_together_have_a_budget_too_and_nobody_is_told_whose_it_was() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let total = Allowance { tokens_per_day: Some(100), ..Allowance::default() };
    let (alice, bob) = (who("alice"), who("bob"));
    let used = budgets.reserve(&request(&alice, Allowance::default(), total, tokens(90, 0)), &clock).unwrap();
    used.used(tokens(90, 0));
    drop(used);
    let refused =
        budgets.reserve(&request(&bob, Allowance::default(), total, tokens(11, 0)), &clock).unwrap_err();
    assert_eq!((refused.what, refused.standing), (Metered::TokensPerDay, None));
    // What was refused by the route's budget is not reserved in the caller's.
    let each = Allowance { tokens_per_day: Some(10), ..Allowance::default() };
    assert!(budgets.reserve(&request(&bob, each, total, tokens(10, 0)), &clock).is_ok());
}

#[test]
fn what_was_used_before_a_restart_counts() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    budgets.restore(&route(), &alice, 90, 0, at(0.0));
    let each = Allowance { tokens_per_day: Some(100), ..Allowance::default() };
    assert!(budgets.reserve(&request(&alice, each, each, tokens(11, 0)), &clock).is_err());
    assert!(budgets.reserve(&request(&alice, each, each, tokens(10, 0)), &clock).is_ok());
    assert_eq!(budgets.standing(&route(), &alice, [each, each], at(5.0)).unwrap().remaining, 10);
}

#[test]
fn an_application_has_one_budget_on_all_routes() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let (alice, other) = (who("alice"), "other".parse().unwrap());
    let own = Allowance { tokens_per_day: Some(100), ..Allowance::default() };
    let here = Request { own, ..request(&alice, Allowance::default(), Allowance::default(), tokens(60, 0)) };
    let spent = budgets.reserve(&here, &clock).unwrap();
    spent.sent();
    drop(spent);
    let there = Request { route: &other, ..here };
    let refused = budgets.reserve(&there, &clock).unwrap_err();
    assert_eq!((refused.what, refused.standing.unwrap().remaining), (Metered::TokensPerDay, 40));
    assert!(budgets.reserve(&Request { estimate: tokens(40, 0), ..there }, &clock).is_ok());
}

#[test]
fn an_answer_of_unknown_length_is_reserved_what_is_left() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    let each = Allowance { tokens_per_minute: Some(50), cost_per_day: Some(100), ..Allowance::default() };
    let open = Request { least: 1, ..request(&alice, each, Allowance::default(), tokens(10, 4_096)) };
    let first = budgets.reserve(&open, &clock).unwrap();
    // 50 - 10 tokens are left, and (100 - 10) / 3 by their cost.
    assert_eq!(first.estimate(), tokens(10, 30));
    assert_eq!(budgets.reserve(&open, &clock).unwrap_err().what, Metered::CostPerDay);
    drop(first);
    let said = Request { least: u64::MAX, ..open.clone() };
    assert!(budgets.reserve(&said, &clock).is_err(), "what is said is reserved");
    let whole = Request { estimate: tokens(50, 4_096), ..open };
    assert!(budgets.reserve(&whole, &clock).is_err(), "an answer has one token at least");
}

#[test]
fn what_an_upstream_may_not_heed_is_reserved_as_far_as_it_fits_and_what_was_said_at_least() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    let each = Allowance { tokens_per_minute: Some(100), ..Allowance::default() };
    let hinted = |least| Request { least, ..request(&alice, each, Allowance::default(), tokens(10, 4_096)) };
    assert_eq!(budgets.reserve(&hinted(20), &clock).unwrap().estimate(), tokens(10, 90));
    assert_eq!(budgets.reserve(&hinted(90), &clock).unwrap().estimate(), tokens(10, 90));
    assert!(budgets.reserve(&hinted(91), &clock).is_err());
}

#[test]
fn what_no_answer_can_have_taken_is_no_count() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    let plain = request(&alice, Allowance::default(), Allowance::default(), tokens(10, 100));
    let bounded = budgets.reserve(&Request { bound: Some(100), ..plain.clone() }, &clock).unwrap();
    let open = budgets.reserve(&plain, &clock).unwrap();
    for reservation in [&bounded, &open] {
        assert!(reservation.is_plausible(tokens(7, 5)) && reservation.is_plausible(tokens(40_000, 20_000)));
        assert!(
            !reservation.is_plausible(tokens(u64::MAX, 5)) && !reservation.is_plausible(tokens(7, u64::MAX))
        );
        assert!(!reservation.is_plausible(tokens(1_000_000, 5)));
    }
    assert!(open.is_plausible(tokens(7, 1_000_000)) && !bounded.is_plausible(tokens(7, 1_000_000)));
}

#[test]
fn what_has_no_price_fits_into_no_budget_of_cost() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    let each = Allowance { cost_per_day: Some(u64::MAX), ..Allowance::default() };
    let request = Request { price: None, ..request(&alice, each, Allowance::default(), tokens(1, 1)) };
    let refused = budgets.reserve(&request, &clock).unwrap_err();
    assert!(refused.unpriced && refused.retry_after.is_none());
    let free = Request { price: Some(Price::default()), ..request };
    assert!(budgets.reserve(&free, &clock).is_ok(), "what is said to cost nothing costs nothing");
}

#[test]
fn whoever_took_a_prompt_and_lost_it_has_taken_it() {
    let budgets = Arc::new(Budgets::default());
    let (_, clock) = clock();
    let alice = who("alice");
    let request = request(&alice, Allowance::default(), Allowance::default(), tokens(10, 20));
    let reservation = budgets.reserve(&request, &clock).unwrap();
    reservation.sent();
    reservation.returned();
    assert_eq!(reservation.taken(), tokens(0, 0));
    reservation.sent();
    reservation.lost();
    reservation.sent();
    assert_eq!(reservation.taken(), tokens(20, 40));
    reservation.used(tokens(7, 5));
    assert_eq!(reservation.taken(), tokens(17, 25));
}

#[test]
fn who_cannot_be_counted_is_not_let_through() {
    let budgets = Arc::new(Budgets { accounts_max: 7, ..Budgets::default() });
    let (set, clock) = clock();
    let ask = |name: &str, now| {
        let who = who(name);
        set.to(now);
        budgets
            .reserve(&request(&who, Allowance::default(), Allowance::default(), tokens(1, 0)), &clock)
            .map(|one| one.sent())
    };
    for name in ["a", "b", "c"] {
        assert!(ask(name, at(0.0)).is_ok());
    }
    assert!(ask("d", at(0.0)).is_err());
    assert!(ask("a", at(0.0)).is_ok());
    assert!(ask("d", at(90_000.0)).is_ok(), "those of yesterday are forgotten");
}

#[test]
fn estimates_are_above_what_tokenizers_count() {
    // Counted with tokenizers that are at hand to everybody: words and signs, of which none makes more than these.
    for (text, least) in [
        ("", 0),
        ("Hello, world!", 4),
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("1234567890", 4),
        ("你好，世界", 5),
        ("Привет мир", 4),
    ] {
        let counted = estimate(text);
        assert!(counted >= least && counted <= text.len() as u64, "{text}: {counted}");
    }
}

proptest! {
    #[test]
    fn a_text_counts_the_same_however_it_is_cut(text in "[a-z .,0-9é漢]{0,60}", at in 0_usize..60) {
        let cut = text.char_indices().map(|(at, _)| at).nth(at).unwrap_or(text.len());
        let mut counter = Counter::default();
        counter.push(&text[..cut]);
        counter.push(&text[cut..]);
        prop_assert_eq!(counter.tokens(), estimate(&text));
    }

    #[test]
    fn no_text_has_more_tokens_than_bytes(text in any::<String>()) {
        prop_assert!(estimate(&text) <= text.len() as u64);
        prop_assert!(estimate(&text) >= (text.len() as u64) / 6);
    }
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks.
    Ask { who: u8, input: u64, output: u64 },
    /// The oldest that is under way ends, having taken so much of its estimate, in percent, or more.
    End { percent: u64 },
    /// The oldest is dropped before it was sent.
    Drop,
    /// Time passes.
    Wait { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..3, 0_u64..60, 0_u64..60).prop_map(|(who, input, output)| Step::Ask { who, input, output }),
        3 => (0_u64..130).prop_map(|percent| Step::End { percent }),
        1 => Just(Step::Drop),
        3 => (0_u64..20_000).prop_map(|millis| Step::Wait { millis }),
        1 => (80_000_000_u64..90_000_000).prop_map(|millis| Step::Wait { millis }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Everything that was taken, as it happened: when, by whom, how many tokens, at what cost.
type Taken = Vec<(Timestamp, u8, u64, u64)>;

/// The most that was taken in any 60 seconds, by anybody in the list.
fn worst_minute(taken: &Taken, of: Option<u8>) -> u64 {
    let mine: Vec<_> = taken.iter().filter(|(_, who, ..)| of.is_none_or(|of| of == *who)).collect();
    let from = |start: Timestamp| {
        let end = start.micros() + 60_000_000;
        mine.iter().filter(|(at, ..)| (start.micros()..end).contains(&at.micros())).map(|taken| taken.2).sum()
    };
    mine.iter().map(|(at, ..)| from(*at)).max().unwrap_or(0)
}

fn worst_day(taken: &Taken, of: Option<u8>) -> (u64, u64) {
    let mut days: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for (at, who, tokens, cost) in taken {
        if of.is_none_or(|of| of == *who) {
            let day = days.entry(at.micros().div_euclid(86_400_000_000)).or_default();
            *day = (day.0 + tokens, day.1 + cost);
        }
    }
    let most = |pick: fn(&(u64, u64)) -> u64| days.values().map(pick).max().unwrap_or(0);
    (most(|day| day.0), most(|day| day.1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_budget_is_exceeded_by_errors_of_estimates_alone(
        steps in steps(), each in 20_u64..300, total in 50_u64..500, places in 1_u64..6,
    ) {
        let budgets = Arc::new(Budgets::default());
        let price = PRICE;
        let mine = Allowance {
            tokens_per_minute: Some(each), tokens_per_day: Some(each * 4), cost_per_day: Some(each * 7),
            concurrent: Some(places), requests_per_minute: None,
        };
        let ours = Allowance { tokens_per_minute: Some(total), tokens_per_day: Some(total * 3), ..Allowance::default() };
        let (set, clock) = clock();
        let mut now = Timestamp::from_micros(T0);
        let mut under_way: std::collections::VecDeque<(u8, Reservation)> = std::collections::VecDeque::new();
        let mut taken: Taken = Vec::new();
        let (mut error, mut cost_error) = (0, 0);
        for step in steps {
            match step {
                Step::Ask { who: number, input, output } => {
                    let principal = who(&format!("app-{number}"));
                    let request = Request { price: Some(price), ..request(&principal, mine, ours, tokens(input, output)) };
                    if let Ok(reservation) = budgets.reserve(&request, &clock) {
                        reservation.sent();
                        under_way.push_back((number, reservation));
                    }
                }
                Step::End { percent } => if let Some((number, reservation)) = under_way.pop_front() {
                    let part = |tokens: u64| tokens * percent / 100;
                    let estimate = reservation.estimate();
                    let used = tokens(part(estimate.input), part(estimate.output));
                    error += used.sum().saturating_sub(estimate.sum());
                    cost_error += price.of(used).saturating_sub(price.of(estimate));
                    reservation.used(used);
                    taken.push((now, number, used.sum(), price.of(used)));
                    drop(reservation);
                },
                Step::Drop => if let Some((number, reservation)) = under_way.pop_front() {
                    reservation.used(Tokens::default());
                    taken.push((now, number, 0, 0));
                    drop(reservation);
                },
                Step::Wait { millis } => {
                    now = Timestamp::from_micros(now.micros() + millis as i64 * 1000);
                    set.to(now);
                }
            }
            for number in 0..3 {
                let running = under_way.iter().filter(|(who, _)| *who == number).count() as u64;
                prop_assert!(running <= places);
            }
        }
        for of in [Some(0), Some(1), Some(2), None] {
            let (minute, day) = if of.is_some() { (each, each * 4) } else { (total, total * 3) };
            prop_assert!(worst_minute(&taken, of) <= minute + error, "{} of {minute}", worst_minute(&taken, of));
            let (tokens_of_day, cost_of_day) = worst_day(&taken, of);
            prop_assert!(tokens_of_day <= day + error);
            if of.is_some() {
                prop_assert!(cost_of_day <= each * 7 + cost_error);
            }
        }
        // Nothing stays reserved once everything has ended.
        drop(under_way);
        set.to(Timestamp::from_micros(now.micros() + 2 * 86_400_000_000));
        for number in 0..3 {
            let principal = who(&format!("app-{number}"));
            let whole = tokens(each.min(total), 0);
            let request = Request { price: Some(price), ..request(&principal, mine, Allowance::default(), whole) };
            prop_assert!(budgets.reserve(&request, &clock).is_ok());
        }
    }
}
