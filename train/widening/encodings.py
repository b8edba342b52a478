"""Encodings in which texts are hidden, for the decoded views of the normalizer and for windows that were not decoded."""

import base64
import codecs
import urllib.parse

LEET = str.maketrans("aeiostl", "4310571")
MORSE = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789", ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split()))
ENCODINGS = {
    "base64": lambda t: base64.b64encode(t.encode()).decode(), "base32": lambda t: base64.b32encode(t.encode()).decode(), "hex": lambda t: t.encode().hex(), "url": urllib.parse.quote,
    "rot13": lambda t: codecs.encode(t, "rot13"), "reversed": lambda t: t[::-1], "leet": lambda t: t.lower().translate(LEET), "morse": lambda t: " ".join("/" if c == " " else MORSE.get(c, c) for c in t.lower()),
    "spaced": lambda t: " ".join(t), "zero-width": lambda t: "\u200b".join(t), "tags": lambda t: "".join(chr(0xE0000 + ord(c)) if ord(c) < 128 else c for c in t), "fullwidth": lambda t: "".join(chr(ord(c) + 0xFEE0) if 33 <= ord(c) < 127 else c for c in t),
}
