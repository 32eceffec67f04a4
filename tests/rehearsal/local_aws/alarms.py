"""CloudWatch alarms as the product needs them.

- Metric alarms have StateTransitionedTimestamp, which says since when the state has lasted.
- Alarms move by SetAlarmState alone. ministack's own evaluation ignores dimensions, so that one datapoint of one health
  check would fire the alarms of all; whoever plays the outage also plays CloudWatch's evaluation, and delivers the events of
  alarms to functions.
"""

import time

from ministack.services import cloudwatch

from correction import replace, require


def correct() -> None:
    require(cloudwatch, "_alarms")
    replace(cloudwatch, "_evaluate_alarm", lambda _original: lambda _alarm: None)
    replace(cloudwatch, "_put_metric_alarm", _with_transition_kept)
    replace(cloudwatch, "_set_alarm_state", _with_transition)


def _with_transition_kept(original):
    def put_metric_alarm(params, cbor_data, is_cbor, is_json=False):
        before = dict(cloudwatch._alarms.items())
        answer = original(params, cbor_data, is_cbor, is_json)
        for name, alarm in cloudwatch._alarms.items():
            if "StateTransitionedTimestamp" not in alarm:
                since = before.get(name, {}).get("StateTransitionedTimestamp", time.time())
                alarm["StateTransitionedTimestamp"] = since
        return answer

    return put_metric_alarm


def _with_transition(original):
    def set_alarm_state(params, cbor_data, is_cbor, is_json=False):
        before = {name: alarm["StateValue"] for name, alarm in cloudwatch._alarms.items()}
        answer = original(params, cbor_data, is_cbor, is_json)
        for name, alarm in cloudwatch._alarms.items():
            if before.get(name) != alarm["StateValue"]:
                alarm["StateTransitionedTimestamp"] = time.time()
        return answer

    return set_alarm_state
