"""A program under test: answers requests, one JSON line each, until it is told to stop."""
import json
import sys
import traceback

VIEWS = [("v0", None), ("v1", 30), ("v2", 7)]
FEATURES = [f"f{index}" for index in range(10)] + ["whole", "text"]


def serve(operations):
    for line in sys.stdin:
        request = json.loads(line)
        operation = request.pop("op")
        if operation == "stop":
            break
        try:
            answer = operations[operation](**request) or {}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
