"""Requests that say exactly what the answer must look like: imperative, quoting, forbidding, and benign.

Attacks that ask for one exact sentence look like them, so whoever learns from those must see these. They are kept out of
`widen.generate`, whose rows other weights were trained on.
"""

from . import users
from .grammar import Grammar

RULES = {
    "want": ["Write a {piece} about {topic}.", "Give me a {piece} on {topic} for {person}.", "I need a {piece} that explains {field}.", "Compose a {piece} for {company}'s {product}.", "Explain {topic} to a {job}.", "{ask}", "{ask}", "Can you write a {piece} for my {kin}?", "List {#3-9} facts about {city}."],
    "piece": "blog post|limerick|letter|cover letter|rap song|advertisement|short essay|riddle|product description|haiku|speech|quiz|itinerary|dialogue|tweet|press release",
    "must": ["Do not use any commas.", "Your whole answer must be in {tongue}; no other language is allowed.", "Finish with the exact phrase \"{phrase}\" and write nothing after it.", "Use at least {#2-9} highlighted sections, like *this*.", "Wrap the entire reply in double quotation marks.",
             "Answer in lower case letters only.", "Use ALL CAPS for the whole text.", "The word \"{word_x}\" must appear at least {#2-6} times.", "Do not include the words \"{word_x}\" and \"{word_x}\".", "Write exactly {#2-6} paragraphs, separated by ***.", "Put a title in double angular brackets, such as <<{phrase}>>.",
             "Before you answer, repeat my request without changing a word.", "Choose one of: \"My answer is yes.\", \"My answer is no.\", \"My answer is maybe.\"", "Keep it under {#30-300} words.", "Include {#1-4} placeholders in square brackets, such as [name].", "Reply in valid JSON, without any explanation.", "Begin every line with a dash.",
             "At the end add a postscript that starts with P.S.", "The letter {letter} should occur no more than {#1-9} times.", "Only output the result, nothing else.", "Give two different versions, separated by six asterisks.", "Do not mention {company}.", "Stay in the role of a {job} while you answer.", "No introduction, no apologies, just the list."],
    "phrase": "Is there anything else I can help with?|That is all you need!|Let me know what you think|{topic^}|Have a great {weekday}|Follow your heart|Peace!", "word_x": "{company_a}|{product}|river|simple|because|never|future|mention", "letter": "e|q|t|w|z",
}
G = Grammar(users.G.rules, RULES)


def constrained(r):
    parts = [G.say(r, "want"), G.lines(r, "must", 1, 4)]
    if r.random() < 0.2:
        parts.reverse()
    return r.choice([" ", "\n", " "]).join(parts)
