"""The baseline: eight regular expressions as tutorials on prompt injection give them. JSON lines in, scores out."""

import json
import re
import sys

PATTERNS = [
    r"ignore\s+(all\s+)?(the\s+)?(previous|prior|above)\s+(instructions|prompts|directions)",
    r"disregard\s+(all\s+)?(the\s+)?(previous|prior|above|your)",
    r"forget\s+(everything|all|your)\s+(instructions|rules|above|previous)?",
    r"you\s+are\s+now\s+(a|an|in)\s+",
    r"(reveal|show|print|repeat)\s+(me\s+)?(your|the)\s+(system\s+)?(prompt|instructions)",
    r"(developer|dan|jailbreak|god)\s+mode",
    r"pretend\s+(to\s+be|you\s+are)",
    r"(<\|im_start\|>|\[INST\]|###\s*system|system\s*:)",
]
COMPILED = [re.compile(pattern, re.IGNORECASE) for pattern in PATTERNS]

for line in sys.stdin:
    text = json.loads(line)["text"]
    print(json.dumps({"score": sum(bool(pattern.search(text)) for pattern in COMPILED) / len(COMPILED)}), flush=False)
