"""Boosting: small trees fitted to the residual of the members' mean score, and AdaBoost over the members."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drkit.config.ensemble import BoostOptions
from drkit.decisions import GradePredictions, Grades, normal_probabilities
from drkit.ensembling.blend import Blend
from drkit.ensembling.combiner import Combiner, Features, FloatArray, ReferenceGrades, Rows
from drkit.errors import InputError
from drkit.grades import MAX_GRADE, NUM_GRADES

if TYPE_CHECKING:
    import lightgbm


ROUNDS = (0, 10, 20, 40, 80, 160)  # in rising order, so that a tie goes to fewer trees
DEFAULT_ROUNDS = 20  # if there are too few patients to choose
ADABOOST_ROUNDS = 50  # by default
NUM_COMPONENTS = 16  # principal components of each member's embeddings
TWO_THREADS_FROM = 500_000  # cells of the table; for less, starting a second thread costs more than it saves
SETTINGS: dict[str, Any] = {
    "objective": "l2",
    "num_leaves": 4,
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "lambda_l2": 10.0,
    "feature_fraction": 0.7,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Components:
    """Principal components of embeddings.

    Args:
        mean: (D,) mean embedding.
        directions: (C, D) principal axes.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def apply(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project embeddings (N, D) onto the components, (N, C)."""
        return ((embedding - self.mean) @ self.directions.T).astype(np.float32)


@dataclass(frozen=True)
class Trees:
    """The members' mean score, corrected by gradient-boosted trees.

    Args:
        model: The trees in LightGBM's text format; empty without trees.
        components: Principal components of each member's embeddings; empty if embeddings are not used.
        sigma: Standard deviation of the residual, from which the probabilities are computed.
    """

    model: str
    components: tuple[Components, ...]
    sigma: float

    def predict(self, features: Features) -> GradePredictions:
        """Combine the members' predictions.

        Raises:
            InputError: the trees were fitted with embeddings, and the members' predictions have none.
        """
        if self.components and not features.embeddings:
            raise InputError(
                "this ensemble was fitted with embeddings, and the members' predictions have none: predict with"
                " --embeddings"
            )
        score = features.scores.mean(1)
        if self.model:
            import lightgbm

            columns = _columns(features, self.components)
            score = score + np.asarray(
                lightgbm.Booster(model_str=self.model).predict(columns, num_threads=_num_threads(columns))
            )
        score = np.clip(score, 0, MAX_GRADE)
        return GradePredictions(normal_probabilities(score, self.sigma), score)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        parts = [{"mean": part.mean.tolist(), "directions": part.directions.tolist()} for part in self.components]
        return {"kind": "trees", "model": self.model, "components": parts, "sigma": self.sigma}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Trees":
        """Restore from the output of `to_json`."""
        parts = tuple(
            Components(np.asarray(part["mean"], np.float32), np.asarray(part["directions"], np.float32))
            for part in record["components"]
        )
        return cls(str(record["model"]), parts, float(record["sigma"]))


@dataclass(frozen=True)
class Boost(BoostOptions):
    """Gradient-boosted trees that correct the plain mean, or AdaBoost over the members.

    Args:
        sigma: Standard deviation of the held-out residual; set by `tune`.
    """

    sigma: float | None = None

    @property
    def decision(self) -> str | None:
        """AdaBoost's members vote; the trees' score suits any decision."""
        return "argmax" if self.learner == "adaboost" else None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Boost":
        """Choose the number of trees by the squared error of held-out scores; 0 trees give the plain mean."""
        if self.learner == "adaboost":
            return self
        if len(np.unique(folds)) < 2:
            return replace(self, rounds=DEFAULT_ROUNDS if self.rounds is None else self.rounds)
        candidates = ROUNDS if self.rounds is None else (self.rounds,)
        held_out = [folds == number for number in np.unique(folds)]
        errors = np.sum([self._held_out_errors(features, truth, mask, candidates, seed) for mask in held_out], axis=0)
        best = int(errors.argmin())
        return replace(self, rounds=candidates[best], sigma=float(np.sqrt(errors[best] / len(truth))))

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Combiner:
        """Grow the trees, or weigh the members."""
        if self.learner == "adaboost":
            return Blend(weigh_by_adaboost(features.grades, truth, rounds=self.rounds or ADABOOST_ROUNDS), "hard")
        components = self._fit_components(features, seed)
        model = _grow_trees(features, truth, components, DEFAULT_ROUNDS if self.rounds is None else self.rounds, seed)
        text = model.model_to_string() if model else ""
        if self.sigma is not None:
            return Trees(text, components, self.sigma)
        fitted = Trees(text, components, 1.0).predict(features).score
        return Trees(text, components, float(np.sqrt(np.mean((fitted - truth.reference) ** 2))))

    def _held_out_errors(
        self,
        features: Features,
        truth: ReferenceGrades,
        is_held_out: NDArray[np.bool_],
        candidates: tuple[int, ...],
        seed: int,
    ) -> FloatArray:
        """Summed squared error of the held-out scores for each number of trees, all from one fit of the most trees."""
        training, held_out = features.take(~is_held_out), features.take(is_held_out)
        components = self._fit_components(training, seed)
        model = _grow_trees(training, truth.take(~is_held_out), components, max(candidates), seed)
        columns, mean = _columns(held_out, components), held_out.scores.mean(1)
        errors = []
        for rounds in candidates:
            correction = (
                model.predict(columns, num_iteration=rounds, num_threads=_num_threads(columns))
                if model and rounds
                else 0.0
            )
            errors.append(np.sum((np.clip(mean + correction, 0, MAX_GRADE) - truth.reference[is_held_out]) ** 2))
        return np.array(errors)

    def _fit_components(self, features: Features, seed: int) -> tuple[Components, ...]:
        """Fit principal components of each member's embeddings; none if embeddings are not used."""
        if not (self.use_embeddings and features.embeddings):
            return ()
        from sklearn.decomposition import PCA

        fitted = [
            PCA(min(NUM_COMPONENTS, *embedding.shape), random_state=seed).fit(embedding)
            for embedding in features.embeddings
        ]
        return tuple(Components(pca.mean_.astype(np.float32), pca.components_.astype(np.float32)) for pca in fitted)


def weigh_by_adaboost(grades: Grades, truth: ReferenceGrades, *, rounds: int) -> tuple[float, ...]:
    """Compute the members' weights by AdaBoost, with weights on patients instead of photographs.

    Each round picks the member with the smallest error on the weighted patients, and increases the weights of the
    patients that it grades wrongly. A member's error on a patient is the share of photographs graded wrongly.

    Args:
        grades: (n, M) grades 0-4 by M members.
        truth: Reference grades of the n photographs.
        rounds: Largest number of rounds; boosting stops earlier if no member is better than chance.

    Returns:
        (M,) weights that sum to 1; equal weights if no member is ever better than chance.

    Source: Zhu, Zou, Rosset and Hastie 2009, Statistics and Its Interface 2, Algorithm 2 (SAMME).
    """
    _, patient = np.unique(truth.patients, return_inverse=True)
    counts = [np.bincount(patient, column != truth.reference) for column in grades.T]
    wrong = np.stack(counts, 1) / np.bincount(patient)[:, None]  # (P, M) share of wrong photographs
    patients, members = np.full(len(wrong), 1 / len(wrong)), np.zeros(grades.shape[1])
    chance = 1 - 1 / NUM_GRADES
    for _ in range(rounds):
        errors = patients @ wrong
        best = int(errors.argmin())
        if errors[best] >= chance - 1e-9:
            break
        error = max(float(errors[best]), 1e-3)  # keeps the weight of a perfect member finite
        gain = np.log((1 - error) / error) + np.log(NUM_GRADES - 1)
        members[best] += gain
        patients = patients * np.exp(gain * wrong[:, best])
        patients /= patients.sum()
    weights = members / members.sum() if members.any() else np.full(len(members), 1 / len(members))
    return tuple(weights.tolist())


def _grow_trees(
    features: Features, truth: ReferenceGrades, components: tuple[Components, ...], rounds: int, seed: int
) -> "lightgbm.Booster | None":
    """Fit trees to the residual of the members' mean score; None for 0 rounds."""
    import lightgbm  # takes seconds, which no other method should spend

    if not rounds:
        return None
    columns, residual = _columns(features, components), truth.reference - features.scores.mean(1)
    table = lightgbm.Dataset(columns, residual, params={"verbosity": -1})
    return lightgbm.train(
        {**SETTINGS, "seed": seed, "num_threads": _num_threads(columns)}, table, num_boost_round=rounds
    )


def _num_threads(columns: FloatArray) -> int:
    return 2 if columns.size > TWO_THREADS_FROM else 1


def _columns(features: Features, components: tuple[Components, ...]) -> FloatArray:
    """Columns (N, P) for the trees: mean score, scores, probabilities, and principal components of embeddings."""
    reduced = [part.apply(embedding) for part, embedding in zip(components, features.embeddings, strict=False)]
    probabilities = features.probabilities.reshape(len(features), -1)
    return np.hstack([features.scores.mean(1, keepdims=True), features.scores, probabilities, *reduced])
