"""AWS as far as the tests need it: a service that checks signatures, STS, and a container's credentials.

Each request's signature is computed again with botocore, from what arrived, and compared. Says its port in the first line
of its output, then one line for each request: {"path", "valid", "key", "token", "service", "region", "headers", "length"}.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

RULES = {
    "NextToken": None,
    "SamplingRuleRecords": [
        {
            "CreatedAt": 0.0,
            "ModifiedAt": 1.7e9,
            "SamplingRule": {
                "RuleName": "Default", "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1, "Version": 1,
                "ResourceARN": "*", "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
                "URLPath": "*", "Attributes": {},
            },
        }
    ],
}

ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>AKIDASSUMED</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>assumed</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn>
<AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"""


def verify(method, url, headers, body):
    """Whose signature it is, for what, and whether botocore makes the same."""
    authorization = headers.get("Authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        return {"valid": False, "key": None}
    parts = dict(part.strip().split("=", 1) for part in authorization.split(" ", 1)[1].split(","))
    key, _, region, service, _ = parts["Credential"].split("/")
    token = headers.get("X-Amz-Security-Token")
    made = {"host", "x-amz-date", "x-amz-security-token"}
    signed = {name: headers[name] for name in parts["SignedHeaders"].split(";") if name not in made}
    request = AWSRequest(method=method, url=url, data=body, headers=signed)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(key, SECRET, token), service, region)
    auth._modify_request_before_signing(request)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return {"valid": expected == parts["Signature"], "key": key, "token": token, "service": service, "region": region}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        # A container's credentials: EKS pod identity and ECS ask like this.
        told = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        print(json.dumps(told), flush=True)
        credentials = {
            "AccessKeyId": "AKIDCONTAINER", "SecretAccessKey": SECRET, "Token": "container",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self.answer(200, json.dumps(credentials).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"http://{self.headers['Host']}{self.path}"
        found = verify("POST", url, self.headers, body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"path": self.path, "length": len(body), "sha256": hashlib.sha256(body).hexdigest(), "headers": headers}
        sts = parse_qs(body.decode()) if self.path == "/" else {}
        print(json.dumps({**told, **found, "sts": sts}), flush=True)
        if not found["valid"]:
            return self.answer(403, b'{"__type":"InvalidSignatureException"}')
        if sts.get("Action") == ["AssumeRole"]:
            return self.answer(200, ASSUMED.format(secret=SECRET).encode(), "text/xml")
        self.answer(200, json.dumps(RULES).encode() if self.path == "/GetSamplingRules" else b"{}")

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
