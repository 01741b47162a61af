"""ProteinMPNN (Dauparas et al. 2022) from a file of weights: messages between residues whose backbones are near.

An encoder of three layers sees the structure alone: of each residue the 48 nearest, and between two of them all
distances of N, CA, C, O and a beta carbon that is placed by geometry. A decoder of three layers predicts residues one
after another, in any order: to those that come later a residue is hidden until it has been decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError
from gym.models import Query
from gym.models.weights import Layout, check_layout, dense_layout, norm_layout, read_weights
from gym.mutants import encode
from gym.structure import read_backbone

Array = NDArray[np.float64]
LETTERS = 21  # the residues in the order of ALPHABET, and one for all others
LAYERS = 3
APART = 32  # residues along the chain; all that are farther apart share a number
BEYOND = 2 * APART + 1  # the number of pairs in different chains, which never occur here
PLACES = 16  # numbers for the separation along the chain
NEAREST, FARTHEST, BUMPS = 2.0, 22.0, 16  # Angstrom: centres of the radial functions
PAIRS = "11 00 22 33 44 10 12 13 14 02 03 04 42 43 32 01 21 31 41 20 30 40 24 34 23"  # of N CA C O CB, as in the file
SCALE = 30.0  # a sum over neighbours is divided by it
ORDERS = 4  # of decoding, over which log-probabilities are averaged
EDGES_A_PASS = 100_000


def layout(hidden: int = 128) -> Layout:
    """The tensors of the public weights, whose width is 128."""
    found: Layout = {
        **dense_layout("features.embeddings.linear", BEYOND + 1, PLACES),
        "features.edge_embedding.weight": (hidden, PLACES + BUMPS * len(PAIRS.split())),
        **norm_layout(["features.norm_edges"], hidden),
        **dense_layout("W_e", hidden, hidden),
        "W_s.weight": (LETTERS, hidden),
        **dense_layout("W_out", hidden, LETTERS),
    }
    for number in range(LAYERS):
        for layer, parts, ends, norms in (("encoder", 3, ("", "1"), 3), ("decoder", 4, ("",), 2)):
            name = f"{layer}_layers.{number}"
            for end in ends:
                found |= dense_layout(f"{name}.W{end}1", parts * hidden, hidden)
                found |= dense_layout(f"{name}.W{end}2", hidden, hidden) | dense_layout(
                    f"{name}.W{end}3", hidden, hidden
                )
            found |= dense_layout(f"{name}.dense.W_in", hidden, 4 * hidden)
            found |= dense_layout(f"{name}.dense.W_out", 4 * hidden, hidden)
            found |= norm_layout([f"{name}.norm{at + 1}" for at in range(norms)], hidden)
    return found


class ProteinMPNN:
    """`context`: each residue is predicted from the structure and all other residues, else from the structure alone.

    With context each residue is the last in the order; the others come in ORDERS random orders that are the same in
    every run. Residues that lack a backbone atom are left out, and their rows are `nan`.
    """

    def __init__(self, weights: Path, context: bool, device: str = "cpu") -> None:
        given = read_weights(weights, "ProteinMPNN", device)
        state = given.get("model_state_dict") if isinstance(given, dict) else None
        width = getattr((state or {}).get("W_s.weight"), "shape", (LETTERS, 128))[-1]
        check_layout(weights, "ProteinMPNN", state, layout(width))
        neighbours = given.get("num_edges")
        if not isinstance(neighbours, int) or neighbours < 1:
            raise GymError(f"{weights} does not say how many neighbours a residue has: num_edges has to be there.")
        self.network, self.context, self.device = Network(state, neighbours), context, device

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Needs a structure each, with the backbone's atoms."""
        return [self._one(each) for each in queries]

    def _one(self, query: Query) -> Array:
        import torch

        if query.structure is None:
            raise GymError("ProteinMPNN needs a structure: give --structure FILE (PDB).")
        backbone = read_backbone(query.structure, query.sequence)
        there = np.flatnonzero(np.isfinite(backbone).all(axis=(1, 2)))
        if not there.size:
            raise GymError(f"{query.structure} has no residue with all of N, CA, C and O.")
        given = (backbone[there], there, encode(query.sequence)[there].astype(np.int64))
        places, numbers, residues = (torch.tensor(each, device=self.device) for each in given)
        with torch.inference_mode():
            encoded = self.network.encode(places, numbers)
            logits = self.network.last(encoded, residues) if self.context else self.network.alone(encoded)
            logp = torch.log_softmax(logits[:, :20].double(), dim=1).cpu().numpy()
        found = np.full((len(query.sequence), 20), np.nan)
        found[there] = logp
        return found


