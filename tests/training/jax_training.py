"""In a process of its own: `tfsep train` under JAX, without TensorFlow. See test_jax_training.py."""

import sys
from pathlib import Path

sys.modules["tensorflow"] = None  # an import of it fails

import numpy as np  # noqa: E402

from tfsep.cli import main  # noqa: E402

try:
    main()
except SystemExit as end:
    code = end.code
output = Path(sys.argv[sys.argv.index("--output") + 1])
if (output / "best").exists():
    from tfsep import load_model

    mixture = np.random.default_rng(0).normal(0, 0.1, (1, 2000, 1)).astype("float32")
    np.savez(output / "estimates.npz", mixture=mixture, **load_model(output / "best")(mixture))
sys.exit(code)
