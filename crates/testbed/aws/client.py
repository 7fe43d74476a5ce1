"""Asks a proxy for sampling rules and targets as an SDK does: with botocore, unsigned. Prints both answers."""

import datetime
import json
import sys

import botocore.session
from botocore import UNSIGNED
from botocore.config import Config


def main(address):
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0}, connect_timeout=10, read_timeout=10)
    session = botocore.session.Session()
    client = session.create_client("xray", endpoint_url=f"http://{address}", region_name="us-west-2", config=config)
    now = datetime.datetime.now(datetime.timezone.utc)
    rules = client.get_sampling_rules()["SamplingRuleRecords"]
    names = [record["SamplingRule"]["RuleName"] for record in rules]
    documents = [
        {"RuleName": name, "ClientID": "0123456789abcdef01234567", "Timestamp": now, "RequestCount": 100,
         "SampledCount": 1, "BorrowCount": 1}
        for name in names[:25]
    ]
    targets = {}
    for _ in range(2):
        answer = client.get_sampling_targets(SamplingStatisticsDocuments=documents)
        for target in answer.get("SamplingTargetDocuments", []):
            targets[target["RuleName"]] = target.get("ReservoirQuota")
    print(json.dumps({"rules": names, "targets": targets}))


if __name__ == "__main__":
    main(sys.argv[1])
