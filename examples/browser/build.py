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
from tempfile import TemporaryDirectory

import tfsep
from tfsep.loading import check_network
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


def check(models: list[str]) -> None:
    """End the program in one line if a model cannot be part of the page."""
    try:
        for model in models:
            read_facts(model) if model.endswith(".onnx") else check_network(model)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error


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


def write_page(output: Path, packages: Path, models: list[str]) -> list[dict]:
    (output / "models").mkdir(parents=True)
    (output / "libraries").mkdir()
    for library in LIBRARIES:
        shutil.copy(packages / library, output / "libraries")
    for name, content in page_files().items():
        (output / name).write_bytes(content)
    for path in HERE.glob("*.js"):  # of which engine.js replaces that of `tfsep web`
        shutil.copy(path, output)
    rows = [{**write_model(model, output / "models"), "default": index == 0} for index, model in enumerate(models)]
    (output / "models.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return rows


def main() -> None:
    arguments = parse_arguments()
    check(arguments.models)
    packages = install_libraries()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=arguments.output.parent) as folder:  # so that a failure leaves the earlier page
        models = write_page(Path(folder) / "page", packages, arguments.models)
        shutil.rmtree(arguments.output, ignore_errors=True)
        (Path(folder) / "page").rename(arguments.output)
    print(f"{arguments.output}: {', '.join(model['name'] for model in models)}")


if __name__ == "__main__":
    main()
