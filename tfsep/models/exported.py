"""SavedModels, which are programs: those that do more than compute are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfsep.checks import reason
from tfsep.models.separator import Separator
from tfsep.portable.facts import FACTS, SONG_RULES, check_facts

# TensorFlow marks operations that do more than compute as stateful. Of these, the following only keep variables and
# arrays, draw random numbers, check values, or call functions, which are inspected as well.
_HARMLESS = re.compile(
    r"_?(VarHandleOp|ReadVariablesOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|VarIsInitializedOp|VariableShape"
    r"|DisableCopyOnRead|ResourceGather(Nd)?|StatefulPartitionedCall|If|While|Case|Assert|CheckNumerics(V2)?|Empty"
    r"|Random\w+|Stateful\w+|StatelessRandomGetAlg|Rng\w+|Multinomial|(Parameterized)?TruncatedNormal"
    r"|NonDeterministicInts|CudnnRNN(V2|V3)?|TensorArray\w*|Print(V2)?|DeviceIndex|Arg|Retval)"
)
# Not all operations that read files or run code are marked.
_SUSPECT = re.compile(
    r"File|Dataset|Iterator|Reader|PyFunc|Debug|Dump|Rpc|Send|Recv|Host|Infeed|Outfeed|Save|Restore|Checkpoint|Summary"
    r"|Remote|Symbolic|Xla|TPU|Table|Vocab"
)
# Operations of the function that stores the variables, which is not called here.
_SAVER = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}


class ExportedSeparator:
    """A model from a SavedModel that `Separator.export` has written.

    A SavedModel is a program. If its graph contains operations that read or write files, or run other code, it is
    refused before it is loaded.

    Args:
        path: path of the SavedModel.
        trust: bool, load it whatever its graph contains. Defaults to False.

    Raises:
        ValueError: if its graph contains such operations and `trust` is False.
        RuntimeError: if it is damaged.

    Example:

    >>> tfsep.models.UNet(filters=1, depth=0).export("exported")
    >>> model = tfsep.models.ExportedSeparator("exported")
    >>> model.sources
    ('vocals', 'drums')
    """

    def __init__(self, path: str | Path, trust: bool = False):
        import tensorflow as tf

        self._path = str(path)
        try:
            facts = _read_facts(path)
            suspects = [] if trust else sorted(_suspects(Path(path, "saved_model.pb").read_bytes()))
        except Exception as error:
            raise _damaged(path, error) from error
        if suspects:
            raise ValueError(
                f"{path} contains operations that may read or write files, or run code: {', '.join(suspects)}. If you "
                "trust whoever made it, load it with trust=True (--trust)."
            )
        for name, value in facts.items():
            setattr(self, name, value)
        self.sources = tuple(self.sources)
        try:
            # The functions need the object with their variables.
            self._saved_model = tf.saved_model.load(str(path))
        except Exception as error:
            # TensorFlow raises errors of many kinds.
            raise _damaged(path, error) from error

    def __repr__(self) -> str:
        return f"ExportedSeparator({self._path!r}, sources={self.sources})"

    def separate_window(self, window) -> dict:
        """See `Separator.separate_window`."""
        if hasattr(self._saved_model, "separate_window"):
            return self._saved_model.separate_window(window)
        estimates = self._saved_model.separate(window)
        end = window.shape[1] - self.context
        return {name: estimates[name][:, self.context : end] for name in self.sources}


def _damaged(path: str | Path, error: Exception) -> RuntimeError:
    return RuntimeError(f"{path} is not a complete SavedModel of tfsep: it is damaged ({reason(error)}).")


def _read_facts(path: str | Path) -> dict:
    stored = json.loads(Path(path, FACTS).read_text(encoding="utf-8"))
    facts = {name: stored[name] for name in ("sources", "sample_rate", "channels", "segment", "context")}
    facts |= {name: stored.get(name, getattr(Separator, name)) for name in SONG_RULES}
    check_facts(facts)
    return facts


def _suspects(content: bytes) -> set[str]:
    """Return the operations of a SavedModel that may do more than compute."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString(content)
    return {name for graph in saved_model.meta_graphs for name in _suspects_in(graph)}


def _suspects_in(graph) -> Iterator[str]:
    if not graph.HasField("object_graph_def"):
        yield "a graph of TensorFlow 1"
    functions = {function.signature.name: list(function.node_def) for function in graph.graph_def.library.function}
    saver = {name.partition(":")[0] for name in (graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name)}
    own = [node for node in graph.graph_def.node if node.name not in saver]
    saving = _reached(_called(node for node in graph.graph_def.node if node.name in saver), functions)
    # A function that anything else can call is not a saver.
    saving -= _reached({*_called(own), *graph.object_graph_def.concrete_functions}, functions)
    for name, nodes in {"": own, **functions}.items():
        for node in nodes:
            if node.op not in functions and _is_suspect(node) and not (name in saving and node.op in _SAVER):
                yield node.op


def _reached(names: set[str], functions: dict[str, list]) -> set[str]:
    """Return the functions that are called by name, or by others that are."""
    found: set[str] = set()
    while names := (names & functions.keys()) - found:
        found |= names
        names = {called for name in names for called in _called(functions[name])}
    return found


def _called(nodes: Iterable) -> set[str]:
    """Return the names of all operations and functions that nodes refer to."""
    names = set()
    for node in nodes:
        names.add(node.op)
        for value in node.attr.values():
            names |= {value.func.name, *(function.name for function in value.list.func)}
    return names


def _is_suspect(node) -> bool:
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    if definition is None:  # of another library
        return True
    if node.op == "PrintV2":
        return node.attr["output_stream"].s.startswith(b"file:")
    if definition.is_stateful:
        return not _HARMLESS.fullmatch(node.op)
    return bool(_SUSPECT.search(node.op))
