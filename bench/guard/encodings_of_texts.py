"""Fourteen ways to write a text so that a pattern over it finds nothing, and a model still reads it."""

import base64
import codecs
import html
import urllib.parse

MORSE = dict(zip(
    "abcdefghijklmnopqrstuvwxyz0123456789",
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(), strict=True))
LEET = str.maketrans("aeiost", "431057")
LOOK_ALIKES = str.maketrans("aeopcxiA", "аеорсхіА")
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}

ENCODINGS = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of base64": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "URL escapes": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "HTML entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "reversed": lambda text: text[::-1],
    "digits for letters": lambda text: text.translate(LEET),
    "Morse": lambda text: " ".join("/" if letter == " " else MORSE.get(letter, letter) for letter in text.lower()),
    "letters apart": lambda text: " ".join(text),
    "zero-width space": lambda text: "\u200b".join(text),
    "look-alikes": lambda text: text.translate(LOOK_ALIKES),
    "full width": lambda text: text.translate(WIDE),
}
assert len(ENCODINGS) == 14 and urllib.parse.unquote(ENCODINGS["URL escapes"]("aé")) == "aé" and html.unescape(
    ENCODINGS["HTML entities"]("aé")) == "aé"
