"""Score a sealed model: the second trusted stage, and with --again the third.

Usage: ``python referee/evaluate.py --tokens DIR --out DIR --aside DIR [--again]``, beside the service that serves the
model. Only this program sees the validation rows. It asks for the hidden states of all of them, in an order that nobody
can foresee, and makes logits, probabilities and the mean loss of them itself.

The stage with --again has another server beside it, fresh from the same state in another sandbox, compares some answers
(see probes.py) and reports. The two stages hand on what they know in the folder for pictures, which no service sees.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

import numpy as np
import picture
import probes
import torch
from head import Head, Invalid, read_head
from served import Served, shuffled
from tokens import Corpus, Rows

FACTS = (
    "training_seconds",
    "warmup_seconds",
    "tokens_seen",
    "stream_hash",
    "world_size",
    "state_mb",
    "peak_memory_gb",
)


def score(served: Served, head: Head, rows: Rows, probe: probes.Probes, device: str) -> tuple[float, Any]:
    """The mean loss over all rows [N, T + 1], and the hidden states at the probes' positions, bfloat16 [n, PLACES, D].

    Raises:
        Invalid: an answer breaks a rule.
    """
    order, nats = shuffled(len(rows), secrets.randbits(128)), 0.0
    place = {int(row): index for index, row in enumerate(probe.rows)}
    kept: list[Any] = [None] * len(probe.rows)
    mixed = rows[order]
    for part, hidden in served.hidden(mixed[:, :-1]):
        targets = torch.from_numpy(mixed[part, 1:].astype(np.int64)).to(device)
        nats += float(head.losses(hidden.flatten(0, 1), targets.flatten()).double().sum())
        for index, row in enumerate(order[part]):
            if (which := place.get(int(row))) is not None:
                kept[which] = hidden[index, torch.from_numpy(probe.places[which]).to(device)].clone()
    return nats / rows[:, 1:].size, torch.stack(kept)


def first(served: Served, head: Head, corpus: Corpus, aside: Path, device: str) -> dict[str, Any]:
    """Score, keep what the next stage compares, and return the metrics.

    Raises:
        Invalid: an answer breaks a rule.
    """
    rows, rng = corpus.val, np.random.default_rng(secrets.randbits(128))
    probe = probes.draw(len(rows), rows.shape[1] - 1, rng)
    loss, hidden = score(served, head, rows, probe, device)
    targets = torch.from_numpy(np.take_along_axis(rows[probe.rows, 1:], probe.places, 1).astype(np.int64))
    probes.save(str(aside / "probes.npz"), hidden.view(torch.int16), targets, probe.altered(rows[:, :-1], rng), probe)
    target = corpus.conditions.target
    found = {"val_loss": loss, "over_target": loss - target, "target": target}
    return {**found, "val_tokens": rows[:, 1:].size, "width": hidden.shape[-1]}


def second(served: Served, head: Head, aside: Path, device: str) -> dict[str, Any]:
    """Compare a second server's answers with the first's, and return metrics.

    Raises:
        Invalid: they differ by more than rounding, or an answer breaks a rule.
    """
    hidden, targets, inputs, places = probes.load(str(aside / "probes.npz"))
    hidden = hidden.view(torch.bfloat16)
    order = shuffled(len(inputs), secrets.randbits(128))
    found = torch.empty_like(hidden)
    for part, again in served.hidden(inputs[order], places[order]):
        found[torch.from_numpy(order[part])] = again.cpu()
    parts = [
        probes.differ(*(head.logits(each.to(device).flatten(0, 1)) for each in pair), wanted.to(device).flatten())
        for *pair, wanted in zip(hidden.split(16), found.split(16), targets.split(16), strict=True)
    ]
    gain, apart = (torch.cat(each).cpu().view(targets.shape) for each in zip(*parts, strict=True))
    verdict = probes.judge(gain, apart)
    if verdict.broken:
        raise Invalid(verdict.broken)
    return {"ahead_nats": verdict.ahead, "before_nats": verdict.before, "apart": verdict.apart}


def report(score: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(score, allow_nan=False))


def evaluate(options: argparse.Namespace, channel: Any) -> dict[str, Any]:
    """What this stage adds to the metrics, or why the run is invalid."""
    corpus, device = Corpus(options.tokens), "cuda:0" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        head = read_head(options.out / "state", corpus.conditions.vocab_size, device)
        served = Served(channel, corpus.conditions.length, head.weight.shape[1], device)
        if options.again:
            return second(served, head, options.aside, device)
        return first(served, head, corpus, options.aside, device)
    except Invalid as broken:
        return {"invalid": str(broken)}


def main(given: list[str] | None = None) -> int:
    """Carry the stage out; 1 where the service did not answer."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Score a sealed model.")
    for name in ("tokens", "out", "aside"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--again", action="store_true", help="compare with a second server, and report")
    options = parser.parse_args(given)
    learnt = json.loads((options.out / "learnt.json").read_text())
    known = options.aside / "known.json"
    found = json.loads(known.read_text()) if options.again else {}
    if "invalid" not in learnt and "invalid" not in found:
        try:
            with connect() as channel:
                found |= evaluate(options, channel)
        except (ServiceError, TimeoutError) as error:
            print(f"no answer from the sealed model: {error}", file=sys.stderr)
            return 1
    known.write_text(json.dumps(found))
    if options.again:
        (options.out / "state").unlink(missing_ok=True)  # large, and made again by the same seed
        broken = learnt.get("invalid") or found.get("invalid")
        curve = picture.points(options.out / "curve.jsonl")
        if curve and not broken:
            end = f"validation loss {found['val_loss']:.4f} after {learnt['training_seconds']:.2f} s"
            (options.aside / "loss.svg").write_text(picture.draw(curve, end))
        report({"invalid": broken} if broken else {**found, **{name: learnt[name] for name in FACTS}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
