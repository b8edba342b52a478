//! `mantlet guard bench`: how good the guard is on labeled texts, by where they come from.

mod judge;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use mantlet_guard::{Channel, detect::Verdict};
use serde::{Deserialize, Serialize};

use self::judge::{EncoderFigures, judge};
use super::{
    super::{args::GuardBench, exit::Failure, print},
    figures::{Share, auc, threshold},
    mutate,
};

/// One text with what is known of it.
#[derive(Deserialize)]
struct Row {
    text: String,
    label: Label,
    source: String,
    #[serde(default)]
    kind: String,
    channel: Channel,
    #[serde(default)]
    task: Option<String>,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Label {
    Injection,
    Benign,
}

/// Benign texts of this kind look like attacks; they are measured by themselves and set no threshold.
const OVER_DEFENCE: &str = "over-defence";

/// What is printed.
#[derive(Serialize)]
struct Figures {
    fpr: f64,
    channels: BTreeMap<&'static str, ChannelFigures>,
    sources: Vec<SourceFigures>,
    /// The mean recall of sources, each counting alike.
    macro_recall: f64,
    /// What the verdicts say, whose thresholds were set before.
    verdicts: Vec<Verdicts>,
    latency: Vec<Latency>,
    /// Microseconds for 1024 bytes, over all texts.
    us_per_kib: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoder: Option<EncoderFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutation: Option<mutate::Figures>,
}

#[derive(Serialize)]
struct ChannelFigures {
    threshold: Option<f32>,
    benign: usize,
    attacks: usize,
    auc: Option<f64>,
}

#[derive(Serialize)]
struct SourceFigures {
    source: String,
    kind: String,
    channel: &'static str,
    /// `recall` of attacks, or `correct` of benign texts.
    measure: &'static str,
    #[serde(flatten)]
    share: Share,
}

/// How texts of a channel were judged.
#[derive(Serialize)]
struct Verdicts {
    channel: &'static str,
    /// Ordinary benign texts that are called an attack.
    false_attacks: Share,
    /// Ordinary benign texts that are called suspect or worse.
    false_suspects: Share,
    /// Attacks that are called one.
    attacks: Share,
    /// Attacks that are called suspect or worse.
    suspects: Share,
}

/// Time for texts of a length, in microseconds.
#[derive(Serialize)]
struct Latency {
    bytes_up_to: usize,
    texts: usize,
    p50_us: f64,
    p99_us: f64,
}

/// Upper ends of the lengths that latency is told for.
const LENGTHS: [usize; 6] = [128, 512, 1024, 4096, 16384, usize::MAX];

/// Measures and prints.
pub(super) fn run(json: bool, command: &GuardBench) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for path in &command.data {
        read(path, &mut rows)?;
    }
    let mut judged = judge(&rows, command.words_only);
    let mut figures = figures(&rows, &judged.scores, command.fpr);
    figures.verdicts = verdicts(&rows, &judged.verdicts);
    figures.us_per_kib = us_per_kib(&judged.times);
    figures.latency = latency(&mut judged.times);
    figures.encoder = judged.encoder;
    if command.mutate > 0 {
        let limits = |channel| figures.channels.get(name(channel)).and_then(|channel| channel.threshold);
        let caught = rows.iter().zip(&judged.scores).filter(|(row, score)| {
            row.label == Label::Injection && limits(row.channel).is_some_and(|limit| **score >= limit)
        });
        let caught =
            caught.filter_map(|(row, _)| Some((row.text.as_str(), row.channel, limits(row.channel)?)));
        figures.mutation = Some(mutate::search(caught, command.mutate, command.words_only));
    }
    if json { print::json(&figures) } else { told(&figures) }
}

fn read(path: &Path, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let gzip = path.extension().is_some_and(|extension| extension == "gz");
    let input: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line.map_err(|error| unreadable(&error))?;
        let row = serde_json::from_str(&line)
            .map_err(|error| unreadable(&format!("line `{}`: {error}", number + 1)))?;
        rows.push(row);
    }
    Ok(())
}

/// Documents and what tools answered have one threshold.
fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::User => "user",
        Channel::Document | Channel::Tool => "document",
    }
}

