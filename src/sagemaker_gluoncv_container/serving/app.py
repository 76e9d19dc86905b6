"""The HTTP side: /ping and /invocations. Each gunicorn worker makes one app, and its model, after the fork."""

import logging
import os
import threading

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from .. import artifact
from ..contract import ServingSettings
from ..errors import InvocationError, NotReady
from . import codecs
from .predictor import Predictor

logger = logging.getLogger(__name__)

# gunicorn's exit code for "the app cannot be loaded": the whole server ends instead of starting workers for ever.
_APP_LOAD_ERROR = 4


class Model:
    """The worker's predictor, which is loaded beside the first pings."""

    def __init__(self, settings: ServingSettings) -> None:
        self._settings = settings
        self._loaded = threading.Event()
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def _load(self) -> None:
        try:
            self._predictor = Predictor(artifact.load(self._settings.model_dir))
            self._loaded.set()
        except Exception as error:
            logger.exception("The model in %s cannot be loaded: %s", self._settings.model_dir, error)
            os._exit(_APP_LOAD_ERROR)

    def predictor(self, wait_seconds: float) -> Predictor:
        """Return the predictor once it is loaded and has answered its warm-up picture.

        Raises NotReady if that takes longer than `wait_seconds`.
        """
        if not self._loaded.wait(wait_seconds):
            raise NotReady("the model is not loaded yet", do="Ask again in a second")
        return self._predictor


def create_app() -> Flask:
    """Return the app, which loads the model of the environment's settings."""
    settings = ServingSettings.from_environment()
    model = Model(settings)
    app = Flask(__name__)

    @app.get("/ping")
    def ping() -> Response:
        """Answer 200 with an empty body once the model can answer."""
        model.predictor(wait_seconds=0)
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        """Answer the class probabilities of one picture. Type and Accept are checked before anything is computed."""
        codecs.check_type(request.mimetype)
        content_type, encode = codecs.negotiate(request.accept_mimetypes, settings.batch_transform)
        # Another worker may have answered the ping; this one's first clients wait for its model.
        predictor = model.predictor(settings.timeout_seconds)
        probabilities = predictor.predict(codecs.decode(request.get_data(cache=False)))
        return Response(encode(probabilities), content_type=content_type)

    @app.errorhandler(InvocationError)
    def refused(error: InvocationError) -> tuple[Response, int]:
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[Response, int]:
        logger.exception("A request failed: %s", error)
        return jsonify(error="the server failed on this request; its log says why"), 500

    return app
