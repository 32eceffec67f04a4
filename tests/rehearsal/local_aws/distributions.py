"""CloudFront distributions as the product needs them.

- GetDistributionConfig answers the very bytes that were last written. ministack renders the document anew, which would
  hide a byte that the product lost or added.
- A distribution is InProgress for a moment after a write, then Deployed. ministack always says Deployed. Whoever plays the
  edges says so instead: POST /2020-05-31/distribution/ID/status with {"status": "Deployed", "held": true} once, after which
  it stays InProgress until the next {"status": "Deployed"}.
- An ETag looks like CloudFront's.
- A distribution may name a VPC origin that is not here: the rehearsal's distribution is a copy of a grown one.
"""

import json
import random
import re
import string
import threading

from ministack.services import cloudfront

from correction import replace, require

# Real edges need minutes. This is for distributions whose edges nobody plays.
PROPAGATION_SECONDS = 2.0

STATUS = re.compile(r"^/2020-05-31/distribution/([^/]+)/status$")

# The other form of creation, with tags, is wrapped in another element; ministack unwraps it itself.
PLAIN_DOCUMENT = re.compile(rb"\A\s*(<\?xml[^>]*\?>)?\s*<DistributionConfig[\s>]")


def correct() -> None:
    require(cloudfront, "_distributions")
    replace(cloudfront, "_distribution_vpc_origin_error", lambda _original: lambda _config: None)
    replace(cloudfront, "_create_distribution", _with_bytes_kept_on_create)
    replace(cloudfront, "_update_distribution", _with_bytes_kept_on_update)
    replace(cloudfront, "_get_distribution_config", _with_bytes_as_written)
    replace(cloudfront, "handle_request", _with_reported_status)


def _with_bytes_kept_on_create(original):
    def create(headers, body):
        known = set(cloudfront._distributions)
        answer = original(headers, body)
        for identifier, distribution in cloudfront._distributions.items():
            if identifier not in known:
                answer = _written(distribution, body, answer)
        return answer

    return create


def _with_bytes_kept_on_update(original):
    def update(identifier, headers, body):
        status, answer_headers, answer = original(identifier, headers, body)
        if status != 200:
            return status, answer_headers, answer
        distribution = cloudfront._distributions[identifier]
        distribution["Status"] = "InProgress"
        if not distribution.get("held"):
            timer = threading.Timer(PROPAGATION_SECONDS, distribution.__setitem__, ("Status", "Deployed"))
            timer.daemon = True
            timer.start()
        answer = answer.replace(b"<Status>Deployed</Status>", b"<Status>InProgress</Status>", 1)
        return _written(distribution, body, (status, answer_headers, answer))

    return update


def _written(distribution, body, answer):
    """Keeps the bytes and gives the distribution its new ETag."""
    status, headers, content = answer
    distribution["ETag"] = "E" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))
    distribution["config_bytes"] = body if PLAIN_DOCUMENT.match(body) else None
    return status, {**headers, "ETag": distribution["ETag"]}, content


def _with_bytes_as_written(original):
    def get(identifier):
        distribution = cloudfront._distributions.get(identifier)
        if distribution is None or not distribution.get("config_bytes"):
            return original(identifier)
        return 200, {"Content-Type": "text/xml", "ETag": distribution["ETag"]}, distribution["config_bytes"]

    return get


def _with_reported_status(original):
    async def handle_request(method, path, headers, body, query_params):
        match = STATUS.match(path)
        if match is None or method != "POST":
            return await original(method, path, headers, body, query_params)
        distribution = cloudfront._distributions.get(match.group(1))
        if distribution is None:
            return 404, {"Content-Type": "application/json"}, b"{}"
        report = json.loads(body)
        distribution["Status"] = report["status"]
        distribution["held"] = distribution.get("held", False) or report.get("held", False)
        return 200, {"Content-Type": "application/json"}, b"{}"

    return handle_request