fn figures(rows: &[Row], scores: &[f32], fpr: f64) -> Figures {
    let mut channels = BTreeMap::new();
    for channel in ["user", "document"] {
        let of = |wanted: fn(&Row) -> bool| -> Vec<f32> {
            let chosen =
                rows.iter().zip(scores).filter(|(row, _)| name(row.channel) == channel && wanted(row));
            chosen.map(|(_, score)| *score).collect()
        };
        let benign = of(|row| row.label == Label::Benign && row.kind != OVER_DEFENCE);
        let attacks = of(|row| row.label == Label::Injection);
        let limit = threshold(&benign, fpr);
        channels.insert(
            channel,
            ChannelFigures {
                threshold: limit.is_finite().then_some(limit),
                benign: benign.len(),
                attacks: attacks.len(),
                auc: auc(&attacks, &benign),
            },
        );
    }
    let mut groups: BTreeMap<(bool, &str, &str, &'static str), (usize, usize)> = BTreeMap::new();
    for (row, score) in rows.iter().zip(scores) {
        let attack = row.label == Label::Injection;
        let limit = channels.get(name(row.channel)).and_then(|channel| channel.threshold);
        let flagged = limit.is_some_and(|limit| *score >= limit);
        let group = groups.entry((!attack, &row.source, &row.kind, name(row.channel))).or_default();
        group.0 += usize::from(flagged == attack);
        group.1 += 1;
    }
    let sources: Vec<SourceFigures> = groups
        .into_iter()
        .map(|((benign, source, kind, channel), (hits, of))| SourceFigures {
            source: source.to_owned(),
            kind: kind.to_owned(),
            channel,
            measure: if benign { "correct" } else { "recall" },
            share: Share::new(hits, of),
        })
        .collect();
    let recalls: Vec<f64> =
        sources.iter().filter(|source| source.measure == "recall").map(|source| source.share.share).collect();
    #[expect(clippy::cast_precision_loss, reason = "a count of sources")]
    let macro_recall = recalls.iter().sum::<f64>() / recalls.len().max(1) as f64;
    Figures {
        fpr,
        channels,
        sources,
        macro_recall,
        verdicts: Vec::new(),
        latency: Vec::new(),
        us_per_kib: 0.0,
        encoder: None,
        mutation: None,
    }
}

fn verdicts(rows: &[Row], verdicts: &[Verdict]) -> Vec<Verdicts> {
    let share = |channel: &str, attacks: bool, least: Verdict| {
        let of = rows.iter().zip(verdicts).filter(|(row, _)| {
            name(row.channel) == channel
                && (row.label == Label::Injection) == attacks
                && (attacks || row.kind != OVER_DEFENCE)
        });
        let (hits, of) =
            of.fold((0, 0), |(hits, of), (_, verdict)| (hits + usize::from(*verdict >= least), of + 1));
        Share::new(hits, of)
    };
    let told = |channel| Verdicts {
        channel,
        false_attacks: share(channel, false, Verdict::Attack),
        false_suspects: share(channel, false, Verdict::Suspect),
        attacks: share(channel, true, Verdict::Attack),
        suspects: share(channel, true, Verdict::Suspect),
    };
    ["user", "document"].map(told).into()
}

fn us_per_kib(times: &[(usize, f64)]) -> f64 {
    let (bytes, micros) =
        times.iter().fold((0, 0.0), |(bytes, all), (length, time)| (bytes + length, all + time));
    #[expect(clippy::cast_precision_loss, reason = "a length")]
    let kib = bytes as f64 / 1024.0;
    micros / kib.max(f64::MIN_POSITIVE)
}

fn latency(times: &mut [(usize, f64)]) -> Vec<Latency> {
    times.sort_by(|left, right| left.1.total_cmp(&right.1));
    let mut told = Vec::new();
    let mut from = 0;
    for bytes_up_to in LENGTHS {
        let of: Vec<f64> = times
            .iter()
            .filter(|(bytes, _)| *bytes > from && *bytes <= bytes_up_to)
            .map(|(_, time)| *time)
            .collect();
        let at =
            |percent: usize| of.get(of.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
        if !of.is_empty() {
            told.push(Latency { bytes_up_to, texts: of.len(), p50_us: at(50), p99_us: at(99) });
        }
        from = bytes_up_to;
    }
    told
}

/// Figures for people.
fn told(figures: &Figures) -> Result<(), Failure> {
    for (channel, of) in &figures.channels {
        let auc = of.auc.map_or("-".to_owned(), |auc| format!("{auc:.3}"));
        let limit = of.threshold.map_or("-".to_owned(), |limit| format!("{limit:.3}"));
        print::line(format!(
            "{channel}: threshold {limit} at {:.1} % of {} benign texts; AUC {auc} over {} attacks",
            figures.fpr * 100.0,
            of.benign,
            of.attacks
        ))?;
    }
    let rows: Vec<Vec<String>> = figures
        .sources
        .iter()
        .map(|of| {
            let Share { hits, of: total, share, low, high } = of.share;
            vec![
                of.measure.to_owned(),
                of.source.clone(),
                of.kind.clone(),
                of.channel.to_owned(),
                format!("{share:.3}"),
                format!("{low:.3} to {high:.3}"),
                format!("{hits} of {total}"),
            ]
        })
        .collect();
    print::table(&["measure", "source", "kind", "channel", "share", "95 %", "texts"], &rows)?;
    print::line(format!("macro recall {:.3}", figures.macro_recall))?;
    for of in &figures.verdicts {
        let percent = |share: Share| format!("{:.2} % ({} of {})", share.share * 100.0, share.hits, share.of);
        print::line(format!(
            "{}: verdict attack on {} of attacks and {} of benign texts; suspect or worse {} and {}",
            of.channel,
            percent(of.attacks),
            percent(of.false_attacks),
            percent(of.suspects),
            percent(of.false_suspects)
        ))?;
    }
    if let Some(of) = &figures.encoder {
        print::line(format!(
            "encoder asked about {:.1} % of texts; {} windows, {:.2} ms each",
            of.asked.share * 100.0,
            of.windows,
            of.ms_per_window
        ))?;
    }
    print::line(format!("{:.1} us for 1024 bytes over all texts", figures.us_per_kib))?;
    for of in &figures.latency {
        let length = if of.bytes_up_to == usize::MAX {
            "longer".to_owned()
        } else {
            format!("up to {} bytes", of.bytes_up_to)
        };
        print::line(format!(
            "{length}: p50 {:.1} us, p99 {:.1} us ({} texts)",
            of.p50_us, of.p99_us, of.texts
        ))?;
    }
    if let Some(mutation) = &figures.mutation {
        print::line(format!(
            "changed up to {} times: {} of {} detected attacks pass undetected",
            mutation.changes_max, mutation.passed.hits, mutation.passed.of
        ))?;
        for (change, count) in &mutation.last_changes {
            print::line(format!("  {change}: {count}"))?;
        }
    }
    Ok(())
}
