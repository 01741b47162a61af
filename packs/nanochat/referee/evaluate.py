"""Score a sealed model: the second trusted stage, and with --again the third.

Usage: ``python referee/evaluate.py --tokens DIR --sealed DIR --out DIR --aside DIR [--again]``, beside the service that
serves the model. Only this program sees the validation rows. It asks for all of them, in an order that nobody can
foresee, applies log-softmax itself, and sums nats and bytes. Where the sealed rows are there (in experiments that
confirm a claim), it asks for those instead.

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
from bpb import Sums, nll_of
from served import Invalid, Served, shuffled
from tokens import Corpus, Rows, open_rows

FACTS = ("training_seconds", "warmup_seconds", "tokens_seen", "epochs", "state_mb", "peak_memory_gb")


def score(served: Served, rows: Rows, token_bytes: Any, probe: probes.Probes, device: str) -> tuple[Sums, Any]:
    """The sums over all rows [N, T + 1], and the logits at the probes' positions [n, PLACES, V].

    Raises:
        Invalid: an answer breaks a rule.
    """
    order, sums = shuffled(len(rows), secrets.randbits(128)), Sums()
    place = {int(row): index for index, row in enumerate(probe.rows)}
    kept: list[Any] = [None] * len(probe.rows)
    sizes = torch.from_numpy(np.array(token_bytes)).to(device)
    mixed = rows[order]
    for part, logits in served.logits(mixed[:, :-1]):
        targets = torch.from_numpy(mixed[part, 1:].astype(np.int64)).to(device)
        sums.add(nll_of(logits, targets), targets, sizes)
        for index, row in enumerate(order[part]):
            if (which := place.get(int(row))) is not None:
                kept[which] = logits[index, torch.from_numpy(probe.places[which]).to(device)].clone()
    return sums, torch.stack(kept)


def first(served: Served, corpus: Corpus, sealed: bool, aside: Path, device: str) -> dict[str, Any]:
    """Score, keep what the next stage compares, and return the metrics.

    Raises:
        Invalid: an answer breaks a rule.
    """
    rows, rng = np.array(corpus.sealed if sealed else corpus.val), np.random.default_rng(secrets.randbits(128))
    probe = probes.draw(len(rows), rows.shape[1] - 1, rng)
    sums, logits = score(served, rows, corpus.token_bytes, probe, device)
    targets = torch.from_numpy(np.take_along_axis(rows[probe.rows, 1:], probe.places, 1).astype(np.int64))
    probes.save(str(aside / "probes.npz"), logits, targets, probe.altered(rows[:, :-1], rng), probe)
    return {"val_bpb": sums.bits_per_byte, "val_tokens": sums.tokens, "sealed": int(sealed)}


def second(served: Served, aside: Path) -> dict[str, Any]:
    """Compare a second server's answers with the first's, and return metrics.

    Raises:
        Invalid: they differ by more than rounding, or an answer breaks a rule.
    """
    logits, targets, inputs, places = probes.load(str(aside / "probes.npz"))
    order = shuffled(len(inputs), secrets.randbits(128))
    found = torch.empty_like(logits)
    for part, again in served.logits(inputs[order], places[order]):
        found[torch.from_numpy(order[part])] = again.cpu()
    verdict = probes.judge(*probes.differ(logits, found, targets))
    if verdict.broken:
        raise Invalid(verdict.broken)
    return {"ahead_nats": verdict.ahead, "before_nats": verdict.before, "apart": verdict.apart}


def report(score: dict[str, Any]) -> None:
    """Write the score once, to ASTER_SCORE."""
    with open(os.environ["ASTER_SCORE"], "w", encoding="utf-8") as channel:  # noqa: PTH123 (may be /dev/fd/N)
        channel.write(json.dumps(score, allow_nan=False))


def evaluate(options: argparse.Namespace, channel: Any) -> dict[str, Any]:
    """What this stage adds to the metrics, or why the run is invalid."""
    corpus, device = Corpus(options.tokens), "cuda" if torch.cuda.is_available() else "cpu"
    served = Served(channel, corpus.conditions.length, corpus.conditions.vocab_size, device)
    try:
        if options.again:
            return second(served, options.aside)
        sealed = options.sealed / "sealed.npy"
        if sealed.is_file():
            corpus.__dict__["sealed"] = open_rows(sealed)
        return first(served, corpus, sealed.is_file(), options.aside, device)
    except Invalid as broken:
        return {"invalid": str(broken)}


def main(given: list[str] | None = None) -> int:
    """Carry the stage out; 1 where the service did not answer."""
    from aster_channel import ServiceError, connect  # only there beside a service

    parser = argparse.ArgumentParser(description="Score a sealed model.")
    for name in ("tokens", "sealed", "out", "aside"):
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
            (options.aside / "loss.svg").write_text(picture.draw(curve, f"{found['val_bpb']:.4f} bits per byte"))
        report({"invalid": broken} if broken else {**found, **{name: learnt[name] for name in FACTS}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
