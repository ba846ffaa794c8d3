"""Runs calls of `sg-python-api` in its environment. `SgPythonApi` starts it.

Reads one JSON object from each line of input, and writes one for each:

{"client": the arguments of Shotgun, "method", "arguments"} -> {"value"} or {"error", "message"}
"""

from __future__ import annotations

import json
import sys

from shotgun_api3.shotgun import Shotgun

for line in sys.stdin:
    sent = json.loads(line)
    try:
        client = Shotgun(**sent["client"])
        result = {"value": getattr(client, sent["method"])(*sent["arguments"])}
        client.close()
    except Exception as error:  # noqa: BLE001 - the other process raises it again
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result, default=str), flush=True)
