"""Build a page that separates songs in the visitor's browser, from static files.

    python examples/browser/build.py                                    # convsep-4stems-free, for any use
    python examples/browser/build.py convsep-4stems-plus model.onnx     # several; the first one is the default
    python examples/browser/serve.py                                    # http://localhost:8000

Models are those of `tfsep export`, or ONNX files that it wrote. Needs the extra `onnx`, and npm, which installs what
package.json names. The page is that of `tfsep web`, with another engine: the folder `dist` is all of it, and any
server of static files serves it.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from statistics import mean

import tfsep
from tfsep.portable.embedded_facts import read_facts
from tfsep.web import page_files

HERE = Path(__file__).parent
LIBRARIES = (
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "mediabunny/dist/bundles/mediabunny.min.mjs",
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["convsep-4stems-free"], help="presets, models or ONNX files")
    parser.add_argument("--output", type=Path, default=HERE / "dist", help="folder of the page, which is replaced")
    return parser.parse_args()


def install_libraries() -> Path:
    folder = HERE / "node_modules"
    if not folder.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is missing: install Node.js.")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    return folder


def write_model(model: str, folder: Path) -> dict:
    """Write a model as an ONNX file, and return what the page shows and needs to know of it."""
    path = folder / f"{Path(model).stem}.onnx"
    if model.endswith(".onnx"):
        shutil.copyfile(model, path)
    else:
        tfsep.load_model(model).export(path, format="onnx")
    facts = read_facts(path)
    return {
        "name": path.stem,
        "stems": facts["sources"],
        "score": score(path.stem),
        "licence": facts.get("licence", "not stated"),
        "commercialUse": facts.get("commercial_use", "not stated"),
        "sampleRate": facts["sample_rate"],
        "bytes": path.stat().st_size,
        "here": False,
        "speed": None,  # of the visitor's machine
        "facts": facts,
    }


def score(name: str) -> dict | None:
    scores = next((row["scores"] for row in tfsep.presets.table() if row["name"] == name), None)
    if scores is None:
        return None
    return {
        "value": mean(scores["values"].values()),
        "measure": f"{scores['protocol']} {scores['measure']}",
        "data": scores["data"],
    }


def main() -> None:
    arguments = parse_arguments()
    output, packages = arguments.output, install_libraries()
    shutil.rmtree(output, ignore_errors=True)
    (output / "models").mkdir(parents=True)
    (output / "libraries").mkdir()
    for library in LIBRARIES:
        shutil.copy(packages / library, output / "libraries")
    for name, content in page_files().items():
        (output / name).write_bytes(content)
    for path in HERE.glob("*.js"):  # of which engine.js replaces that of `tfsep web`
        shutil.copy(path, output)
    models = [write_model(model, output / "models") for model in arguments.models]
    models = [{**model, "default": index == 0} for index, model in enumerate(models)]
    (output / "models.json").write_text(json.dumps(models, indent=2) + "\n", encoding="utf-8")
    print(f"{output}: {', '.join(model['name'] for model in models)}")


if __name__ == "__main__":
    main()
