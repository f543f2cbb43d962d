"""Training on several devices and machines."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfsep.models import UNet
from tfsep.training import find_strategy
from tfsep.training.checkpoint import read_state

SMALL = {"sample_rate": 8000, "segment": 512, "filters": 2, "depth": 0}


def test_one_cpu_is_one_replica(run, tmp_path):
    strategy = find_strategy("cpu")
    with strategy.scope():
        model = UNet(**SMALL)
    assert (strategy.is_chief, strategy.share.total) == (True, 1)
    assert strategy.native is model.distribute_strategy
    with pytest.raises(ValueError, match=r"not made for strategy='cpu'\. Make it in tfsep.*find_strategy\('cpu'\)"):
        run(tmp_path / "run", strategy="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("", "multiworker needs several workers in TF_CONFIG, such as .* Received: TF_CONFIG=None"),
        ('{"cluster": {"worker": ["a:1"]}}', 'TF_CONFIG={"cluster": {"worker": .*}}'),
        ("a:1,b:2", "TF_CONFIG must be a cluster in JSON. Received: TF_CONFIG=a:1,b:2"),
        ('{"cluster": []}', "TF_CONFIG must be a cluster in JSON"),
    ],
)
def test_workers_need_a_cluster(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config) if config else monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message) as error:
        find_strategy("multiworker")
    assert "\n" not in str(error.value)


def test_an_unknown_strategy():
    with pytest.raises(ValueError, match="strategy must be one of 'auto', 'mirrored', 'multiworker', 'cpu'"):
        find_strategy("tpu")


@pytest.fixture
def start(corpus, tmp_path):
    """Starts `tfsep train` in a process of its own, as a worker if it gets a number."""
    # Adam moves weights without a gradient by rounding errors, so by little here.
    settings = {"options": SMALL, "batch_size": 4, "steps_per_epoch": 3, "augment": {}, "learning_rate": 1e-5}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        cluster = {"worker": [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]}
    started = []

    def start(output: str, *options: str, worker: int | None = None) -> subprocess.Popen:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        if worker is not None:
            task = {"type": "worker", "index": worker}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        command = [sys.executable, "-m", "tfsep", "train", "unet", "--data", f"stems:{corpus}", *options]
        command += ["--config", str(tmp_path / "run.yaml"), "--output", str(tmp_path / output), "--resume"]
        log = open(tmp_path / f"log-{len(started)}.txt", "w")  # noqa: SIM115  the process writes to it
        started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_of_which_one_is_killed_are_one_process(start, tmp_path):
    epochs = ("--epochs", "6")
    workers = [start("pair", *epochs, "--strategy", "multiworker", worker=number) for number in (0, 1)]
    deadline = time.monotonic() + 200
    while (read_state(tmp_path / "pair") or {"epoch": 0})["epoch"] < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(workers[1].pid, signal.SIGKILL)
    workers[1] = start("pair", *epochs, "--strategy", "multiworker", worker=1)
    logs = [(tmp_path / f"log-{number}.txt") for number in range(3)]
    assert [worker.wait(250) for worker in workers] == [0, 0], "".join(log.read_text()[-2000:] for log in logs)
    assert "A worker was lost; waiting for it" in logs[0].read_text()

    assert start("one", *epochs, "--strategy", "cpu").wait(200) == 0
    pair, one = read_state(tmp_path / "pair"), read_state(tmp_path / "one")
    assert pair["epoch"] == 6
    assert pair["history"].keys() == one["history"].keys()
    for name, values in one["history"].items():
        np.testing.assert_allclose(pair["history"][name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    # One of them writes.
    assert len([path for path in Path(tmp_path, "pair", "logs", "train").iterdir() if "tfevents" in path.name]) <= 2
