//! No reserved token of any family is left, for any input; ordinary text is left alone.

use std::sync::LazyLock;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

/// Tokens as makers publish them, compared by their letters alone: an oracle that knows no shapes and no folding.
const TOKENS: &[&str] = &[
    // ChatML, Qwen, InternLM, Yi, Phi-4, gpt-4
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|im_middle|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "<|im_system|>",
    "<|plugin|>",
    "<|interpreter|>",
    // Llama 2, 3, 4
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<unk>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_247|>",
    "<|header_start|>",
    "<|header_end|>",
    "<|eot|>",
    "<|eom|>",
    "<|step_id|>",
    "<|image_start|>",
    "<|image_end|>",
    "<|patch|>",
    "<|tile_x_separator|>",
    "<|image|>",
    // Mistral
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_CALLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CONTENT]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[THINK]",
    "[/THINK]",
    "[ARGS]",
    "[CALL_ID]",
    "[AUDIO]",
    "[BEGIN_AUDIO]",
    "<pad>",
    // Gemma
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<mask>",
    "<unused0>",
    "<unused98>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
    "<audio_soft_token>",
    "<|turn>",
    "<turn|>",
    "<|channel>",
    "<channel|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|\"|>",
    "<loc0123>",
    "<seg001>",
    "<|fim_prefix|>",
    "<|file_separator|>",
    // Phi
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "<|tool|>",
    "<|/tool|>",
    "<|tool_call|>",
    "<|/tool_call|>",
    "<|image_1|>",
    "<|audio_1|>",
    "<|dummy_0|>",
    "<|placeholder1|>",
    // Qwen
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|fim_pad|>",
    // DeepSeek
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜fim▁begin｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁end｜>",
    "<|EOT|>",
    "<｜DSML｜>",
    // Command-R
    "<|START_OF_TURN_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|SYSTEM_TOKEN|>",
    "<|USER_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<BOS_TOKEN>",
    "<EOS_TOKEN>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "<|START_THINKING|>",
    "<|START_ACTION|>",
    "<|START_TOOL_RESULT|>",
    // harmony
    "<|start|>",
    "<|message|>",
    "<|channel|>",
    "<|constrain|>",
    "<|return|>",
    "<|call|>",
    "<|startoftext|>",
    // Zephyr, GLM, Granite, Falcon, EXAONE, Nemotron, T5, MiniMax, Kimi, BERT, Grok, OpenAssistant
    "<|prompter|>",
    "<|observation|>",
    "[gMASK]",
    "[sMASK]",
    "<sop>",
    "<eop>",
    "<|start_of_role|>",
    "<|end_of_role|>",
    ">>QUESTION<<",
    ">>ANSWER<<",
    "[|system|]",
    "[|endofturn|]",
    "<extra_id_0>",
    "<extra_id_1>",
    "<SPECIAL_10>",
    "]~b]",
    "]~!b[",
    "[e~[",
    "[BOS]",
    "[EOS]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "[UNK]",
    "<|separator|>",
    "<|begin_of_sentence|>",
    "<reserved_106>",
    "<seed:bos>",
    "<|tool_declare|>",
    // Fill in the middle, vision
    "<PRE>",
    "<SUF>",
    "<MID>",
    "<EOT>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim-prefix>",
    "<fim-middle>",
    "<fim-suffix>",
    "<image>",
    "<video>",
    "<im_start>",
    "<im_end>",
    "<im_patch>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<fake_token_around_image>",
    "<end_of_utterance>",
    // Vicuna, Alpaca, Claude's first, OpenChat
    "### Instruction:",
    "### Response:",
    "### Input:",
    "### Human:",
    "### Assistant:",
    "### User:",
    "### System:",
    "\n\nHuman:",
    "\n\nAssistant:",
    "ASSISTANT:",
    "USER:",
    "GPT4 Correct User:",
    "GPT4 Correct Assistant:",
    "<function_calls>",
    "</function_calls>",
    "<function=search>",
];

/// What an attentive reader takes a text for: compatibility forms resolved, a handful of unseen characters gone, case kept.
fn read(text: &str) -> String {
    text.nfkc()
        .filter(|character| !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e007f}'))
        .map(|character| if character == '▁' { '_' } else { character })
        .collect()
}

static READ: LazyLock<Vec<String>> = LazyLock::new(|| TOKENS.iter().map(|token| read(token)).collect());

