"""CloudWatch alarms as the product needs them.

- An alarm action may be a Lambda function: it is invoked asynchronously with the event that CloudWatch sends.
- Metric alarms have StateTransitionedTimestamp, which says since when the state has lasted.
- Alarms move by SetAlarmState alone. ministack's own evaluation ignores dimensions, so that one datapoint of one health
  check would fire the alarms of all; whoever plays the outage also plays CloudWatch's evaluation.
"""

import time
from datetime import datetime, timezone

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, lambda_svc

from correction import replace, require

# What an alarm's event says about the state before. DescribeAlarms does not have it, so it is not kept in the alarm.
_previous_states: dict = {}

ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def correct() -> None:
    require(cloudwatch, "_alarms")
    require(lambda_svc, "_get_func_record_for_ref", "_execution_record_for_config", "invoke_async_with_retry")
    replace(cloudwatch, "_evaluate_alarm", lambda _original: lambda _alarm: None)
    replace(cloudwatch, "_put_metric_alarm", _with_transition_kept)
    replace(cloudwatch, "_set_alarm_state", _with_transition)
    replace(cloudwatch, "_dispatch_alarm_actions", _with_functions)


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
        before = {name: dict(alarm) for name, alarm in cloudwatch._alarms.items()}
        # The action reads the alarm at once, so the time has to be there before it is invoked.
        name = cbor_data.get("AlarmName") or params.get("AlarmName")
        name = name[0] if isinstance(name, list) else name
        state = cbor_data.get("StateValue") or params.get("StateValue")
        state = state[0] if isinstance(state, list) else state
        if name in before and before[name]["StateValue"] != state:
            alarm = cloudwatch._alarms[name]
            _previous_states[name] = {
                "value": alarm["StateValue"],
                "reason": alarm.get("StateReason", ""),
                "timestamp": _time(alarm.get("StateTransitionedTimestamp", time.time())),
            }
            alarm["StateTransitionedTimestamp"] = time.time()
        return original(params, cbor_data, is_cbor, is_json)

    return set_alarm_state


def _with_functions(original):
    def dispatch(alarm, old_state, new_state, reason):
        original(alarm, old_state, new_state, reason)
        if old_state == new_state or not alarm.get("ActionsEnabled", True):
            return
        for action in alarm.get(ACTIONS.get(new_state, ""), []):
            if ":lambda:" not in action:
                continue
            record, config, _ = lambda_svc._get_func_record_for_ref(action)
            if record is None:
                cloudwatch.logger.error("alarm %s: no function %s", alarm["AlarmName"], action)
                continue
            function = lambda_svc._execution_record_for_config(record, config)
            lambda_svc.invoke_async_with_retry(function, event(alarm, old_state, new_state, reason))

    return dispatch


def event(alarm, old_state, new_state, reason):
    """The event with which CloudWatch invokes a function for an alarm."""
    now = _time(time.time())
    state = {"value": new_state, "reason": reason, "timestamp": now}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": get_account_id(),
        "time": now,
        "region": get_region(),
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": state,
            "previousState": _previous_states.get(
                alarm["AlarmName"], {"value": old_state, "reason": "", "timestamp": now}
            ),
            "configuration": _configuration(alarm),
        },
    }


def _configuration(alarm):
    configuration = {"description": alarm.get("AlarmDescription", "")}
    if "AlarmRule" in alarm:
        return configuration | {"alarmRule": alarm["AlarmRule"]}
    metric = {
        "namespace": alarm.get("Namespace"),
        "name": alarm.get("MetricName"),
        "dimensions": {dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])},
    }
    stat = {"metric": metric, "period": alarm.get("Period", 60), "stat": alarm.get("Statistic", "Average")}
    return configuration | {"metrics": [{"id": "m1", "metricStat": stat, "returnData": True}]}


def _time(epoch):
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
