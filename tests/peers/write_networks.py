"""Writes random networks of demucs, bs-roformer-infer and melband-roformer-infer, with what they make of noise.

Run in an environment of its own, by hand:

    pip install torch==2.13.0 demucs==4.1.0 numpy bs-roformer-infer==0.1.5 melband-roformer-infer==0.1.5 safetensors
    python tests/peers/write_networks.py FOLDER [--full]

Each network becomes a folder: its file as the project writes it, its configuration, `mixture.npy`, and in
`estimates.npz` the estimates of one segment ("segment") and of the whole mixture, by the project's chunking ("song").
`tests/peers/compare.py FOLDER` then compares tfsep with them. Without `--full` the networks are tiny; those that the
default suite compares with (`tests/checkpoints/networks/`) are made so. With it they have the published sizes.
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

torch.set_num_threads(2)
FOUR = ["drums", "bass", "other", "vocals"]


def randomise(network):
    """Weights of which none is trivial, such that the outputs are neither near zero nor noise alone."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("rotary_embed.freqs"):
                continue
            noise = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                value.copy_(noise / (value[0].numel() ** 0.5))
            elif "gamma" in name or "norm" in name or name.endswith((".1.weight", ".4.weight", "scale")):
                value.copy_(0.5 + 0.1 * noise)
            else:
                value.copy_(0.1 * noise)
        # As published: half of them are stored in half precision.
        for value in network.parameters():
            value.copy_(value.half().float())
    return network.eval()


def mixture(samples, sample_rate):
    """Noise with a beat and two tones, so that its segments differ."""
    generator = np.random.default_rng(0)
    time = np.arange(samples)[:, None] / sample_rate
    beat = 0.02 + 0.1 * np.exp(-((time * 5) % 1) * 4)
    tones = 0.1 * np.sin(2 * np.pi * sample_rate / 40 * time) + 0.05 * np.sin(2 * np.pi * sample_rate / 7 * time + 1)
    return (beat * generator.standard_normal((samples, 2)) + tones * [1, 0.5]).astype("float32")


def save(folder, audio, sources, segment, song):
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "mixture.npy", audio)
    np.savez(folder / "estimates.npz", sources=sources, segment=segment, song=song)
    print(folder.name, tuple(segment.shape), tuple(song.shape), flush=True)


def fraction(value):
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}


