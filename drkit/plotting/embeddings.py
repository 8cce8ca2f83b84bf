"""Scatter plots of the photographs' features, projected to two dimensions."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.evaluation import EvaluationSet
from drkit.plotting.scores import MAX_VECTOR_POINTS, grade_handles
from drkit.plotting.selection import panel_title, shared_title
from drkit.plotting.style import GRADE_COLOURS, GRADE_MARKERS, break_name, open_panels, place_legend, styled
from drkit.progress import notify

Projection = Literal["pca", "tsne"]
Plane = NDArray[np.float64]

MAX_PROJECTED = 5000  # photographs; t-SNE takes minutes beyond
PERPLEXITY = 30.0
_NUM_COMPONENTS = 50  # principal components that t-SNE is given
_AXES = {"pca": "principal component", "tsne": "t-SNE"}


def draw_embeddings(runs: Sequence[EvaluationSet], layout: Projection = "pca", seed: int = 0) -> Figure:
    """Draw each photograph's features as a point, coloured by reference grade, with one panel per run.

    Args:
        runs: Evaluated photographs of runs whose predictions contain embeddings.
        layout: Projection to the first two principal components, or by t-SNE, whose distances are meaningful only
            between neighbours.
        seed: Random seed of t-SNE, and of the choice of photographs if there are more than `MAX_PROJECTED`.

    Raises:
        InputError: predictions without embeddings, or with fewer than three photographs.
    """
    with styled():
        figure, panels = open_panels(len(runs), columns=2, height=3.1)
        for axes, run in zip(panels, runs, strict=True):
            _draw_run(axes, run, layout, seed)
            axes.set_title(break_name(panel_title(run, runs), 36))
        figure.suptitle(break_name(shared_title(runs), 42 * min(len(runs), 2)))
        place_legend(figure, grade_handles())
    return figure


def lay_out(features: NDArray[np.float32], layout: Projection, seed: int = 0) -> Plane:
    """Project features (N, D) of at least 3 photographs to (N, 2), the same for the same seed.

    Source: van der Maaten and Hinton 2008, Journal of Machine Learning Research 9, for t-SNE.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    num_components = 2 if layout == "pca" else _NUM_COMPONENTS
    reduced = PCA(min(num_components, *features.shape), random_state=seed).fit_transform(features)
    if layout == "pca":
        return np.asarray(reduced if reduced.shape[1] == 2 else np.pad(reduced, ((0, 0), (0, 1))), dtype=np.float64)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    placed = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return np.asarray(placed, dtype=np.float64)


def _draw_run(axes: Axes, run: EvaluationSet, layout: Projection, seed: int) -> None:
    features = run.predictions.embeddings()
    if features is None:
        raise InputError(
            f"{run.name} keeps no embeddings: drkit predict RUN --data PATH --embeddings writes predictions that do"
            " (of an ensemble, draw the members)"
        )
    if len(features) < 3:
        raise InputError(f"{run.name}: {len(features)} photographs are too few to lay out on a plane")
    rows = _draw_rows(len(features), run.name, seed)
    positions = lay_out(features[rows].astype(np.float32), layout, seed)
    for grade, (colour, marker) in enumerate(zip(GRADE_COLOURS, GRADE_MARKERS, strict=True)):
        shown = positions[run.reference[rows] == grade]
        many = len(rows) > MAX_VECTOR_POINTS
        axes.scatter(
            shown[:, 0], shown[:, 1], s=9, color=colour, marker=marker, alpha=0.65, linewidths=0, rasterized=many
        )
    axes.set(xlabel=f"{_AXES[layout]} 1", ylabel=f"{_AXES[layout]} 2", xticks=[], yticks=[])


def _draw_rows(num: int, name: str, seed: int) -> NDArray[np.int64]:
    if num <= MAX_PROJECTED:
        return np.arange(num)
    notify(f"{name}: {MAX_PROJECTED} of {num} photographs, drawn at random, are laid out")
    return np.sort(np.random.default_rng(seed).choice(num, MAX_PROJECTED, replace=False))
