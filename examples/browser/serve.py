"""Serve the page on this machine, with the headers by which browsers allow it several threads.

    python examples/browser/serve.py [FOLDER] [--port 8000]

Without these headers, as with `python -m http.server`, the model runs on one thread.
"""

import argparse
import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "dist")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    handler = functools.partial(Handler, directory=arguments.folder)
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), handler) as server:
        print(f"http://localhost:{server.server_port}")
        server.serve_forever()


if __name__ == "__main__":
    main()
