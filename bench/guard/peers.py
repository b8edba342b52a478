"""Peers from PyPI: `python peers.py NAME`, JSON lines in, scores out. Each is asked as its page says, for the score it gives."""

import json
import sys


def nukon_pi_detect():
    from nukon_pi_detect import scan
    return lambda text: scan(text).score


def injectionshield():
    from injectionshield import scan
    return lambda text: scan(text).risk_score


def prompt_injection_shield_py():
    from prompt_injection_shield import scan
    return lambda text: scan(text).score


if __name__ == "__main__":
    score = {"nukon-pi-detect": nukon_pi_detect, "injectionshield": injectionshield,
             "prompt-injection-shield-py": prompt_injection_shield_py}[sys.argv[1]]()
    for line in sys.stdin:
        print(json.dumps({"score": float(score(json.loads(line)["text"]))}))
