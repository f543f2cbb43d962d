"""Separators that need no TensorFlow: ONNX and LiteRT files, bags of models, and methods without training."""

from tfsep.portable.bag import Bag
from tfsep.portable.separators import LiteRTSeparator, ONNXSeparator

__all__ = ["Bag", "LiteRTSeparator", "ONNXSeparator"]


def __dir__() -> list[str]:
    return __all__
