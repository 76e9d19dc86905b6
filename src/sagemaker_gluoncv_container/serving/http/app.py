"""The HTTP side: routes, error answers, and the log line of a request."""

import logging
import time
import uuid

from flask import Flask, Response, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from ...errors import ContainerError, InvocationError, NotReady, Overloaded
from .. import metrics
from ..settings import ServingSettings
from ..workers.models import Models
from ..workers.registry import Model
from . import registration
from .connection import BEGAN
from .invocation import ATTRIBUTES, INFERENCE_ID, Invocations

logger = logging.getLogger(__name__)

_QUIET = ("/ping", "/metrics")
_PAGE = 100


def create_app() -> Flask:
    """Return the app for the environment's settings, and start its workers. Raises ClientError."""
    settings = ServingSettings.from_environment()
    models = Models(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_payload
    # The name of a model may hold slashes, also two in a row.
    app.url_map.merge_slashes = False
    app.extensions["dispatcher"] = models.dispatcher
    _add_platform_routes(app, settings, models)
    _add_invocation_routes(app, settings, models)
    if settings.multi_model:
        _add_model_routes(app, models)
    _add_error_handlers(app, settings)
    _add_log(app, settings)
    return app


def _add_platform_routes(app: Flask, settings: ServingSettings, models: Models) -> None:
    @app.get("/ping")
    def ping() -> Response:
        """Answer 200 with an empty body while some worker can answer; a multi-model endpoint may be empty."""
        if not models.dispatcher.ready:
            raise NotReady("No worker can answer yet", do="Ask again in a second")
        return Response(status=200)

    @app.get("/execution-parameters")
    def execution_parameters() -> Response:
        """Tell batch transform how to call us."""
        return jsonify(
            MaxConcurrentTransforms=settings.max_concurrent_transforms,
            BatchStrategy=settings.batch_strategy,
            MaxPayloadInMB=settings.transform_payload_mb,
        )

    @app.get("/metrics")
    def prometheus() -> Response:
        """Answer Prometheus."""
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _add_invocation_routes(app: Flask, settings: ServingSettings, models: Models) -> None:
    invocations = Invocations(settings, models)

    @app.post("/invocations")
    def invoke() -> Response:
        """Answer the class probabilities of a picture, or of many."""
        g.note = {}
        return invocations.answer(request, "", g.note)

    @app.post("/models/<path:name>/invoke")
    def invoke_model(name: str) -> Response:
        """Answer from one model of a multi-model endpoint."""
        g.note = {"model": name}
        return invocations.answer(request, name, g.note)


def _add_model_routes(app: Flask, models: Models) -> None:
    def shown(model: Model) -> dict[str, str]:
        return {"modelName": model.name, "modelUrl": model.url}

    @app.post("/models")
    def load() -> Response:
        """Load a model."""
        models.load(*registration.parse(request.get_data(cache=False)))
        return jsonify(status="loaded")

    @app.get("/models")
    def page() -> Response:
        """List the loaded models."""
        token = request.args.get("next_page_token") or request.args.get("nextPageToken") or ""
        shown_models, following = models.page(token, max(1, request.args.get("limit", _PAGE, int)))
        answer: dict[str, object] = {"models": [shown(model) for model in shown_models]}
        return jsonify({**answer, "nextPageToken": following} if following else answer)

    @app.get("/models/<path:name>")
    def one(name: str) -> Response:
        """Show a loaded model."""
        return jsonify(shown(models.get(name)))

    @app.delete("/models/<path:name>")
    def unload(name: str) -> Response:
        """Unload a model."""
        models.unload(name)
        return jsonify(status="unloaded")


def _add_error_handlers(app: Flask, settings: ServingSettings) -> None:
    @app.errorhandler(ContainerError)
    def refused(error: ContainerError) -> tuple[Response, int]:
        answer = jsonify(error=str(error))
        if isinstance(error, Overloaded | NotReady):
            answer.headers["Retry-After"] = "1"
        return answer, error.status if isinstance(error, InvocationError) else 500

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> tuple[Response, int]:
        code = error.code or 500
        message = f"The body is over {settings.max_payload >> 20} MiB." if code == 413 else error.description
        return jsonify(error=message), code

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[Response, int]:
        logger.exception("A request failed: %s", error)
        return jsonify(error="The server failed on this request. Its log says why."), 500


def _add_log(app: Flask, settings: ServingSettings) -> None:
    @app.before_request
    def started() -> None:
        g.began = request.environ.get(BEGAN) or time.monotonic()

    @app.after_request
    def finished(response: Response) -> Response:
        for header in (ATTRIBUTES, INFERENCE_ID):
            if header in request.headers:
                response.headers[header] = request.headers[header]
        if request.path in _QUIET:
            return response
        seconds = time.monotonic() - g.began
        metrics.REQUESTS.labels(response.status_code).inc()
        metrics.LATENCY.observe(seconds)
        if settings.embedded_metrics:
            metrics.embed(response.status_code, seconds)
        request_id = request.headers.get(INFERENCE_ID) or request.headers.get("X-Amzn-RequestId") or uuid.uuid4().hex
        note = {**g.get("note", {}), "ms": round(seconds * 1000, 1), "status": response.status_code}
        if response.status_code >= 400:
            note["error"] = (response.get_json(silent=True) or {}).get("error")
        logger.info("%s %s", request.method, request.path, extra={"fields": {"request_id": request_id, **note}})
        return response
