"""IAM as the product's requests need it, once ministack enforces permissions.

- A CloudWatch call over CBOR, which is what the Rust SDK sends, has its action. ministack finds none and lets it pass.
- Health checks, changes of records, CloudFront's policies and CBOR alarms have their own ARN. ministack checks them against
  `*`, which refuses a policy that names them.
- The condition keys `cloudwatch:namespace` and `route53:ChangeResourceRecordSets…` are set, and the keys of tags over CBOR.
  Without them a statement with such a condition allows nothing.
- The role of AssumeRole is the resource that it is checked against, and `aws:PrincipalArn` is the role and not its session (IAM User
  Guide, "aws:PrincipalArn").
- PutMetricAlarm with tags asks for cloudwatch:TagResource too (CloudWatch API reference, PutMetricAlarm, Tags).
- A refusal by CloudFront and Route 53 is wrapped in ErrorResponse, where SDKs look for its code.

Every correction is tried at each start: one that has stopped working ends the start with a sentence.
"""

import contextvars
import json
import re
import sys
import types
from urllib.parse import parse_qs
from xml.etree import ElementTree

import cbor2
from ministack.core import iam_actions, iam_evaluator

from correction import replace, require

CBOR_OPERATION = re.compile(r"^/service/[^/]+/operation/([A-Za-z]+)$")

# Paths of Route 53 that name a resource, and the type of it in the ARN (Service Authorization Reference, Route 53).
ROUTE_53_RESOURCES = (
    (re.compile(r"^/2013-04-01/healthcheck/([^/]+)"), "healthcheck"),
    (re.compile(r"^/2013-04-01/tags/healthcheck/([^/]+)"), "healthcheck"),
    (re.compile(r"^/2013-04-01/change/([^/]+)"), "change"),
)

# A session of a role.
ASSUMED_ROLE = re.compile(r"^arn:([^:]+):sts::([0-9]{12}):assumed-role/([^/]+)/")

# As above, for CloudFront's policies (ibidem, CloudFront).
CLOUDFRONT_RESOURCES = (
    (re.compile(r"^/2020-05-31/cache-policy/([^/]+)"), "cache-policy"),
    (re.compile(r"^/2020-05-31/origin-request-policy/([^/]+)"), "origin-request-policy"),
)

RECORD_KEYS = "route53:ChangeResourceRecordSets"

# The action that a second check of one request has refused, for the words of the refusal.
_refused = contextvars.ContextVar("refused", default=None)


def correct() -> None:
    require(iam_actions, "extract_iam_action", "extract_resource_arn", "request_tag_context", "access_denied_response")
    replace(iam_actions, "extract_iam_action", _with_cbor_operations)
    replace(iam_actions, "extract_resource_arn", _with_more_resources)
    replace(iam_actions, "request_tag_context", _with_condition_keys)
    replace(iam_actions, "access_denied_response", _with_wrapped_errors)
    replace(iam_evaluator, "enforce", _with_tags_of_alarms)
    require(iam_evaluator, "_resolve_condition_key")
    replace(iam_evaluator, "_resolve_condition_key", _with_the_arn_of_the_role)
    _prove()


def _with_cbor_operations(original):
    def extract(service, method, path, headers, body, query_params):
        match = CBOR_OPERATION.match(path) if service == "monitoring" else None
        if match is not None:
            return f"cloudwatch:{match.group(1)}"
        return original(service, method, path, headers, body, query_params)

    return extract


def _with_more_resources(original):
    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service == "route53":
            for pattern, kind in ROUTE_53_RESOURCES:
                match = pattern.match(path)
                if match is not None:
                    return f"arn:aws:route53:::{kind}/{match.group(1)}"
        if service == "cloudfront":
            for pattern, kind in CLOUDFRONT_RESOURCES:
                match = pattern.match(path)
                if match is not None:
                    return f"arn:aws:cloudfront::{account_id}:{kind}/{match.group(1)}"
        if service == "sts":
            roles = parse_qs((body or b"").decode("utf-8", "replace")).get("RoleArn")
            if roles:
                return roles[0]
        if service == "monitoring" and CBOR_OPERATION.match(path):
            return _alarm(_document(body), region, account_id)
        return original(service, method, path, headers, body, query_params, region, account_id)

    return extract


def _alarm(document, region, account_id):
    # DescribeAlarms is checked against `*`, whatever names it asks for: composite alarms cannot be read otherwise.
    if "ResourceARN" in document:
        return document["ResourceARN"]
    names = document.get("AlarmNames", []) if "StateValue" not in document and "MaxRecords" not in document else []
    name = document.get("AlarmName") or (names[0] if names and set(document) == {"AlarmNames"} else None)
    return f"arn:aws:cloudwatch:{region}:{account_id}:alarm:{name}" if name else "*"


def _with_condition_keys(original):
    def context(service, iam_action, body, params):
        keys = original(service, iam_action, body, params)
        if service == "monitoring":
            document = _document(body)
            if "Namespace" in document and iam_action == "cloudwatch:PutMetricData":
                keys["cloudwatch:namespace"] = document["Namespace"]
            if document.get("Tags"):
                keys["aws:TagKeys"] = [tag["Key"] for tag in document["Tags"]]
        if iam_action == RECORD_KEYS:
            keys.update(_record_keys(body))
        return keys

    return context


