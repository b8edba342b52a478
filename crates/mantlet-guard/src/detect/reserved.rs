//! Tokens that chat templates reserve, and what imitates the frame of a conversation.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::AhoCorasick;

/// Tokens with which templates of known model families part turns. No text has them by chance.
const TOKENS: [&str; 40] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|channel|>",
    "<|message|>",
    "<|start|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|constrain|>",
    "<|end_of_turn|>",
    "<|startoftext|>",
    "<|endofprompt|>",
    "<|eot|>",
    "<|header_start|>",
    "<|header_end|>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "[system_prompt]",
    "[/system_prompt]",
    "[available_tools]",
    "[tool_calls]",
    "[tool_results]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|start_of_role|>",
    "<|end_of_role|>",
];
/// Frames that are also ordinary markup or headings.
const FRAMES: [&str; 38] = [
    "<system>",
    "</system>",
    "[system]",
    "[/system]",
    "<system_prompt>",
    "</system_prompt>",
    "<admin>",
    "</admin>",
    "<instructions>",
    "</instructions>",
    "<instruction>",
    "</instruction>",
    "<information>",
    "</information>",
    "<important>",
    "</important>",
    "### instruction",
    "### system",
    "### response",
    "### new",
    "## system",
    "# system",
    "{{system",
    "\nsystem:",
    "\nuser:",
    "\nhuman:",
    "\nassistant:",
    "[assistant]",
    "[user]",
    "</user>",
    "<assistant>",
    "</document>",
    "</context>",
    "</data>",
    "-----end",
    "=====end",
    "[end of",
    "<tool_call>",
];

static AUTOMATA: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(TOKENS.iter().chain(&FRAMES)).ok()
});

/// What was found, in bytes of the text that was searched.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Reserved tokens: how many, and the first.
    pub tokens: (u32, Option<Range<usize>>),
    /// Frames: how many, and the first.
    pub frames: (u32, Option<Range<usize>>),
}

/// Finds tokens and frames in a text as it looks, not folded.
#[must_use]
pub(super) fn find(text: &str) -> Found {
    let mut out = Found::default();
    let Some(automaton) = AUTOMATA.as_ref() else { return out };
    for found in automaton.find_iter(text) {
        let tally = if found.pattern().as_usize() < TOKENS.len() { &mut out.tokens } else { &mut out.frames };
        tally.0 += 1;
        tally.1.get_or_insert(found.range());
    }
    out
}