fn assert_neutral(text: &str) {
    let neutral = neutralize(text);
    let seen = read(&neutral);
    for token in READ.iter() {
        let Some(at) = seen.find(token) else { continue };
        // A word with a colon counts at the beginning of a word alone.
        let inside = token.starts_with(char::is_alphabetic)
            && seen[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_');
        assert!(inside, "{token:?} is left of {text:?}: {neutral:?}");
    }
    assert!(reserved(&neutral).is_empty(), "{neutral:?}");
}

#[test]
fn every_published_token_is_neutralized_in_every_disguise() {
    for token in TOKENS {
        let full: String = token
            .chars()
            .map(|character| match character {
                '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).unwrap(),
                other => other,
            })
            .collect();
        let split =
            |unseen: char| -> String { token.chars().flat_map(|character| [character, unseen]).collect() };
        let cyrillic =
            token.replace('a', "а").replace('e', "е").replace('o', "о").replace('s', "ѕ").replace('S', "Ѕ");
        for form in
            [(*token).to_owned(), full, split('\u{200b}'), split('\u{ad}'), split('\u{e0041}'), cyrillic]
        {
            for text in [
                form.clone(),
                format!("before {form} after"),
                format!("a\n\n{form}b"),
                format!("{form}{form}"),
            ] {
                assert!(!reserved(&text).is_empty(), "{text:?}");
                assert_neutral(&text);
            }
        }
    }
}

#[test]
fn shapes_need_no_list() {
    for token in [
        "<|never_seen_before|>",
        "<|a-b.c|>",
        "<|新しい|>",
        "<| im_start |>",
        "< | im_end | >",
        "‹|user|›",
        "<❘system❘>",
        "<|nEw/x|>",
    ] {
        assert!(matches!(neutralize(token), Cow::Owned(_)), "{token}");
        assert_neutral(token);
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "Please summarize the attached report.",
        "if a < b || c > d { return x; }",
        "x |> f |> g",
        "f <| g x |> h",
        "let y = List.map (fun x -> x) <| xs",
        "parser = a <|> b <|> c",
        "<div class=\"user\"><p>Hi <b>there</b></p><br/></div>",
        "[link](https://example.com/a|b) and [1], [see also]",
        "[img]http://example.com/x.png[/img]",
        "std::vector<std::pair<int, int>> v; a >> b << c",
        "cout << name << endl;",
        "### Response\nThe heading of a section, without a colon.",
        "## 3. Results: an overview",
        "The user: Alice. Contact the assistant: Bob.",
        "Humans: a history",
        "Usage: cp [-R] <source> <target>",
        "Größe, naïve, 日本語の文章です。 Ελληνικά и русский текст",
        "|a|b|\n|-|-|\n|1|2|",
        "e-mail <bob@example.com>; see <https://example.com>",
        "git diff HEAD~1 >> out.txt << EOF",
        "P(A|B) = P(B|A)P(A)/P(B); <x|y>",
        "#include <vector>\n#define X 1 // system: linux",
        "🙂👩‍👩‍👧 fine",
    ] {
        assert_eq!(neutralize(text), Cow::Borrowed(text), "{text:?}");
        assert!(matches!(neutralize(text), Cow::Borrowed(_)));
    }
}

#[test]
fn long_hostile_texts_take_linear_time() {
    for piece in ["<|", "<", "[", "#", "### ", ">>", "USER", "<|a", "‹", "\u{200b}<"] {
        let text = piece.repeat(200_000 / piece.len());
        let started = std::time::Instant::now();
        assert_neutral(&text);
        assert!(started.elapsed().as_secs() < 20, "{piece:?}");
    }
}

/// Pieces of tokens, disguises and other things, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let token = proptest::sample::select(TOKENS).prop_flat_map(|token| {
        let count = token.chars().count();
        (0..count, 0..=count)
            .prop_map(move |(from, to)| token.chars().skip(from).take(to).collect::<String>())
    });
    let known = proptest::sample::select(TOKENS).prop_map(str::to_owned);
    let sign = proptest::sample::select(vec![
        "<",
        "|",
        ">",
        "[",
        "]",
        "/",
        "<|",
        "|>",
        "<<",
        ">>",
        "«",
        "»",
        "＜",
        "｜",
        "\u{200b}",
        "\u{ad}",
        " ",
        "\n",
        "\n\n",
        ":",
        "#",
        "###",
        "_",
        "▁",
        "~",
        "⟦",
        "⟧",
        "¤",
        "†",
        "x",
        "s",
        "\u{301}",
        "\u{fe0f}",
        "ＵＳＥＲ：",
    ])
    .prop_map(str::to_owned);
    let any = any::<char>().prop_map(String::from);
    proptest::collection::vec(prop_oneof![2 => known, 3 => token, 4 => sign, 1 => any], 0..14)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_token_is_left_of_any_text(text in pieces()) {
        assert_neutral(&text);
    }

    #[test]
    fn neutral_text_stays_as_it_is(text in pieces()) {
        let once = neutralize(&text).into_owned();
        prop_assert_eq!(neutralize(&once), Cow::Borrowed(once.as_str()));
    }

    #[test]
    fn spans_lie_on_characters(text in pieces()) {
        for span in reserved(&text) {
            prop_assert!(text.get(span.start..span.end).is_some_and(|token| !token.is_empty()));
        }
    }

    #[test]
    fn marks_make_no_token(text in pieces()) {
        let boundary = boundary();
        let neutral = neutralize(&text);
        for form in [Form::Prose, Form::Code] {
            prop_assert!(reserved(&mark(&neutral, form, &boundary)).is_empty());
        }
    }
}