def _record_keys(body):
    changes = [element for element in ElementTree.fromstring(body).iter() if _local(element) == "Change"]
    found = {"NormalizedRecordNames": [], "RecordTypes": [], "Actions": []}
    for change in changes:
        texts = {_local(element): (element.text or "").strip() for element in change.iter()}
        found["NormalizedRecordNames"].append(texts.get("Name", "").lower().rstrip("."))
        found["RecordTypes"].append(texts.get("Type", ""))
        found["Actions"].append(texts.get("Action", ""))
    return {RECORD_KEYS + key: values for key, values in found.items()}


def _local(element):
    return element.tag.rpartition("}")[2]


def _with_tags_of_alarms(original):
    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        _refused.set(None)
        denied = original(access_key_id, iam_action, service, region, resource_arn, service_context)
        if denied or iam_action != "cloudwatch:PutMetricAlarm" or not (service_context or {}).get("aws:TagKeys"):
            return denied
        denied = original(access_key_id, "cloudwatch:TagResource", service, region, resource_arn, service_context)
        if denied:
            _refused.set("cloudwatch:TagResource")
        return denied

    return enforce


def _with_the_arn_of_the_role(original):
    def resolve(key, context):
        value = original(key, context)
        session = ASSUMED_ROLE.match(value) if key.lower() == "aws:principalarn" and value else None
        return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else value

    return resolve


def _with_wrapped_errors(original):
    def response(service, action, principal_arn, request_id, **details):
        answer = original(service, _refused.get() or action, principal_arn, request_id, **details)
        _refused.set(None)
        if service not in ("cloudfront", "route53"):
            return answer
        status, headers, body = answer
        head, _, rest = body.decode("utf-8").partition("<Error>")
        error, _, request = rest.removesuffix("</Error>").partition("<RequestId>")
        wrapped = f"{head}<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>{request}</ErrorResponse>"
        return status, headers, wrapped.encode("utf-8")

    return response


def _document(body):
    try:
        document = json.loads(body) if body[:1] == b"{" else cbor2.loads(body)
    except (ValueError, cbor2.CBORDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _prove() -> None:
    """Asks each corrected name what it was corrected for."""
    path = "/service/GraniteServiceVersion20100801/operation/"
    alarm = cbor2.dumps({"AlarmName": "a", "Tags": [{"Key": "k", "Value": "v"}]})
    metrics = cbor2.dumps({"Namespace": "FailOpen", "MetricData": []})
    records = (
        b"<ChangeResourceRecordSetsRequest xmlns='urn:x'><ChangeBatch><Changes><Change><Action>CREATE</Action>"
        b"<ResourceRecordSet><Name>WWW.Example.com.</Name><Type>CNAME</Type></ResourceRecordSet></Change></Changes>"
        b"</ChangeBatch></ChangeResourceRecordSetsRequest>"
    )

    def action(operation):
        return iam_actions.extract_iam_action("monitoring", "POST", path + operation, {}, b"", {})

    def arn(service, path, body=b""):
        return iam_actions.extract_resource_arn(service, "POST", path, {}, body, {}, "us-east-1", "111122223333")

    def keys(service, name, body):
        return iam_actions.request_tag_context(service, name, body, {})

    denied = iam_actions.access_denied_response("route53", "route53:GetHealthCheck", "arn", "id", headers={})[2]
    session = types.SimpleNamespace(principal_arn="arn:aws:sts::111122223333:assumed-role/r/s")
    proofs = (
        (
            "the role that is assumed",
            arn("sts", "/", b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr"),
            "arn:aws:iam::111122223333:role/r",
        ),
        (
            "the role of a session",
            iam_evaluator._resolve_condition_key("aws:PrincipalArn", session),
            "arn:aws:iam::111122223333:role/r",
        ),
        ("the action of a CBOR request", action("PutMetricAlarm"), "cloudwatch:PutMetricAlarm"),
        ("a health check's ARN", arn("route53", "/2013-04-01/healthcheck/h"), "arn:aws:route53:::healthcheck/h"),
        ("a tagged health check's ARN", arn("route53", "/2013-04-01/tags/healthcheck/h"), "arn:aws:route53:::healthcheck/h"),
        ("a change's ARN", arn("route53", "/2013-04-01/change/C1"), "arn:aws:route53:::change/C1"),
        ("a zone's ARN", arn("route53", "/2013-04-01/hostedzone/Z1/rrset"), "arn:aws:route53:::hostedzone/Z1"),
        (
            "an alarm's ARN",
            arn("monitoring", path + "PutMetricAlarm", alarm),
            "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a",
        ),
        (
            "a deleted alarm's ARN",
            arn("monitoring", path + "DeleteAlarms", cbor2.dumps({"AlarmNames": ["a"]})),
            "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a",
        ),
        ("the namespace", keys("monitoring", "cloudwatch:PutMetricData", metrics).get("cloudwatch:namespace"), "FailOpen"),
        ("the keys of tags", keys("monitoring", "cloudwatch:PutMetricAlarm", alarm).get("aws:TagKeys"), ["k"]),
        (
            "the names, types and actions of records",
            keys("route53", RECORD_KEYS, records),
            {
                RECORD_KEYS + "NormalizedRecordNames": ["www.example.com"],
                RECORD_KEYS + "RecordTypes": ["CNAME"],
                RECORD_KEYS + "Actions": ["CREATE"],
            },
        ),
        ("the root of a refusal", ElementTree.fromstring(denied).findtext("Error/Code"), "AccessDenied"),
    )
    for what, found, expected in proofs:
        if found != expected:
            sys.exit(
                f"local AWS: {what} should be {expected!r} and is {found!r}, so permissions would be judged wrongly. "
                "Nothing was started. Install the versions of requirements.txt."
            )