def demucs(folder, samples, sources=FOUR, safetensors=False, **options):
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    network = randomise(HTDemucs(sources, dconv_mode=3, multi_freqs=[], t_dropout=0.02, **options))
    audio = mixture(samples, network.samplerate)
    batch = torch.from_numpy(audio.T.copy())[None]
    length = int(network.segment * network.samplerate)
    with torch.no_grad():
        segment = network(batch[..., :length])[0]
        # Demucs's programs bring the whole song to one level, which `apply_model` leaves to them.
        mean, deviation = batch.mean(), batch.mean(dim=1).std() + 1e-8
        song = apply_model(network, (batch - mean) / deviation, shifts=0)[0] * deviation + mean
    save(folder, audio, sources, segment.transpose(1, 2), song.transpose(1, 2))
    args, kwargs = network._init_args_kwargs
    state = {name: value.half() for name, value in network.state_dict().items()}
    if safetensors:
        facts = json.dumps(
            kwargs, default=lambda x: {"_type": "fraction", "numerator": x.numerator, "denominator": x.denominator}
        )
        facts = {"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps(args), "kwargs": facts}
        save_file(state, folder / "network.safetensors", facts)
    else:
        package = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": state, "training_args": {}}
        torch.save(package, folder / "network.th")


def roformer(folder, kind, samples, instruments, target, chunk, overlaps, hop, safetensors=False, **options):
    if kind == "bs":
        from bs_roformer import BSRoformer as Network
        from bs_roformer.utils import demix_track
    else:
        from mel_band_roformer import MelBandRoformer as Network
        from mel_band_roformer.utils import demix_track

    from ml_collections import ConfigDict

    stems = 1 if target else len(instruments)
    options = {
        "stereo": True, "num_stems": stems, "time_transformer_depth": 1, "freq_transformer_depth": 1,
        "stft_hop_length": hop, "flash_attn": False, **options,
    }  # fmt: skip
    torch.manual_seed(0)
    network = randomise(Network(**options))
    config = {
        "audio": {"chunk_size": chunk, "sample_rate": options.get("sample_rate", 44100), "num_channels": 2},
        "model": options,
        "training": {"instruments": instruments, "target_instrument": target},
        "inference": {"num_overlap": overlaps, "batch_size": 1},
    }
    # melband-roformer-infer does not have it, and it is the default elsewhere.
    config["model"] = {"zero_dc": False, **options}
    audio = mixture(samples, config["audio"]["sample_rate"])
    batch = torch.from_numpy(audio.T.copy())
    with torch.no_grad():
        segment = network(batch[None, :, :chunk])[0]
        song = demix_track(ConfigDict(config), network, batch, "cpu", 1.0)
        song = song[0] if isinstance(song, tuple) else song
    song = torch.from_numpy(np.stack([song[name] for name in ([target] if target else instruments)]))
    segment = segment if segment.ndim == 3 else segment[None]
    save(folder, audio, [target] if target else instruments, segment.transpose(1, 2), song.transpose(1, 2))
    state = {name: value.half() for name, value in network.state_dict().items()}
    if safetensors:
        # Shared tensors are stored once for each name there.
        save_file({name: value.clone() for name, value in state.items()}, folder / "network.safetensors")
    else:
        torch.save(state, folder / "network.ckpt")
    # As the published files spell their tuples.
    (folder / "network.yaml").write_text(yaml.dump(config))


def tiny(root):
    small = {
        "channels": 8, "depth": 2, "nfft": 256, "t_layers": 2, "t_heads": 2,
        "samplerate": 8000, "segment": Fraction(3, 40),
    }  # fmt: skip
    demucs(root / "htdemucs", 1500, bottom_channels=16, **small)
    demucs(root / "htdemucs-6s", 500, [*FOUR, "guitar", "piano"], safetensors=True, bottom_channels=0, **small)
    shape = {"dim": 4, "depth": 2, "dim_head": 4, "heads": 2, "stft_n_fft": 256, "stft_win_length": 256}
    bands = (2, 2, 4, 4, 117)
    roformer(
        root / "bs-roformer", "bs", 1530, FOUR[:2], None, 600, 4, 50,
        dim_freqs_in=129, freqs_per_bands=bands, zero_dc=True, **shape,
    )  # fmt: skip
    roformer(
        root / "mel-band-roformer", "mel", 1560, ["vocals", "other"], "vocals", 600, 2, 40,
        dim_freqs_in=129, num_bands=8, sample_rate=8000, mask_estimator_depth=2, match_input_audio_length=True,
        safetensors=True, **shape,
    )  # fmt: skip


def full(root):
    published = {"segment": Fraction(39, 5), "samplerate": 44100}
    demucs(root / "htdemucs", 441000, bottom_channels=512, **published)
    demucs(root / "htdemucs-6s", 441000, [*FOUR, "guitar", "piano"], safetensors=True, bottom_channels=0, **published)
    bands = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)
    shape = {"dim": 384, "depth": 1, "dim_head": 64, "heads": 8}
    roformer(
        root / "bs-roformer", "bs", 200000, FOUR, None, 131584, 2, 512, freqs_per_bands=bands, zero_dc=True, **shape
    )
    roformer(
        root / "mel-band-roformer", "mel", 200000, ["vocals", "other"], "vocals", 132300, 2, 441,
        num_bands=60, mask_estimator_depth=2, **shape,
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="published widths (depth 1 for the RoFormers)")
    arguments = parser.parse_args()
    (full if arguments.full else tiny)(arguments.folder)
    sys.exit()
