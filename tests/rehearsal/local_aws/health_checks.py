"""Route 53 health checks as the Rust SDK and the product need them.

- Booleans are written in lower case. ministack writes `True`, which the Rust SDK cannot read.
- Regions and child checks keep their text. ministack reads them as empty.
- UpdateHealthCheck resets what ResetElements names. ministack keeps it.
- GetHealthCheckStatus and GetHealthCheckLastFailureReason exist. They answer what was scripted:
  POST /2013-04-01/healthcheck/ID/status with {"status": "Success: HTTP Status Code 200, OK"}. Before that, no checker has
  reported, as in the first moments of a real check.
- CloudFormation knows AWS::Route53::HealthCheck.
"""

import json
import re
import threading
from datetime import datetime, timezone
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import route53
from ministack.services.cloudformation import provisioners

from correction import replace, require

BOOLEANS = ("MeasureLatency", "EnableSNI", "Inverted", "Disabled")

# Where Route 53's checkers stand. The addresses are documentation addresses: nothing connects to them.
CHECKERS = (
    ("us-east-1", "192.0.2.1"),
    ("us-west-1", "192.0.2.2"),
    ("us-west-2", "192.0.2.3"),
    ("eu-west-1", "192.0.2.4"),
    ("ap-southeast-1", "192.0.2.5"),
    ("ap-southeast-2", "192.0.2.6"),
    ("ap-northeast-1", "192.0.2.7"),
    ("sa-east-1", "192.0.2.8"),
)

_lock = threading.Lock()
_reports: dict = {}
_last_failures: dict = {}


def correct() -> None:
    require(route53, "_find", "_findall", "_error_response", "_create_health_check", "_delete_health_check", "API_VERSION")
    require(route53, "_update_health_check", "_parse_body")
    require(route53, "_health_checks", "NS")
    require(provisioners, "_RESOURCE_HANDLERS")
    replace(route53, "_parse_health_check_config", _with_texts_as_sent)
    replace(route53, "_update_health_check", _with_resets)
    replace(route53, "handle_request", _with_status)
    replace(route53, "reset", _with_script_cleared)
    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Route53::HealthCheck", {"create": _create, "update": _update, "delete": _delete}
    )


def _with_texts_as_sent(original):
    def parse(element):
        config = original(element)
        for name in BOOLEANS:
            if name in config:
                config[name] = "true" if config[name] else "false"
        for outer, inner in (("Regions", "Region"), ("ChildHealthChecks", "ChildHealthCheck")):
            found = route53._find(element, outer)
            if found is not None:
                config[outer] = [(child.text or "").strip() for child in route53._findall(found, inner)]
        return config

    return parse


def _with_resets(original):
    def update(check, body):
        root = route53._parse_body(body)
        resets = None if root is None else route53._find(root, "ResetElements")
        found = route53._health_checks.get(check)
        if found is not None and resets is not None:
            for name in route53._findall(resets, "ResettableElementName"):
                found["config"].pop((name.text or "").strip(), None)
        return original(check, body)

    return update


def _with_status(original):
    pattern = re.compile(rf"^/{re.escape(route53.API_VERSION)}/healthcheck/([^/]+)/(status|lastfailurereason)$")

    async def handle_request(method, path, headers, body, query_params):
        match = pattern.match(path)
        if match is None:
            return await original(method, path, headers, body, query_params)
        check, what = match.groups()
        if check not in route53._health_checks:
            return route53._error_response(
                "NoSuchHealthCheck", f"No health check exists with the specified ID {check}.", 404
            )
        if method == "POST" and what == "status":
            return _script(check, body)
        if what == "status":
            return _observations("GetHealthCheckStatusResponse", _reports.get(check))
        return _observations("GetHealthCheckLastFailureReasonResponse", _last_failures.get(check))

    return handle_request


def _script(check, body):
    try:
        status = json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        return route53._error_response("InvalidInput", 'The body is {"status": "Success: …"} or {"status": "Failure: …"}.')
    report = (status, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z")
    with _lock:
        _reports[check] = report
        if not status.startswith("Success"):
            _last_failures[check] = report
    return 200, {"Content-Type": "application/json"}, b"{}"


def _observations(root_name, report):
    root = Element(root_name, xmlns=route53.NS)
    observations = SubElement(root, "HealthCheckObservations")
    for region, address in CHECKERS if report else ():
        observation = SubElement(observations, "HealthCheckObservation")
        SubElement(observation, "Region").text = region
        SubElement(observation, "IPAddress").text = address
        status_report = SubElement(observation, "StatusReport")
        SubElement(status_report, "Status").text, SubElement(status_report, "CheckedTime").text = report
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode").encode("utf-8")
    return 200, {"Content-Type": "text/xml"}, body


def _with_script_cleared(original):
    def reset():
        with _lock:
            _reports.clear()
            _last_failures.clear()
        return original()

    return reset


def _config_element(properties):
    config = Element("HealthCheckConfig")
    for name, value in properties.get("HealthCheckConfig", {}).items():
        if isinstance(value, list):
            outer = SubElement(config, name)
            for item in value:
                SubElement(outer, name.removesuffix("s")).text = str(item)
        elif isinstance(value, dict):
            outer = SubElement(config, name)
            for inner, text in value.items():
                SubElement(outer, inner).text = str(text)
        else:
            SubElement(config, name).text = str(value).lower() if isinstance(value, bool) else str(value)
    return config


def _create(logical_id, properties, stack_name):
    request = Element("CreateHealthCheckRequest")
    SubElement(request, "CallerReference").text = f"{stack_name}-{logical_id}"
    request.append(_config_element(properties))
    status, _, body = route53._create_health_check(tostring(request))
    if status >= 300:
        raise ValueError(body.decode("utf-8"))
    check = re.search(r"<Id>([^<]+)</Id>", body.decode("utf-8")).group(1)
    return check, {"HealthCheckId": check}


def _update(physical_id, _old_properties, properties, _stack_name):
    check = route53._health_checks.get(physical_id)
    if check is None:
        raise ValueError(f"health check {physical_id} is gone")
    check["config"] = route53._parse_health_check_config(_config_element(properties))
    check["version"] = check.get("version", 1) + 1
    return physical_id, {"HealthCheckId": physical_id}


def _delete(physical_id, _properties):
    route53._delete_health_check(physical_id)
