"""Base class of all models: a mixture in, an estimate of each source out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import ops

from tfsep import presets
from tfsep.checks import check_integer
from tfsep.files import is_file_name
from tfsep.losses import MeanAbsoluteAndSquaredError, total
from tfsep.metrics import SISDR, SilentReferences
from tfsep.models.exporting import export_model
from tfsep.models.frozen import freeze, frozen
from tfsep.models.preset_files import load_preset, save_preset
from tfsep.portable.facts import SONG_RULES

if keras.backend.backend() == "tensorflow":
    from tfsep.models.tensorflow_steps import TensorFlowSteps as _Steps
else:
    # JAX trains with Keras's own step, which calls `compute_loss`.
    from tfsep.models.jax_steps import JAXSteps as _Steps


# Networks receive all mixtures at this level, so that soft and loud songs are treated alike.
_LEVEL = 0.1
_LEVEL_FLOOR = 1e-4


class Separator(_Steps, keras.Model):
    """Base class of all models: sources, sample rate, lengths, level, losses, metrics, export.

    A subclass builds its network in its constructor and defines how a window of the mixture becomes estimates in the
    domain of the loss (`estimate`), how references are brought to this domain (`targets`), and how estimates become
    audio (`synthesize`). A network from waveform to waveform needs `estimate` only. Layers may also be built at the
    first call or by a `build` method.

    A window contains `segment + 2 * context` samples of the mixture; estimates are of its centre of `segment` samples.

    Args:
        sources: names of the sources to estimate.
        sample_rate: int, samples per second of the audio.
        channels: int, channels of the audio.
        segment: int, samples estimated at a time.
        context: int, further samples that the network needs on each side. Defaults to 0.
        wiener_iterations: int, iterations of the Wiener filter by which `tfsep.separate` refines the estimates unless
            told otherwise; exported models do without. Defaults to 0.
        dtype: Keras dtype or policy of the network. STFTs, losses and masks are float32 under any policy.

    Raises:
        ValueError: if there are no sources or repeated ones, or a number is not a positive integer.

    Example:

    >>> class Half(tfsep.models.Separator):
    ...     def estimate(self, window, training=False):
    ...         return {name: 0.5 * self.centre(window) for name in self.sources}
    >>> model = Half(("vocals", "accompaniment"), sample_rate=8000, channels=1, segment=4096)
    >>> estimates = model(np.ones((1, 10000, 1), "float32"))  # any length
    >>> estimates["vocals"].shape
    TensorShape([1, 10000, 1])
    """

    # How songs are cut and joined (`tfsep.separation`). Models of other projects have the rules of their originals.
    overlap = 0.25  # default fraction of a segment that overlaps the next
    batch_size = 4  # default number of segments at a time
    fade = "overlap"  # cross-fade: over the overlap, "triangle", "tenth" of the segment, or "frames" (already faded)
    edges = "zeros"  # beyond the ends: "zeros", "centred" (a short last segment too), or "reflect" (the mirrored song)
    normalize_song = False  # normalize the whole song to mean 0 and deviation 1, and undo both in the estimates
    lead = 0  # zeros before a song, in samples; for "frames", where the last frames of a segment are in the next one
    longest_segment = 0  # samples up to which a song is a single segment

    adds_up = False  # whether the estimates add up to the mixture

    # Whether the network takes segments only. Longer audio is then estimated segment by segment, side by side.
    fixed_length = False

    # Samples of which every segment is a multiple.
    segment_step = 1

    # Whether songs are cut into segments that the user chose, even if the model could take them as a whole.
    in_segments = False

    # Whether `context` is not an option: it is 0, or follows from the network.
    fixed_context = False

    def __init__(
        self,
        sources: Sequence[str],
        sample_rate: int,
        channels: int,
        segment: int,
        context: int = 0,
        wiener_iterations: int = 0,
        **kwargs,
    ):
        # Keras must not cast the waveform to half precision: the network casts at its own border.
        super().__init__(autocast=False, **kwargs)
        names = () if isinstance(sources, str) else tuple(sources or ())
        if not names or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"sources must be one or more different names. Received: sources={sources!r}.")
        if not all(map(is_file_name, names)):
            raise ValueError(f"sources must have names that files can have. Received: sources={sources!r}.")
        check_integer("sample_rate", sample_rate)
        check_integer("channels", channels)
        check_integer("segment", segment)
        check_integer("context", context, least=0)
        check_integer("wiener_iterations", wiener_iterations, least=0)
        if self.fixed_context and context:
            raise ValueError(f"{type(self).__name__} takes no context. Received: context={context}.")
        self.sources = names
        self.sample_rate = int(sample_rate)
        self.channels = int(channels)
        self.segment = int(segment)
        self.context = int(context)
        self.wiener_iterations = int(wiener_iterations)
        self.input_spec = keras.InputSpec(ndim=3, axes={-1: self.channels})
        self.frozen_when_saved = []
        # Licence and training data of the weights, as a preset states them.
        self.terms = {}
        self.default_loss = MeanAbsoluteAndSquaredError()
        self.source_losses = [keras.metrics.Mean(name=f"{name}_loss") for name in self.sources]
        self.source_si_sdrs = [SISDR(name=f"{name}_si_sdr") for name in self.sources]
        self.source_improvements = [SISDR(name=f"{name}_si_sdr_improvement") for name in self.sources]
        self.silent_references = SilentReferences(name="silent_references")

    # What a subclass defines.

    def estimate(self, window, training: bool = False) -> dict:
        """Estimate sources in the domain of the loss from a window `[batch, segment + 2 * context, channels]`."""
        raise NotImplementedError

    def targets(self, sources: dict) -> dict:
        """Bring references over a window to the domain of the loss, centre only."""
        return {name: self.centre(sources[name]) for name in self.sources}

    def synthesize(self, estimates: dict, window) -> dict:
        """Convert estimates in the domain of the loss to waveforms of the window's centre."""
        return estimates

    def source_weights(self) -> dict[str, list[tuple]]:
        """Return the weights of each source as pairs of a variable and an index, for fine-tuning with other sources.

        Sources without weights of their own are left out. Defaults to none.
        """
        return {}

    # What all models do.

    def call(self, inputs, training: bool | None = None, loss_domain: bool | None = None) -> dict:
        """Separate a mixture `[batch, samples, channels]` of any length into a dict from source to audio of its shape.

        With `loss_domain=True` (defaults to `training`), inputs are windows and estimates stay in the domain of the
        loss.
        """
        inputs = self._checked(inputs)
        if training if loss_domain is None else loss_domain:
            return self.estimate(inputs, training=bool(training))
        if self.fixed_length:
            return self._separate_segments(inputs)
        pad = [[0, 0], [self.context, self.context], [0, 0]]
        return self.separate_window(ops.pad(inputs, pad))

    def _separate_segments(self, inputs) -> dict:
        """Separate segment by segment, for networks of a fixed length; the last segment is padded with zeros."""
        batch, samples = ops.shape(inputs)[0], ops.shape(inputs)[1]
        count = -(-samples // self.segment)
        padding = [self.context, count * self.segment - samples + self.context]
        padded = ops.pad(inputs, [[0, 0], padding, [0, 0]])
        places = ops.arange(self.segment + 2 * self.context) + self.segment * ops.arange(count)[:, None]
        windows = ops.transpose(ops.take(padded, places, axis=1), (1, 0, 2, 3))
        waveforms = ops.map(self.separate_window, windows)

        def joined(segments):
            whole = ops.reshape(ops.transpose(segments, (1, 0, 2, 3)), (batch, count * self.segment, self.channels))
            return whole[:, :samples]

        return {name: joined(waveforms[name]) for name in self.sources}

    def separate_window(self, window) -> dict:
        """Separate a mixture of any length with `context` samples on each side into waveforms of its centre."""
        window = self._checked(window)
        estimates = self.estimate(window, training=False)
        waveforms = self.synthesize(estimates, window)
        return {name: ops.cast(waveforms[name], "float32") for name in self.sources}

    def _checked(self, mixture):
        """Check the shape of a mixture. Keras itself lets axes pass that a trace has left open."""
        shape = tuple(mixture.shape) if mixture.shape is not None else (None,) * 3
        if len(shape) != 3 or shape[2] not in (None, self.channels):
            raise ValueError(
                f"The mixture must be [batch, samples, channels={self.channels}]. Received: shape={shape}."
            )
        return self._assert_channels(mixture) if shape[2] is None else mixture

    def ensure_built(self) -> None:
        """Build layers without weights by estimating a window of silence."""
        if not all(layer.built for layer in self._flatten_layers()):
            self(ops.zeros((1, self.segment, self.channels)), training=False)

    def centre(self, window):
        """Cut off the context on both sides of `[batch, samples, channels]`."""
        return window[:, self.context : ops.shape(window)[1] - self.context]

    def normalize(self, window) -> tuple:
        """Bring a mixture to the level of the network; return it and the gain to apply to the output."""
        window = ops.cast(window, "float32")
        power = ops.mean(ops.square(window), axis=(1, 2), keepdims=True)
        # The square of the floor itself would be zero in half precision, in which LiteRT can store constants.
        gain = ops.sqrt(ops.maximum(power / _LEVEL_FLOOR, _LEVEL_FLOOR)) * (_LEVEL_FLOOR**0.5 / _LEVEL)
        return window / gain, gain

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Sum the loss over sources; it receives references and estimates stacked as `[batch, source, ...]`.

        The loss is that of `compile`, else the published one. As in Keras, `self.losses`, those of regularizers and
        `add_loss`, are added.
        """
        if sample_weight is not None:
            raise ValueError("Separators take no sample weights. Give batches of (mixture, sources).")
        given = list(y) if isinstance(y, dict) else []
        if not set(self.sources) <= set(given):
            raise ValueError(
                f"The references must be a dict with the audio of {list(self.sources)}. Received: "
                f"{given or type(y).__name__}."
            )
        targets = self.targets(y)
        references = ops.stack([ops.cast(targets[name], "float32") for name in self.sources], axis=1)
        estimates = ops.stack([ops.cast(y_pred[name], "float32") for name in self.sources], axis=1)
        if None not in (*references.shape, *estimates.shape) and references.shape != estimates.shape:
            raise ValueError(
                "References and estimates must have one shape, [batch, source, ...], in the domain of the loss. "
                f"Received: references {tuple(references.shape)}, estimates {tuple(estimates.shape)}."
            )
        values = self._loss_values(references, estimates)
        per_source = ops.mean(ops.reshape(ops.swapaxes(values, 0, 1), (len(self.sources), -1)), axis=1)
        for index, tracker in enumerate(self.source_losses):
            tracker.update_state(per_source[index], sample_weight=ops.shape(references)[0])
        return ops.sum(per_source) + total(self.losses)

    def fit(self, x=None, *args, callbacks=None, shuffle=None, **kwargs):
        """Train the model, see `keras.Model.fit`.

        For callbacks with `mode="auto"`, a higher SI-SDR and a lower value of anything else is better. `shuffle`
        defaults to True for arrays; a dataset has its own order.
        """
        modes = {metric.name: "max" if isinstance(metric, SISDR) else "min" for metric in self.metrics}
        for callback in keras.tree.flatten(callbacks):
            if getattr(callback, "mode", None) == "auto":
                callback.mode = modes.get(callback.monitor.removeprefix("val_"), "auto")
        if hasattr(x, "next_epoch"):  # excerpts under JAX
            start = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: x.next_epoch())
            callbacks = [start, *keras.tree.flatten(callbacks or [])]
        # Keras's own default, True, would reorder a PyDataset and warns about others.
        if shuffle is None:
            shuffle = not hasattr(x, "element_spec") and not isinstance(x, keras.utils.PyDataset)
        return super().fit(x, *args, callbacks=callbacks, shuffle=shuffle, **kwargs)

    def _loss_values(self, references, estimates):
        loss = self._compiled_loss()
        # A Loss object's `call` is the loss before the mean over the batch, which would mix the sources.
        values = ops.convert_to_tensor(
            (loss.call if isinstance(loss, keras.losses.Loss) else loss)(references, estimates)
        )
        if len(values.shape) < 2 or values.shape[1] != references.shape[1]:
            raise ValueError(
                "The loss must keep the axes of examples and sources: a value for each element, or a mean over the "
                f"later axes. Received: shape={tuple(values.shape)} for {references.shape[1]} sources, from {loss}."
            )
        return values

    def _compiled_loss(self):
        """Return the loss of `compile`, else the published one."""
        if isinstance(self.loss, dict | list | tuple):
            raise ValueError(
                "loss must be one loss for all sources, which receives them stacked as [batch, source, ...]. Received: "
                f"loss={self.loss!r}."
            )
        loss = self.default_loss if self.loss is None else keras.losses.get(self.loss)
        names = getattr(loss, "sources", self.sources)
        if tuple(names) != self.sources:
            raise ValueError(f"The loss is for {list(names)}. The model's sources are {list(self.sources)}.")
        return loss

    def make_train_function(self, force: bool = False):
        self._check_compiled()
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False):
        self._check_compiled()
        return super().make_test_function(force)

    def _check_compiled(self) -> None:
        given = self.get_compile_config()
        for name in ("loss_weights", "metrics", "weighted_metrics"):
            if given.get(name):
                raise ValueError(
                    f"Separators take no {name}: they report the loss and SI-SDR of each source. Received: "
                    f"{name}={given[name]!r}. Compile without it."
                )
        self._compiled_loss()

    def compute_metrics(self, x=None, y=None, y_pred=None, sample_weight=None) -> dict:
        """Return the mean losses, which a training step reports."""
        return _results((self._loss_tracker, *self.source_losses))

    def validate(self, data) -> dict:
        """Compute the losses of a batch and the SI-SDR of its waveforms, which a test step reports."""
        mixture, sources, weights = keras.utils.unpack_x_y_sample_weight(data)
        estimates = self(mixture, training=False, loss_domain=True)
        loss = self.compute_loss(mixture, sources, estimates, weights, training=False)
        logs = self._log_loss(loss, mixture)
        waveforms = self.synthesize(estimates, mixture)
        for index, name in enumerate(self.sources):
            reference = self.centre(sources[name])
            self.source_si_sdrs[index].update_state(reference, waveforms[name])
            self.source_improvements[index].update_state(reference, waveforms[name], self.centre(mixture))
            self.silent_references.update_state(reference)
        return logs | _results((*self.source_si_sdrs, *self.source_improvements, self.silent_references))

    def _log_loss(self, loss, mixture) -> dict:
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(mixture)[0])
        return self.compute_metrics()

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            sources=list(self.sources),
            sample_rate=self.sample_rate,
            channels=self.channels,
            segment=self.segment,
            context=self.context,
            wiener_iterations=self.wiener_iterations,
        )
        if names := frozen(self):
            config["frozen"] = names
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Separator:
        config = dict(config)
        names = config.pop("frozen", None)
        model = super().from_config(config, custom_objects)
        # Before its optimizer, whose state has the trained weights only.
        model.ensure_built()
        if names:
            freeze(model, names)
            model.frozen_when_saved = names
        return model

    def save_own_variables(self, store) -> None:
        # Keras calls this before saving the layers.
        self.ensure_built()
        super().save_own_variables(store)

    def save_weights(self, *args, **kwargs) -> None:
        self.ensure_built()
        super().save_weights(*args, **kwargs)

    def load_weights(self, *args, **kwargs) -> None:
        self.ensure_built()
        super().load_weights(*args, **kwargs)

    def with_segment(self, seconds: float) -> Separator:
        """Return a model with the same weights that separates songs in segments of another length.

        Args:
            seconds: float, length of a segment, rounded to what the network takes.

        Raises:
            ValueError: if the network does not take such a segment.
        """
        refusal = (
            f"{type(self).__name__} does not take segments of {seconds:g} s. Its own have "
            f"{self.segment / self.sample_rate:.3g} s"
        )
        samples = self.segment_step * max(1, round(seconds * self.sample_rate / self.segment_step))
        if self.fixed_length and samples > self.segment:
            raise ValueError(f"{refusal}, and no longer ones were in its training.")
        try:
            model = type(self).from_config(self.get_config() | {"segment": samples})
        except ValueError as error:
            raise ValueError(f"{refusal}. {error}") from error
        if [weight.shape for weight in model.weights] != [weight.shape for weight in self.weights]:
            raise ValueError(f"{refusal}, for which its weights were made.")
        model.set_weights(self.get_weights())
        model.in_segments = True
        return model

    # Default learning rate of `tfsep train`.
    default_learning_rate = 1e-3

    def default_optimizer(self, learning_rate, **arguments) -> keras.optimizers.Optimizer:
        """Return the default optimizer of a training run, Adam; see `keras.optimizers.Adam` for the arguments."""
        return keras.optimizers.Adam(learning_rate, **arguments)

    def save_to_preset(self, folder: str | Path, card: str = "", *, half: bool = True, **facts) -> None:
        """Write the model as a preset folder: `config.json`, `model.weights.h5` and the model card `README.md`.

        Args:
            folder: path of the folder; one that exists is replaced.
            card: str, text of the model card, in Markdown. Defaults to `""`, an empty card.
            half: bool. Store weights as float16. Defaults to True.
            **facts: further entries of `config.json`, such as `scores` or `licence`.

        Raises:
            ValueError: if a weight is not finite in half precision.
        """
        save_preset(self, folder, card, half=half, **facts)

    @classmethod
    def from_preset(cls, preset: str | Path) -> Separator:
        """Load a model from a preset folder, or from the name of a preset.

        Args:
            preset: path of a preset folder, such as `RUN/best`; else the name of a preset of the package, or of a
                published model that has been fetched.

        Returns:
            The model, an instance of this class.

        Raises:
            ValueError: if there is no such preset, or it contains a model of another class.
            RuntimeError: if it is damaged.

        Example:

        >>> model = tfsep.models.Separator.from_preset("convsep-4stems")
        >>> model.sources
        ('vocals', 'drums', 'bass', 'other')
        """
        model = load_preset(preset if Path(preset).exists() else presets.folder(str(preset)))
        if not isinstance(model, cls):
            raise ValueError(f"{preset} contains a {type(model).__name__}. Expected a {cls.__name__}.")
        return model

    def inference_copy(self) -> Separator:
        """Return an uncompiled copy without what only training needs, as presets contain it."""
        self.ensure_built()
        copy = self.from_config(self.get_config())
        copy.set_weights(self.get_weights())
        return copy

    def describe(self) -> dict:
        """Return what a program needs to run the model: sources, rate, channels, segment, context, rules for songs.

        Models from presets add the licence of the weights.
        """
        names = ("sample_rate", "channels", "segment", "context", *SONG_RULES)
        return {"sources": list(self.sources), **{name: getattr(self, name) for name in names}, **self.terms}

    def describe_any_length(self) -> dict:
        """Return as `describe` what a program needs to run the model as a function of audio of any length."""
        return self.describe()

    def export(
        self,
        filepath: str | Path,
        format: str = "tf_saved_model",
        verbose: bool = False,
        weights: str = "float32",
    ) -> None:
        """Write the model for other programs, which need no tfsep: waveform in, `{source: waveform}` out.

        `tfsep.load_model` and `-m` take the result as well.

        - `"tf_saved_model"`: a folder for TensorFlow. The endpoints `separate` and `serving_default` take float32
          `[batch, samples, channels]` at `sample_rate`, for any batch and length. The file `assets.extra/tfsep.json`
          contains the facts of `describe`.
        - `"onnx"`: a file for onnxruntime and others, opset 18; needs the extra `onnx`. The input `mixture` is
          `[1, segment + 2 * context, channels]`, each output `[1, segment, channels]`. The facts are the entry `tfsep`
          of the file's metadata, in JSON.
        - `"litert"`: a file for LiteRT (TensorFlow Lite), of builtin operations only; the signature is that of ONNX.
          `unzip -p FILE tfsep.json` prints the facts. To load it again needs the extra `litert`.

        Args:
            filepath: path of a folder, or of a file `.onnx` or `.tflite`, which must not exist.
            format: str, see above. Defaults to `"tf_saved_model"`.
            verbose: bool, print the endpoints of a SavedModel. Defaults to False.
            weights: str, `"float32"`; or for LiteRT `"float16"` (half the size), or `"int8"` (a quarter; inputs of
                layers are rounded as well, which costs quality). Defaults to `"float32"`.

        Raises:
            FileExistsError: if `filepath` exists.
            ValueError: if `format` or `weights` is another one, or the file has another suffix.
            RuntimeError: if the format has no operation that the model needs, or a package is not installed.

        Example:

        >>> model = tfsep.models.UNet(filters=1, depth=0)
        >>> model.export("unet-vocals")
        >>> model.export("unet.lite", format="litert")
        Traceback (most recent call last):
        ValueError: The name of a file in the format litert must end in .tflite. Received: unet.lite.
        """
        export_model(self, Path(filepath), format, weights, verbose)


def _results(metrics: Sequence[keras.Metric]) -> dict:
    return {metric.name: metric.result() for metric in metrics}


def channel_blocks(layer: keras.Layer, sources: Sequence[str], size: int) -> dict[str, list[tuple]]:
    """Return `Separator.source_weights` of a layer with `size` channels for each source, in their order."""
    parts = [(..., slice(index * size, (index + 1) * size)) for index in range(len(sources))]
    return {name: [(weight, part) for weight in layer.weights] for name, part in zip(sources, parts, strict=True)}