class Encoded(NamedTuple):
    """What the encoder knows of n residues with k neighbours each, the residue itself the nearest of them."""

    nodes: Any  # (n, width)
    links: Any  # (n, k, width)
    near: Any  # (n, k), numbers of residues


class View(NamedTuple):
    """What a layer of the decoder takes from each neighbour, (n, k, width), if it is seen and if it is hidden.

    To `seen` comes what the neighbour's own node says, which changes from layer to layer.
    """

    name: str
    seen: Any
    hidden: Any


class Network:
    """The layers. Sums over neighbours are taken before what is linear: nothing is computed for each of them twice."""

    def __init__(self, state: dict[str, Any], neighbours: int) -> None:
        self.state, self.neighbours = state, neighbours

    def encode(self, backbone: Any, numbers: Any) -> Encoded:
        """From coordinates (n, 4, 3) of N, CA, C and O, and the residues' numbers along the chain."""
        name = "features.embeddings.linear"
        places = self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]
        near, features = neighbourhood(backbone, numbers, self.neighbours, places)
        links = self._norm("features.norm_edges", features @ self.state["features.edge_embedding.weight"].T)
        links = self._dense("W_e", links)
        nodes = links.new_zeros(len(links), links.shape[-1])
        for number in range(LAYERS):
            name = f"encoder_layers.{number}"
            nodes = self._settle(name, nodes, self._thoughts(f"{name}.W", nodes, links, near).sum(dim=1), near.shape[1])
            said = self._dense(f"{name}.W13", self._thoughts(f"{name}.W1", nodes, links, near))
            links = self._norm(f"{name}.norm3", links + said)
        return Encoded(nodes, links, near)

    def alone(self, encoded: Encoded) -> Any:
        """Logits (n, 21) in one pass: to each residue all others are hidden."""
        nodes = encoded.nodes
        for number in range(LAYERS):
            view = self._view(number, encoded)
            thoughts = self._second(f"{view.name}.W", self._part(f"{view.name}.W", 0, nodes)[:, None] + view.hidden)
            nodes = self._settle(view.name, nodes, thoughts.sum(dim=1), encoded.near.shape[1])
        return self._dense("W_out", nodes)

    def last(self, encoded: Encoded, residues: Any) -> Any:
        """Mean over ORDERS orders of log-probabilities (n, 21), each residue being the last of its order."""
        import torch

        count, near = encoded.near.shape
        letters = self.state["W_s.weight"][residues]
        views = [self._view(number, encoded, letters) for number in range(LAYERS)]
        # The first layer reads nodes that have not changed yet: what it hears is the same in all orders.
        own, beside = (self._part(f"{views[0].name}.W", part, encoded.nodes) for part in (0, 3))
        hidden = self._second(f"{views[0].name}.W", own[:, None] + views[0].hidden)
        gained = self._second(f"{views[0].name}.W", own[:, None] + views[0].seen + beside[encoded.near]) - hidden
        found, drawn = 0.0, np.random.default_rng(0)
        for _ in range(ORDERS):
            order = torch.tensor(drawn.permutation(count), device=residues.device)
            blocks = torch.arange(count, device=residues.device).split(max(1, EDGES_A_PASS // (near**2 + count)))
            heard = (self._heard(encoded, order, block, gained, hidden.sum(dim=1)) for block in blocks)
            found = found + torch.cat(
                [self._predict(encoded, views, *each, block) for each, block in zip(heard, blocks, strict=True)]
            )
        return found / ORDERS

    def _heard(self, encoded: Encoded, order: Any, last: Any, gained: Any, hidden: Any) -> tuple[Any, Any]:
        """For p orders, of which each has another residue as the last: whether a residue sees the one beside it, shape
        (p, n, k), and all nodes after the first layer, (p, n, width)."""
        import torch

        rank = order.repeat(len(last), 1)
        rank[torch.arange(len(last)), last] = len(order)
        earlier = rank[:, encoded.near] < rank[:, :, None]
        sums = torch.einsum("pnk,nkw->pnw", earlier.to(gained.dtype), gained) + hidden
        name = "decoder_layers.0"
        return earlier, self._settle(name, encoded.nodes, sums, encoded.near.shape[1])

    def _predict(self, encoded: Encoded, views: Sequence[View], earlier: Any, nodes: Any, last: Any) -> Any:
        """Log-probabilities (p, 21) of the last ones: layers run only where these look, and then for them alone."""
        import torch

        near, copies = encoded.near, torch.arange(len(last), device=last.device)[:, None]
        for view, at in ((views[1], near[last]), (views[2], last[:, None])):
            name = f"{view.name}.W"
            seen = view.seen[at] + self._part(name, 3, nodes)[copies[:, :, None], near[at]]
            value = torch.where(earlier[copies, at][..., None], seen, view.hidden[at])
            own = nodes[copies, at]
            thoughts = self._second(name, self._part(name, 0, own)[:, :, None] + value)
            settled = self._settle(view.name, own, thoughts.sum(dim=2), near.shape[1])
            nodes = nodes.index_put((copies, at), settled)
        return torch.log_softmax(self._dense("W_out", nodes[copies[:, 0], last]), dim=1)

    def _view(self, number: int, encoded: Encoded, letters: Any = None) -> View:
        name = f"decoder_layers.{number}"
        links = self._part(f"{name}.W", 1, encoded.links) + self.state[f"{name}.W1.bias"]
        hidden = links + self._part(f"{name}.W", 3, encoded.nodes)[encoded.near]
        seen = None if letters is None else links + self._part(f"{name}.W", 2, letters)[encoded.near]
        return View(name, seen, hidden)

    def _thoughts(self, name: str, nodes: Any, links: Any, near: Any) -> Any:
        """What the encoder hears from each neighbour, short of the last layer."""
        own, beside = self._part(name, 0, nodes), self._part(name, 2, nodes)
        return self._second(
            name, own[:, None] + self._part(name, 1, links) + beside[near] + self.state[f"{name}1.bias"]
        )

    def _part(self, name: str, number: int, value: Any) -> Any:
        """One part of the first layer, of those that its inputs would be concatenated from."""
        weight = self.state[f"{name}1.weight"]
        return value @ weight[:, number * len(weight) : (number + 1) * len(weight)].T

    def _second(self, name: str, value: Any) -> Any:
        from torch.nn.functional import gelu

        return gelu(self._dense(f"{name}2", gelu(value)))

    def _settle(self, name: str, nodes: Any, thoughts: Any, count: int) -> Any:
        """The nodes after the thoughts of `count` neighbours, summed, went through the last layer."""
        from torch.nn.functional import gelu, linear

        heard = linear(thoughts, self.state[f"{name}.W3.weight"], count * self.state[f"{name}.W3.bias"])
        nodes = self._norm(f"{name}.norm1", nodes + heard / SCALE)
        inner = gelu(self._dense(f"{name}.dense.W_in", nodes))
        return self._norm(f"{name}.norm2", nodes + self._dense(f"{name}.dense.W_out", inner))

    def _dense(self, name: str, value: Any) -> Any:
        from torch.nn.functional import linear

        return linear(value, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _norm(self, name: str, value: Any) -> Any:
        from torch.nn.functional import layer_norm

        return layer_norm(value, value.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"])


def neighbourhood(backbone: Any, numbers: Any, most: int, places: Any) -> tuple[Any, Any]:
    """The nearest residues by their alpha carbons, (n, k), and of each the separation and 25 distances, (n, k, 416)."""
    import torch

    nitrogen, alpha, carbon = backbone[:, 0], backbone[:, 1], backbone[:, 2]
    first, second = alpha - nitrogen, carbon - alpha
    normal = torch.linalg.cross(first, second)
    beta = alpha - 0.58273431 * normal + 0.56802827 * first - 0.54067466 * second  # of an ideal alanine
    atoms = torch.cat([backbone, beta[:, None]], dim=1)
    apart = torch.cdist(alpha, alpha, compute_mode="donot_use_mm_for_euclid_dist")
    near = apart.topk(min(most, len(alpha)), largest=False).indices
    own, other = ([int(pair[side]) for pair in PAIRS.split()] for side in (0, 1))
    distance = ((atoms[:, None, own] - atoms[:, other][near]).square().sum(dim=-1) + 1e-6).sqrt()
    centres = torch.linspace(NEAREST, FARTHEST, BUMPS, device=backbone.device)
    bumps = torch.exp(-(((distance[..., None] - centres) * BUMPS / (FARTHEST - NEAREST)) ** 2))
    along = places[(numbers[:, None] - numbers[near]).clamp(-APART, APART) + APART]
    return near, torch.cat([along, bumps.flatten(start_dim=2)], dim=-1)
