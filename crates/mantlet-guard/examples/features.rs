//! Features of texts for training, from the one implementation that also judges: JSON lines `{"text","channel"}` in.
//!
//! `features grams FILE`: for each line, to the file, little-endian `u32`: the number of words, then for each word where it begins
//! in the original, the number of its n-grams and their places in the table. `features evidence USER DOCUMENT HEADS`: for each line, to standard output, the evidence of
//! the text and of its views as JSON, with these weights. `features scan USER DOCUMENT HEADS` gives the score alone,
//! `features names` the kinds of evidence. `features windows USER DOCUMENT HEADS`: the score, and the windows that the encoder would
//! read wherever it were asked, in the order in which it reads them. `features judge`: the score and the microseconds of what is compiled
//! in, by words alone and with the encoder.

use std::{
    cell::RefCell,
    error::Error,
    fs,
    io::{self, BufRead, BufWriter, Write},
    time::Instant,
};

use mantlet_guard::{
    Channel,
    detect::{Detector, EVIDENCE, Model, Refine, ngrams},
    encoder::Encoder,
    normalize::{Mapped, fold, normalize},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    text: String,
    channel: Channel,
}

/// N-grams by word.
struct Collected<'a> {
    folded: &'a Mapped,
    words: u32,
    pending: Vec<u32>,
    out: Vec<u32>,
}

impl ngrams::Sink for Collected<'_> {
    fn gram(&mut self, place: usize) {
        self.pending.extend(u32::try_from(place));
    }

    fn word(&mut self, start: usize, end: usize) {
        self.words += 1;
        self.out.extend(u32::try_from(self.folded.origin(start..end).start));
        self.out.extend(u32::try_from(self.pending.len()));
        self.out.append(&mut self.pending);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines = io::stdin()
        .lock()
        .lines()
        .map(|line| -> Result<Line, Box<dyn Error>> { Ok(serde_json::from_str(&line?)?) });
    match arguments.as_slice() {
        ["grams", file] => grams(lines, BufWriter::new(fs::File::create(file)?)),
        [what @ ("evidence" | "scan" | "windows"), user, document, heads] => {
            let model = Model::read(&fs::read(user)?, &fs::read(document)?, &fs::read_to_string(heads)?)?;
            let detector = Detector::with_model(model);
            let mut out = BufWriter::new(io::stdout().lock());
            for line in lines {
                let Line { text, channel } = line?;
                match *what {
                    "scan" => serde_json::to_writer(&mut out, &detector.scan(&text, channel).score)?,
                    "windows" => serde_json::to_writer(&mut out, &windows(&detector, &text, channel))?,
                    _ => serde_json::to_writer(&mut out, &detector.measure(&text, channel))?,
                }
                out.write_all(b"\n")?;
            }
            Ok(out.flush()?)
        }
        ["judge"] => {
            let (detector, mut out) = (Detector::embedded(), BufWriter::new(io::stdout().lock()));
            // What is compiled in is read once.
            let _ = (detector.scan("ready", Channel::User).score, Encoder::embedded());
            for line in lines {
                let Line { text, channel } = line?;
                let start = Instant::now();
                let words = detector.scan_with(&text, channel, None, None).score;
                let words_us = start.elapsed().as_secs_f64() * 1e6;
                let start = Instant::now();
                let score = detector.scan(&text, channel).score;
                let us = start.elapsed().as_secs_f64() * 1e6;
                serde_json::to_writer(&mut out, &(words, words_us, score, us))?;
                out.write_all(b"\n")?;
            }
            Ok(out.flush()?)
        }
        ["names"] => Ok(serde_json::to_writer(io::stdout(), &EVIDENCE)?),
        _ => Err("usage: features grams FILE | features evidence|scan|windows USER DOCUMENT HEADS | features judge".into()),
    }
}

/// Reads nothing, and remembers what it was to read.
#[derive(Default)]
struct Recorder(RefCell<Vec<String>>);

impl Refine for Recorder {
    fn asks(&self, _words: f32, _channel: Channel) -> bool {
        true
    }

    fn log_odds(&self, window: &str, _channel: Channel, _task: Option<&str>) -> f32 {
        self.0.borrow_mut().push(window.to_owned());
        0.0
    }

    fn score(&self, words: f32, _log_odds: &[f32], _channel: Channel) -> f32 {
        words
    }
}

/// The score by words alone, and the windows that come next.
fn windows(detector: &Detector, text: &str, channel: Channel) -> (f32, Vec<String>) {
    let recorder = Recorder::default();
    let score = detector.scan_with(text, channel, None, Some(&recorder)).score;
    (score, recorder.0.into_inner())
}

fn grams(
    lines: impl Iterator<Item = Result<Line, Box<dyn Error>>>,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    for line in lines {
        let folded = fold(&normalize(&line?.text).text);
        let mut collected = Collected { folded: &folded, words: 0, pending: Vec::new(), out: Vec::new() };
        ngrams::each(folded.text(), &mut collected);
        out.write_all(&collected.words.to_le_bytes())?;
        for number in &collected.out {
            out.write_all(&number.to_le_bytes())?;
        }
    }
    Ok(out.flush()?)
}
