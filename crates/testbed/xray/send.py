"""Sends segments with the X-Ray SDK, prints each as it was sent, and then what was decided by the sampling rules.

    send.py UDP-ADDRESS TCP-ADDRESS
"""
import json
import os
import sys
import time
import traceback

os.environ["AWS_XRAY_DAEMON_ADDRESS"] = f"tcp:{sys.argv[2]} udp:{sys.argv[1]}"

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter

sent = []


class Emitter(UDPEmitter):
    def _send_data(self, data):
        sent.append(data.split("\n", 1)[1])
        super()._send_data(data)


xray_recorder.configure(service="py", sampling=False, emitter=Emitter(), streaming_threshold=5)


def fail():
    raise ValueError("no such cart")


for number in range(20):
    segment = xray_recorder.begin_segment(f"py-{number}")
    segment.put_http_meta("method", "GET")
    segment.put_http_meta("url", f"https://shop.example.com/cart/{number}?ä=<&>")
    segment.put_http_meta("client_ip", "203.0.113.7")
    segment.put_http_meta("status", (200, 404, 429, 500)[number % 4])
    segment.put_annotation("number", number)
    segment.put_annotation("tenant", "käse-服务")
    segment.put_metadata("cart", {"items": [1, 2.5, None, True], "text": "a\nb\t\"c\""}, "shop")
    segment.set_user("u-1")
    for call in range(number % 8):
        call = xray_recorder.begin_subsegment(f"call-{call}", namespace="remote")
        call.put_http_meta("status", 503)
        try:
            fail()
        except ValueError as error:
            call.add_exception(error, traceback.extract_tb(error.__traceback__))
        xray_recorder.end_subsegment()
    xray_recorder.end_segment()
    time.sleep(0.002)

sampler = xray_recorder.sampler
decisions = {}
xray_recorder.configure(sampling=True)
sampler.start()
for _ in range(300):
    if sampler._cache.last_updated:
        break
    time.sleep(0.1)
for path in ("/always", "/never"):
    request = lambda: {"host": "h", "method": "GET", "path": path, "service": "py"}
    decisions[path] = sum(1 for _ in range(50) if sampler.should_trace(request()))

print(json.dumps({"documents": sent, "decisions": decisions}))
