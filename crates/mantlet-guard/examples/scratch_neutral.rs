use std::io::BufRead;
fn main() {
    let (mut n, mut hit, mut bytes) = (0, 0, 0usize);
    let t = std::time::Instant::now();
    let mut shown = std::collections::BTreeMap::<String, usize>::new();
    for line in std::io::stdin().lock().lines() {
        let v: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if std::env::args().nth(1).is_some_and(|l| v["label"].to_string() != l) { continue; }
        let text = v["text"].as_str().unwrap();
        n += 1; bytes += text.len();
        let spans = mantlet_guard::structure::reserved(text);
        if !spans.is_empty() { hit += 1; }
        for s in spans { *shown.entry(text[s.start..s.end].to_owned()).or_default() += 1; }
    }
    let mut v: Vec<_> = shown.into_iter().collect(); v.sort_by_key(|x| std::cmp::Reverse(x.1));
    println!("{n} texts {hit} hit {bytes} bytes {:?}", t.elapsed());
    for (k, c) in v.iter().take(60) { println!("{c} {k:?}"); }
}
