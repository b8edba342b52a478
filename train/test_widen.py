#!/usr/bin/env python3
"""What is promised of the generated rows: the same seed gives the same bytes, texts differ, and no benign text is an attack.

    python train/test_widen.py
"""

import hashlib
import json
import random
import re
import subprocess
import sys
import unittest

import widen
from widening import attacks, documents, encodings, languages

# Written apart from the grammars: whatever these match is an attack, whoever wrote it.
# A gap between two words of one attack does not cross the end of a sentence.
ATTACK = re.compile((
    r"(ignore|disregard|forget|override|bypass|cancel|skip|drop|neglect|set aside|throw away|stop following|do not follow|pay no attention to|erase)\W+(\w+\W+){0,3}(previous|prior|above|earlier|preceding|your|initial|original|existing)"
    r"\W+(\w+\W+){0,2}(instructions?|rules|prompts?|directives|guidelines|commands|orders|context|constraints)"
    r"|(reveal|show me|print|repeat|output|leak|spell out|summarize|translate)\W+(\w+\W+){0,2}(your|the (initial|secret)|everything before)\W+(\w+\W+)?(system prompt|instructions|password|configuration|rules|message)"
    r"|(without|no|ignoring) (any )?(restrictions|ethical|censorship)\W+(now|answer)|(developer|god|unrestricted) mode (enabled|on\b(?! my))|from now on you are|you are no longer|(never|do not|without) (say|apologize|break character)"
    r"|before you (answer|solve)|<\|im_|\[/?INST\]|<INFORMATION>|(important|attention|note|instructions?|notice)\W+(to|for)\W+(the |any )?(assistant|AI|language model|chatbot|LLM)\b"
    r"|if you are (the|an?) (assistant|AI|language model|chatbot)|important message from me|it's \w+, the user|do not tell the user|without asking\.|no longer apply\. |your first words are|begin your answer with").replace(r"\W", r"[^\w.!?\n]"), re.I)


class Widen(unittest.TestCase):
    rows = list(widen.generate(7, 12000))

    def test_equal_seeds_give_equal_rows_in_other_processes(self):
        code = "import json,widen,hashlib;print(hashlib.sha256(json.dumps(list(widen.generate(7,2000))).encode()).hexdigest())"
        other = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": s, "PYTHONPATH": "."}, check=True).stdout.strip() for s in ("1", "2")}
        self.assertEqual(other, {hashlib.sha256(json.dumps(list(widen.generate(7, 2000))).encode()).hexdigest()})
        self.assertNotEqual(next(widen.generate(7, 1)), next(widen.generate(8, 1)))

    def test_the_first_rows_do_not_depend_on_how_many_are_asked_for(self):
        self.assertEqual(list(widen.generate(3, 50)), list(widen.generate(3, 500))[:50])

    def test_no_benign_text_holds_an_attack(self):
        for row in self.rows:
            if row["label"] == "benign":
                self.assertIsNone(ATTACK.search(row["text"]), row)

    def test_the_matcher_sees_attacks_where_they_are(self):
        found = sum(bool(ATTACK.search(r["text"])) for r in self.rows if r["label"] == "injection" and "lang" not in r)
        self.assertGreater(found, 900)

    def test_no_benign_text_of_a_language_joins_verb_and_object_of_its_attacks(self):
        for row in self.rows:
            if row["label"] == "benign" and "lang" in row:
                rules = languages.GRAMMARS[row["lang"]].rules
                self.assertFalse(any(o.lower() in row["text"].lower() for o in rules["o"]) and any(v.strip("，、, ").lower() in row["text"].lower() for v in rules["v"]), row)

    def test_payloads_lie_where_they_are_said_to(self):
        r = random.Random(1)
        for _ in range(2000):
            family, text, start, end = attacks.indirect(r)
            self.assertTrue(0 <= start < end <= len(text), family)
        text, start, end = attacks.embed(r, "PAYLOAD", "one two. three four.")
        self.assertEqual(text[start:end], "PAYLOAD")

    def test_every_family_is_there_and_varied(self):
        by = {}
        for row in self.rows:
            by.setdefault(row["family"], set()).add(row["text"])
        self.assertLessEqual(set(documents.FAMILIES), set(by))
        self.assertEqual({r.get("lang") for r in self.rows} - {None}, set(languages.TABLE))
        self.assertEqual(len({r["text"] for r in self.rows}), len(self.rows))
        openings = {f: len({t[:40] for t in texts}) for f, texts in by.items()}
        for family, count in openings.items():
            self.assertGreater(count, min(30, len(by[family]) // 4), family)

    def test_short_documents_are_benign_as_often_as_not(self):
        short = [r["label"] for r in self.rows if r["channel"] == "document" and len(r["text"]) < 120]
        self.assertGreater(short.count("benign") / len(short), 0.6)

    def test_encodings_decode(self):
        import base64
        self.assertEqual(base64.b64decode(encodings.ENCODINGS["base64"]("a b")), b"a b")
        self.assertEqual(encodings.ENCODINGS["rot13"](encodings.ENCODINGS["rot13"]("Abc")), "Abc")
        self.assertEqual(encodings.ENCODINGS["morse"]("sos 1"), "... --- ... / .----")


if __name__ == "__main__":
    unittest.main()
