"""The models of a multi-model endpoint: loaded and unloaded while it runs.

Source: "Build your own container for SageMaker AI multi-model endpoints" in the SageMaker developer guide.
"""

import logging
import threading
from pathlib import Path

from ... import machine, model_folder
from ...errors import ContainerError, ModelLoaded, ModelNotFound, NoMemory
from ..settings import ServingSettings
from .dispatcher import Dispatcher
from .registry import Model

logger = logging.getLogger(__name__)

# What a loaded net takes for each byte of its parameters: them, their fused copy, and what it computes with. Measured
# on ResNet-18 to -50; docs/serving.md.
_MEMORY_FACTOR = 3
# More than any list of models has entries.
_TOKEN_DIGITS = 9


class Models:
    """What clients may do with models. An endpoint of one model has it under the name ""."""

    def __init__(self, settings: ServingSettings) -> None:
        """Look at the model that the endpoint is for, if it is for one, and start the workers. Raises ClientError."""
        self._settings = settings
        # One load or unload at a time.
        self._lock = threading.Lock()
        self.dispatcher = Dispatcher(settings, [] if settings.multi_model else [self._found("", settings.model_dir)])
        self._registry = self.dispatcher.registry

    def _found(self, name: str, directory: Path) -> Model:
        try:
            found = model_folder.load(directory, self._settings.preprocessing)
            return Model(name, str(directory), found, found.params.stat().st_size)
        except OSError as error:
            raise ContainerError(f"The model in {directory} cannot be read", error.strerror or str(error)) from error

    def get(self, name: str, use: bool = False) -> Model:
        """Return a loaded model, if `use` as the most recently used one. Raises ModelNotFound."""
        return self._registry.get(name, use)

    def load(self, name: str, url: str) -> None:
        """Load a model from a directory into every worker, making room by unloading the least recently used.

        Raises ModelLoaded, NoMemory, WorkerLost, or ContainerError if there is no model that can be loaded. Then no
        worker holds it.
        """
        with self._lock:
            if self._is_loaded(name):
                raise ModelLoaded(f"Model {name!r} is loaded already", do="Unload it first with DELETE /models/<name>")
            model = self._found(name, Path(url))
            self._make_room(model.params_bytes)
            self._registry.load(model, self._settings.startup_seconds)

    def _is_loaded(self, name: str) -> bool:
        try:
            self.get(name)
        except ModelNotFound:
            return False
        return True

    def _make_room(self, params_bytes: int) -> None:
        each = _MEMORY_FACTOR * self._settings.workers
        needed = each * params_bytes
        while (available := machine.memory_available()) < needed:
            loaded = self._registry.ready()
            # What would not fit even without all the others is no reason to unload them.
            if needed > available + each * sum(model.params_bytes for model in loaded):
                what = f"The model needs about {needed >> 20} MiB of memory"
                raise NoMemory(what, f"Only {available >> 20} MiB are free", "Use an instance with more memory")
            logger.info("Unloading model %r, the least recently used, to free memory", loaded[0].name)
            self._registry.unload(loaded[0], self._settings.startup_seconds)

    def unload(self, name: str) -> None:
        """Unload a model; its memory is free when this returns. Raises ModelNotFound, WorkerLost."""
        with self._lock:
            self._registry.unload(self.get(name), self._settings.startup_seconds)

    def page(self, token: str, limit: int) -> tuple[list[Model], str | None]:
        """Return up to `limit` models from the place that the token of an earlier page names, and the next token."""
        # A token that was not ours names the first page.
        start = int(token) if token.isdecimal() and len(token) <= _TOKEN_DIGITS else 0
        models = sorted(self._registry.ready(), key=lambda model: model.name)
        end = start + limit
        return models[start:end], str(end) if end < len(models) else None
