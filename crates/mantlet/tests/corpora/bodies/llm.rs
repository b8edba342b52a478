//! Prompts for language models, and what upstreams answer: whatever comes, nothing that the protocol does not have is taken.

use mantlet::{
    llm::{read, sse::Parser},
    server::llm::{self, Endpoint},
};
use serde_json::Value;

/// A request; the first byte says to which path.
pub(crate) fn request(data: &[u8]) {
    let Some((path, body)) = data.split_first() else { return };
    let endpoint =
        [Endpoint::Chat, Endpoint::Responses, Endpoint::Text, Endpoint::Embeddings][usize::from(*path % 4)];
    if let Ok((prompt, _)) = llm::read(endpoint, body) {
        // An independent reader finds the same model and whether to stream.
        let said: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(said["model"].as_str(), Some(&*prompt.model));
        assert_eq!(said["stream"] == true, prompt.stream);
        assert!(prompt.turns() > 0 && prompt.body_bytes == body.len());
    }
}

/// An answer of an upstream, whole and as a stream; the first byte says how it is cut.
pub(crate) fn answer(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else { return };
    let _ = (read::completion(body), read::embeddings(body));
    let all = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut parser = Parser::default();
        for piece in pieces {
            parser.feed(piece)?;
        }
        Ok::<Vec<String>, mantlet::llm::sse::Invalid>(std::iter::from_fn(|| parser.take_event()).collect())
    };
    let whole = all(&mut std::iter::once(body));
    let pieces = all(&mut body.chunks(usize::from(*cut) + 1));
    assert_eq!(whole, pieces, "how it is cut shows");
    for data in whole.unwrap_or_default() {
        let _ = read::chunk(&data);
    }
}
