"""Reads traces from an X-Ray API with boto3 and prints their documents as one JSON object: by segment id."""
import json
import sys

import boto3

endpoint, *traces = sys.argv[1:]
client = boto3.client(
    "xray",
    endpoint_url=endpoint,
    region_name="eu-west-1",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="secret",
)
documents = {}
for first in range(0, len(traces), 5):
    answer = client.batch_get_traces(TraceIds=traces[first : first + 5])
    assert not answer["UnprocessedTraceIds"], answer
    for trace in answer["Traces"]:
        for segment in trace["Segments"]:
            documents[segment["Id"]] = json.loads(segment["Document"])
json.dump(documents, sys.stdout)
