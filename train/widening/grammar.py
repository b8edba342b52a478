"""A context-free grammar with seeded choice, small enough to read at a glance.

Rules map a name to alternatives. In an alternative

    {name}      expands a rule        {name^}   with its first letter upper case
    {name?}     half of the time      {#3-40}   is a number in that range

Everything else is literal, so braces of JSON or code never appear in a rule: they are built by Python around it.
"""

import random
import re

SLOT = re.compile(r"\{(?:#(\d+)-(\d+)|([a-z_0-9]+))([?^]*)\}")
DEPTH_MAX = 24


def words(text):
    """Alternatives written in one string, separated by `|`."""
    return [w.strip() for w in text.split("|")]


class Grammar:
    """Rules, and the one way to speak by them."""

    def __init__(self, *tables):
        self.rules = {}
        for table in tables:
            for name, alternatives in table.items():
                self.rules[name] = words(alternatives) if isinstance(alternatives, str) else list(alternatives)

    def say(self, rng: random.Random, name: str, depth: int = 0) -> str:
        """One expansion of the rule `name`."""
        return self.fill(rng, rng.choice(self.rules[name]), depth)

    def fill(self, rng: random.Random, template: str, depth: int = 0) -> str:
        """`template` with every slot expanded; a missing rule is an error, never an empty text."""
        if depth > DEPTH_MAX:
            raise RecursionError(template)

        def one(slot):
            low, high, name, marks = slot.groups()
            if "?" in marks and rng.random() < 0.5:
                return ""
            text = str(rng.randint(int(low), int(high))) if low else self.say(rng, name, depth + 1)
            return text[:1].upper() + text[1:] if "^" in marks else text

        return tidy(SLOT.sub(one, template))

    def lines(self, rng: random.Random, name: str, low: int, high: int, glue: str = " ") -> str:
        """Between `low` and `high` expansions, distinct where the rule has that many."""
        seen, out = set(), []
        for _ in range(rng.randint(low, high)):
            for _ in range(4):
                text = self.say(rng, name)
                if text not in seen:
                    break
            seen.add(text)
            out.append(text)
        return glue.join(out)


def tidy(text: str) -> str:
    """Takes out the double blanks that empty optional slots leave, but keeps line starts as they are."""
    return re.sub(r"(?<=\S)  +(?=\S)", " ", text)
