"""What answers of portals and of the OAuth server have in common."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bizproc.definition.portal_rules import Refused
from devportal.cloud import Cloud
from devportal.errors import RestError
from devportal.faults import MethodFault
from devportal.limits import WorkingTime
from devportal.portal import Portal
from devportal.wire import Response, json_response


def error_body(error: Refused) -> dict[str, Any]:
    return {"error": error.code, "error_description": error.description}


def error_response(error: Refused) -> Response:
    return json_response(error_body(error), error.status)


def time_info(portal: Portal, started: float, processing: float, working: WorkingTime | None = None) -> dict[str, Any]:
    """`time` of an answer; `started` and `processing` are the Unix times of the request and of the method's start."""
    finish = time.time()
    info: dict[str, Any] = {
        "start": started,
        "finish": finish,
        "duration": finish - started,
        "processing": finish - processing,
        "date_start": datetime.fromtimestamp(int(started), portal.dates.zone).isoformat(),
        "date_finish": datetime.fromtimestamp(int(finish), portal.dates.zone).isoformat(),
    }
    if working is not None:
        info |= {"operating_reset_at": working.resets_at, "operating": working.operating}
    return info


def with_faults(cloud: Cloud, portal: Portal, method: str, answer: Callable[[], Response]) -> Response:
    """`answer()`, with the latency of this start and the fault set for this method."""
    with portal.lock:
        fault = portal.faults.next(method)
    wait = cloud.options.latency_ms + (fault.delay_ms if fault else 0)
    if wait:
        time.sleep(wait / 1000)
    if fault is None:
        return answer()
    if not fault.operating or portal.edition != "b24":
        return _with_fault(fault, answer)
    with portal.lock:
        working = portal.working_time(method)
        working.pending += fault.operating
    try:
        return _with_fault(fault, answer)
    finally:
        # A refusal has counted nothing.
        with portal.lock:
            working.add(0.0)


def _with_fault(fault: MethodFault, answer: Callable[[], Response]) -> Response:
    if not (fault.close or fault.error):
        return answer()
    if fault.after:
        answer()
    return _failed(fault)


def _failed(fault: MethodFault) -> Response:
    if fault.close:
        return Response(0, close=True)
    return error_response(RestError(fault.error or "", fault.description, fault.status))
