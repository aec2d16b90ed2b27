"""LocalStack init hook: faults on demand, for any AWS call.

LocalStack runs .py init scripts inside its own process, on the host and in the container alike.

    POST   /_lab/faults/<name>   sets the rules of that name: a JSON list
    GET    /_lab/faults/<name>   the rules, and how many requests each was applied to
    DELETE /_lab/faults/<name>   forgets them

Each test has a name of its own, and rules that hold for its own stream, so tests run side by side.
The first rule that fits a request applies.  A rule:

  service, operation    as in "kinesis", "PutRecords"; absent: any
  resource              the stream's name (StreamName, the end of StreamARN, or DeliveryStreamName), or
                        the Namespace; absent: any
  holding               only requests that have an entry with this text in its data, partition key or
                        metric name; absent: any
  times                 requests it still applies to; absent: all
  latency_ms            wait first
  status, code, message answer with this error; the service is not called
  fail_every            fail each n-th entry of a batch, the others are really written
  fail_matching         fail the entries with this text in their data or partition key
  entry_code            error code of a failed entry
  more_results          the service is called, and its answer then has so many results more than the
                        request had entries; fewer, if negative
"""

import json
import threading
import time

from werkzeug.datastructures import Headers

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException
from localstack.http import Request, Response
from localstack.services.edge import ROUTER

# member with the entries, member with their results, member with the failure count
BATCHES = {
    ("kinesis", "PutRecords"): ("Records", "Records", "FailedRecordCount"),
    ("firehose", "PutRecordBatch"): ("Records", "RequestResponses", "FailedPutCount"),
}
# members that hold entries, whatever the call
ENTRIES = ("Records", "MetricData")
KEYS = {
    "service", "operation", "resource", "holding", "times", "latency_ms", "status", "code", "message",
    "fail_every", "fail_matching", "entry_code", "more_results",
}  # fmt: skip
rules = {}
lock = threading.Lock()


def resource_of(request):
    return (
        request.get("StreamName")
        or (request.get("StreamARN") or "").rpartition("/")[2]
        or request.get("DeliveryStreamName")
        or request.get("Namespace")
    )


def holds(text, entry):
    texts = entry.get("PartitionKey"), entry.get("MetricName")
    return text.encode() in (entry.get("Data") or b"") or any(text in (it or "") for it in texts)


def rule_for(service, operation, request):
    call = {"service": service, "operation": operation, "resource": resource_of(request)}
    entries = [entry for member in ENTRIES for entry in request.get(member) or ()]
    with lock:
        for rule in (rule for of_name in rules.values() for rule in of_name):
            if any(rule.get(key, value) != value for key, value in call.items()):
                continue
            if "holding" in rule and not any(holds(rule["holding"], entry) for entry in entries):
                continue
            if rule.get("times", 1) <= 0:
                continue
            if "times" in rule:
                rule["times"] -= 1
            rule["applied"] += 1
            return dict(rule)
    return None


def fails(rule, index, entry):
    if "fail_matching" in rule:
        return holds(rule["fail_matching"], entry)
    return index % rule["fail_every"] == rule["fail_every"] - 1


def on_request(chain, context, response):
    if context.is_internal_call or not context.service or not context.operation:
        return
    call = (context.service.service_name, context.operation.name)
    rule = rule_for(*call, context.service_request or {})
    if not rule:
        return
    time.sleep(rule.get("latency_ms", 0) / 1000)
    if call in BATCHES and ("fail_every" in rule or "fail_matching" in rule):
        member = BATCHES[call][0]
        entries = context.service_request[member]
        failed = {i for i, entry in enumerate(entries) if fails(rule, i, entry)}
        context.lab_fault = rule, failed, len(entries)
        if len(failed) == len(entries):
            # a request with no entries would be refused: answer for the service
            response.set_json({BATCHES[call][1]: []})
            response.status_code = 200
            chain.stop()
            return
        context.service_request[member] = [e for i, e in enumerate(entries) if i not in failed]
        # Kinesis requests are passed on to kinesis-mock as they came: rewrite the body as well
        if call[0] == "kinesis":
            body = json.loads(context.request.get_data())
            body[member] = [e for i, e in enumerate(body[member]) if i not in failed]
            headers = Headers(context.request.headers)
            headers.remove("Content-Length")
            context.request = Request(
                method="POST", path=context.request.path, headers=headers, body=json.dumps(body)
            )
    elif call in BATCHES and "more_results" in rule:
        context.lab_fault = rule, set(), len(context.service_request[BATCHES[call][0]])
    elif "status" in rule:
        raise CommonServiceException(
            rule.get("code", "ServiceUnavailableException"),
            rule.get("message", "injected fault"),
            status_code=rule["status"],
            sender_fault=rule["status"] < 500,
        )


def on_response(chain, context, response):
    fault = getattr(context, "lab_fault", None)
    if not fault or response.status_code != 200:
        return
    rule, failed, total = fault
    _, results, count = BATCHES[context.service.service_name, context.operation.name]
    body = json.loads(response.get_data())
    written = iter(body[results])
    error = {
        "ErrorCode": rule.get("entry_code", "ProvisionedThroughputExceededException"),
        "ErrorMessage": rule.get("message", "injected fault"),
    }
    body[results] = [error if i in failed else next(written) for i in range(total)]
    body[count] = len(failed)
    more = rule.get("more_results", 0)
    body[results] = body[results][: total + more] + body[results][-1:] * more
    response.set_json(body)


def endpoint(request, name):
    with lock:
        if request.method == "POST":
            wanted = json.loads(request.get_data())
            unknown = {key for rule in wanted for key in rule} - KEYS
            if unknown:
                return Response(f"no such keys: {', '.join(sorted(unknown))}", status=400)
            rules[name] = [rule | {"applied": 0} for rule in wanted]
        elif request.method == "DELETE":
            rules.pop(name, None)
        return Response(json.dumps(rules.get(name, [])), mimetype="application/json")


handlers.serve_custom_service_request_handlers.append(on_request)
handlers.run_custom_response_handlers.append(on_response)
ROUTER.add("/_lab/faults/<name>", endpoint, methods=["GET", "POST", "DELETE"])
