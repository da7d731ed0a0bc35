"""hl7v2-fhir-bridge, asked over standard input: runs under the Python of its own environment and knows nothing of us.

Each line in is a JSON list of messages (base64); each line out tells the processor time, in seconds, that
converting and validating took.
"""

import base64
import json
import sys
import time

from v2fhir.config import default_config_path, load_config
from v2fhir.convert import convert
from v2fhir.hl7.parser import parse_bytes
from v2fhir.validate import validate_bundle


def main() -> None:
    """Until standard input ends."""
    config = load_config(default_config_path(), {})
    for line in sys.stdin:
        messages = [base64.b64decode(each) for each in json.loads(line)]
        begun = time.process_time()
        for message in messages:
            converted = convert(parse_bytes(message, config.default_charset, config.fallback_charsets), config)
            validate_bundle(converted.bundle)
        seconds = time.process_time() - begun
        kinds = [entry["resource"]["resourceType"] for entry in converted.bundle["entry"]]
        print(json.dumps({"seconds": seconds, "reports": kinds.count("DiagnosticReport")}), flush=True)


if __name__ == "__main__":
    main()
