"""The models of a multi-model endpoint: loaded and unloaded while it runs.

Source: "Build your own container for SageMaker AI multi-model endpoints" in the SageMaker developer guide.
"""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from ... import artifact, machine
from ...artifact import Artifact
from ...errors import BadRequest, ContainerError, ModelLoaded, ModelNotFound, NoMemory
from .. import metrics
from ..settings import ServingSettings
from .dispatcher import Dispatcher

logger = logging.getLogger(__name__)

# What a loaded net takes for each byte of its parameters: them, their fused copy, and what it computes with. Measured
# on ResNet-18 to -50; docs/serving.md.
_MEMORY_FACTOR = 3


@dataclass(frozen=True)
class LoadedModel:
    """A model that can be invoked, under its name in the platform's words."""

    name: str
    url: str
    artifact: Artifact
    params_bytes: int


class Models:
    """The loaded models by name, least recently used first. An endpoint of one model has it under the name ""."""

    def __init__(self, settings: ServingSettings) -> None:
        """Look at the model that the endpoint is for, if it is for one, and start the workers. Raises ClientError."""
        self._settings = settings
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        # One load or unload at a time; `_loaded` itself changes only in single steps.
        self._lock = threading.Lock()
        if not settings.multi_model:
            self._add("", settings.model_dir)
        self.dispatcher = Dispatcher(settings, {model.name: Path(model.url) for model in self._loaded.values()})

    def _add(self, name: str, directory: Path) -> LoadedModel:
        found = artifact.load(directory, self._settings.preprocessing)
        model = LoadedModel(name, str(directory), found, found.params.stat().st_size)
        self._loaded[name] = model
        metrics.MODELS.set(len(self._loaded))
        return model

    def get(self, name: str, use: bool = False) -> LoadedModel:
        """Return a loaded model, if `use` as the most recently used one. Raises ModelNotFound."""
        try:
            if use:
                self._loaded.move_to_end(name)
            return self._loaded[name]
        except KeyError:
            raise ModelNotFound.named(name) from None

    def load(self, name: str, url: str) -> None:
        """Load a model from a directory into every worker, making room by unloading the least recently used.

        Raises ModelLoaded, NoMemory, or ContainerError if there is no model that can be loaded.
        """
        if not name or not url:
            raise BadRequest("model_name or url is missing", do='Send {"model_name": "...", "url": "<a directory>"}')
        with self._lock:
            if name in self._loaded:
                raise ModelLoaded(f"model {name!r} is loaded already", do="Unload it first with DELETE /models/<name>")
            found = artifact.load(Path(url), self._settings.preprocessing)
            self._make_room(found.params.stat().st_size)
            answers = self.dispatcher.broadcast("load", name, url, self._settings.preprocessing)
            errors = [answer for answer in answers if isinstance(answer, ContainerError)]
            if errors:
                self.dispatcher.broadcast("unload", name)
                raise ContainerError(errors[0].what, errors[0].why, errors[0].do)
            self._add(name, Path(url))
            self.dispatcher.models[name] = Path(url)
            for answer in answers:
                self.dispatcher.note(name, answer)

    def _make_room(self, params_bytes: int) -> None:
        each = _MEMORY_FACTOR * self._settings.workers
        needed = each * params_bytes
        while (available := machine.memory_available()) < needed:
            # What would not fit even without all the others is no reason to unload them.
            if needed > available + each * sum(model.params_bytes for model in self._loaded.values()):
                what = f"the model needs about {needed >> 20} MiB of memory"
                raise NoMemory(what, f"{available >> 20} are free", "Take an instance with more memory")
            oldest = next(iter(self._loaded))
            logger.info("Unloading model %r, the least recently used, for want of memory", oldest)
            self._remove(oldest)

    def unload(self, name: str) -> None:
        """Unload a model; its memory is free when this returns. Raises ModelNotFound."""
        with self._lock:
            self.get(name)
            self._remove(name)

    def _remove(self, name: str) -> None:
        del self._loaded[name]
        self.dispatcher.models.pop(name, None)
        self.dispatcher.broadcast("unload", name)
        self.dispatcher.note(name, None)
        metrics.MODELS.set(len(self._loaded))

    def page(self, token: str, limit: int) -> tuple[list[LoadedModel], str | None]:
        """Return up to `limit` models from the place that the token of an earlier page names, and the next token."""
        start = int(token) if token.isdecimal() else 0
        models = sorted(self._loaded.values(), key=lambda model: model.name)
        end = start + limit
        return models[start:end], str(end) if end < len(models) else None
