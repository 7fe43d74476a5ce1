"""Recomputes the signatures of requests with botocore. Reads one JSON object to a line: url, headers, body (base64);
prints what the header Authorization should be, one to a line."""
import base64
import datetime
import json
import os
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
for line in sys.stdin:
    request = json.loads(line)
    headers = request["headers"]
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    # Only what was signed; the time is that of the request.
    given = {name: headers[name] for name in signed}
    aws = AWSRequest("POST", request["url"], headers=given, data=base64.b64decode(request["body"]))
    aws.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(credentials, "xray", "eu-west-1")
    canonical = signer.canonical_request(aws)
    signature = signer.signature(signer.string_to_sign(aws, canonical), aws)
    scope = signer.scope(aws)
    print(f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={';'.join(signed)}, Signature={signature}")
