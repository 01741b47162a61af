"""ProteinSolver (Strokach et al. 2020) from a file of weights: a graph network over residues that are near in space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gym.errors import GymError
from gym.models import Query
from gym.models.weights import Layout, check_layout, dense_layout, norm_layout, read_weights
from gym.mutants import ALPHABET
from gym.structure import read_atoms

Array = NDArray[np.float64]
OWN_ALPHABET = "GVALICMFWPDESTYQNKRH"
MASK = 20
NEAR = 12.0  # Angstrom, between the closest heavy atoms
LAYERS = ("graph_conv_0", "graph_conv.0", "graph_conv.1", "graph_conv.2")
EDGES_A_PASS = 200_000
HIDDEN = 128
LAYOUT: Layout = {
    "embed_x.0.weight": (21, HIDDEN),
    **dense_layout("embed_x.2", HIDDEN, HIDDEN),
    **dense_layout("embed_adj.0", 2, HIDDEN),
    **dense_layout("embed_adj.2", HIDDEN, HIDDEN),
    **norm_layout(("embed_x.3", "embed_adj.3"), HIDDEN),
    **dense_layout("linear_out", HIDDEN, 20),
}
for _layer in LAYERS:
    LAYOUT |= dense_layout(f"{_layer}.gnn.nn.0", 3 * HIDDEN, 2 * HIDDEN)
    LAYOUT |= dense_layout(f"{_layer}.gnn.nn.2", 2 * HIDDEN, HIDDEN)
    LAYOUT |= norm_layout((f"{_layer}.x_postprocess.0", f"{_layer}.edge_attr_postprocess.0"), HIDDEN)


class ProteinSolver:
    """`context`: each residue is predicted from the structure and all other residues, else from the structure alone."""

    def __init__(self, weights: Path, context: bool, device: str = "cpu") -> None:
        self.state = read_weights(weights, "ProteinSolver", device)
        check_layout(weights, "ProteinSolver", self.state, LAYOUT)
        self.context, self.device = context, device

    def log_probabilities(self, queries: Sequence[Query]) -> list[Array]:
        """Needs a structure each, with all heavy atoms."""
        return [self._one(each) for each in queries]

    def _one(self, query: Query) -> Array:
        import torch

        if query.structure is None:
            raise GymError("ProteinSolver needs a structure: give --structure FILE (PDB).")
        pairs, features = graph(query.structure, query.sequence)
        length, own = len(query.sequence), [OWN_ALPHABET.find(a) for a in query.sequence]
        x = torch.tensor([at if at >= 0 else MASK for at in own], device=self.device)
        edges, about = (torch.tensor(each, device=self.device) for each in (pairs, features))
        with torch.inference_mode():
            if not self.context:
                found = self._forward(torch.full_like(x, MASK), edges, about)
            else:
                together = max(1, EDGES_A_PASS // max(1, pairs.shape[1]))
                found = torch.cat(
                    [
                        self._hidden(x, edges, about, range(start, min(start + together, length)))
                        for start in range(0, length, together)
                    ]
                )
            logp = torch.log_softmax(found.double(), dim=1).cpu().numpy()
        return np.asarray(logp[:, [OWN_ALPHABET.index(a) for a in ALPHABET]])

    def _hidden(self, x: Any, edges: Any, about: Any, places: range) -> Any:
        """The rows of the hidden residues, from as many copies of the graph with one residue hidden in each."""
        import torch

        count, length = len(places), len(x)
        copies = x.repeat(count)
        at = torch.arange(count, device=x.device) * length + torch.tensor(list(places), device=x.device)
        copies[at] = MASK
        shift = (torch.arange(count, device=x.device) * length).repeat_interleave(edges.shape[1])
        return self._forward(copies, edges.repeat(1, count) + shift, about.repeat(count, 1))[at]

    def _forward(self, x: Any, edges: Any, about: Any) -> Any:
        import torch
        from torch.nn.functional import embedding, layer_norm, linear, relu

        state = self.state

        def dense(name: str, value: Any) -> Any:
            return linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

        def norm(name: str, value: Any) -> Any:
            return layer_norm(value, value.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

        nodes = norm("embed_x.3", dense("embed_x.2", relu(embedding(x, state["embed_x.0.weight"]))))
        links = norm("embed_adj.3", dense("embed_adj.2", relu(dense("embed_adj.0", about))))
        for number, layer in enumerate(LAYERS):
            if number:
                nodes, links = relu(nodes), relu(links)
            sent = torch.cat([nodes[edges[0]], nodes[edges[1]], links], dim=1)
            sent = dense(f"{layer}.gnn.nn.2", relu(dense(f"{layer}.gnn.nn.0", sent)))
            gathered = torch.zeros_like(nodes).index_add_(0, edges[0], sent)
            nodes = nodes + norm(f"{layer}.x_postprocess.0", gathered)
            links = links + norm(f"{layer}.edge_attr_postprocess.0", sent)
        return dense("linear_out", nodes)


def graph(path: Path, sequence: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs of residues that are near, shape (2, pairs), and of each its distance and its separation, scaled."""
    atoms, owner = heavy_atoms(path, len(sequence))
    closest = np.full((len(sequence), len(sequence)), np.inf, dtype=np.float32)
    starts = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
    for start, stop in zip(starts, [*starts[1:], len(owner)], strict=True):
        square = ((atoms[start:stop, None, :] - atoms[None, :, :]) ** 2).sum(axis=2).min(axis=0)
        closest[owner[start], owner[starts]] = np.sqrt(np.minimum.reduceat(square, starts))
    near = closest <= NEAR
    np.fill_diagonal(near, False)
    i, j = np.nonzero(near)
    features = np.stack([(closest[i, j] - 6.0) / 12.0, (j - i) / 68.1319], axis=1)
    return np.stack([i, j]), features.astype(np.float32)


def heavy_atoms(path: Path, length: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Coordinates of all atoms but hydrogen of the first chain, and the residue of each, from 0."""
    atoms = read_atoms(path)
    if (count := atoms[-1].owner + 1 if atoms else 0) != length:
        raise GymError(f"{path} has {count} residues where the sequence has {length}.")
    heavy = [atom for atom in atoms if not atom.name.startswith("H")]
    return np.array([atom.place for atom in heavy], dtype=np.float32), np.array([atom.owner for atom in heavy])
