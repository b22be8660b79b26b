"""Ray Serve over the Engine, for traffic that outgrows one machine: pip install 'emoengine[ray]'.

    serve run emoengine.serve_app:app threads=4 max_replicas=8

POST / takes a form as `emoengine serve`'s POST /v1/run: `image` and `audio`, files, and `face`, `relative`, `passes`, `detail`
and `intensity`. The answer is a PNG, or JSON {"error": ...} with status 400 for what was sent, 503 where too many wait, 504
after the deadline.
"""

from __future__ import annotations

import json
from typing import Any

from . import _codec
from ._engine import Engine
from .errors import ArgumentError, BusyError, DeadlineError, DeviceError, Error, InputError

try:
    from ray import serve
    from ray.serve.config import AutoscalingConfig
    from starlette.datastructures import UploadFile
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    import python_multipart  # noqa: F401  # starlette reads forms by it, and says so late
except ImportError as missing:
    raise DeviceError(f"serve_app: {missing.name} is not installed; pip install 'emoengine[ray]'") from None

_STATUS = {InputError: 400, ArgumentError: 400, BusyError: 503, DeadlineError: 504}
_FIELDS = ("image", "audio", "face", "relative", "passes", "detail", "intensity")


class Server:
    """A replica. Requests that it works on at a time share the engine's batches."""

    def __init__(self, batch: int, batch_wait_s: float, timeout_s: float, **engine: Any) -> None:
        self._timeout_s = timeout_s
        self._engine = Engine(**engine, max_batch=batch, max_wait_s=batch_wait_s)

    async def __call__(self, request: Request) -> Response:
        try:
            async with request.form() as form:
                return Response(await self._picture(dict(form)), media_type="image/png")
        except Error as error:
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
            return JSONResponse({"error": str(error)}, status)

    async def _picture(self, form: dict[str, UploadFile | str]) -> bytes:
        unknown = [name for name in form if name not in _FIELDS]
        if unknown:
            raise ArgumentError(f"`{unknown[0]}`: is no field of the form; they are {', '.join(_FIELDS)}")
        result = await self._engine.arun(
            await _file(form, "image"),
            await _file(form, "audio"),
            face=_value(form, "face", lambda text: text if text in ("largest", "all") else int(text), "largest"),
            relative=_value(form, "relative", {"on": True, "off": False}.__getitem__, False),
            passes=_value(form, "passes", int, 1),
            detail=_value(form, "detail", str, "auto"),
            intensity=_value(form, "intensity", float, 1.0),
            timeout=self._timeout_s,
        )
        return _codec.encode(result.image, False, "png")


async def _file(form: dict[str, UploadFile | str], name: str) -> bytes:
    file = form.get(name)
    if not isinstance(file, UploadFile):
        raise ArgumentError(f"`{name}`: {'a text' if file else 'nothing'} came; a file is needed")
    content: bytes = await file.read()
    return content


def _value(form: dict[str, UploadFile | str], name: str, kind: Any, otherwise: Any) -> Any:
    text = form.get(name, "")
    try:
        return kind(text) if text else otherwise
    except (KeyError, TypeError, ValueError):
        raise ArgumentError(f"`{name}`: {text!r} cannot be used") from None


def app(options: dict[str, Any]) -> serve.Application:
    """The application, for `serve run`, serve.run() and Serve's YAML.

    threads        of a replica's engine, and the CPUs that Ray sets aside for it [1]
    gpus           of a replica, 0 or 1 [0]
    min_replicas, max_replicas  between which Ray scales by the requests that wait [1, 1]
    batch          faces at a time [8]
    batch_wait_s   for a batch to fill [0.01]
    max_queue      requests that wait; beyond them 503 is the answer at once [100]
    timeout_s      of a request [30]
    generator, speech, lite, research, precision  as Engine's
    """
    known: dict[str, Any] = {
        **{"threads": 1, "gpus": 0, "min_replicas": 1, "max_replicas": 1, "batch": 8, "batch_wait_s": 0.01},
        **{"max_queue": 100, "timeout_s": 30.0, "generator": None, "speech": None, "lite": False, "research": False},
        "precision": "best",
    }
    for name, value in options.items():
        if name not in known:
            raise ArgumentError(f"serve_app: `{name}` is no option; they are {', '.join(known)}")
        if isinstance(value, str) and isinstance(known[name], (int, float)):  # the command line gives text
            try:
                value = json.loads(value.lower())  # 4, 0.5, true
            except ValueError:
                raise ArgumentError(f"serve_app: `{name}`: {value!r} came; a number is needed") from None
        known[name] = value

    batch = known["batch"]
    deployment = serve.deployment(
        name="emoengine",
        max_ongoing_requests=2 * batch,  # one batch is drawn while the next fills
        max_queued_requests=known["max_queue"],
        autoscaling_config=AutoscalingConfig(
            min_replicas=known["min_replicas"], max_replicas=known["max_replicas"], target_ongoing_requests=batch
        ),
        ray_actor_options={"num_cpus": known["threads"], "num_gpus": known["gpus"]},
    )(Server)
    engine = {name: known[name] for name in ("generator", "speech", "lite", "research", "precision", "threads")}
    engine["backend"] = "cuda" if known["gpus"] else "cpu"
    return deployment.bind(batch, known["batch_wait_s"], known["timeout_s"], **engine)
