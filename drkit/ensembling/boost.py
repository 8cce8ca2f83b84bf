"""Boosting: small trees on what the members' mean gets wrong, and AdaBoost over the members themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drkit.config.ensemble import BoostOptions
from drkit.decisions import GradePredictions, normal_probabilities
from drkit.ensembling.blend import Blend
from drkit.ensembling.combiner import Combiner, Features, FloatArray, ReferenceGrades, Rows
from drkit.errors import InputError
from drkit.grades import MAX_GRADE, NUM_GRADES

if TYPE_CHECKING:
    import lightgbm


ROUNDS = (0, 10, 20, 40, 80, 160)  # fewest first: ties go to them
CAUTIOUS_ROUNDS = 20  # where there are too few patients to choose by
NUM_COMPONENTS = 16  # of each member's embeddings
MANY_CELLS = 500_000
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
    """The directions in which embeddings vary most.

    Args:
        mean: (D,).
        directions: (C, D).
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def apply(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C) of embeddings (N, D)."""
        return ((embedding - self.mean) @ self.directions.T).astype(np.float32)


@dataclass(frozen=True)
class Trees:
    """The members' mean score, corrected by trees.

    Args:
        model: LightGBM's text format; empty without trees.
        components: Of each member's embeddings, or none.
        sigma: Residual that the probabilities are made with.
    """

    model: str
    components: tuple[Components, ...]
    sigma: float

    def predict(self, features: Features) -> GradePredictions:
        """Combine.

        Raises:
            InputError: it was fitted with embeddings, and they are not given.
        """
        if self.components and not features.embeddings:
            raise InputError(
                "this ensemble was fitted with embeddings, and the predictions keep none: grade with --embeddings"
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
        """LightGBM's text and the components."""
        parts = [{"mean": part.mean.tolist(), "directions": part.directions.tolist()} for part in self.components]
        return {"kind": "trees", "model": self.model, "components": parts, "sigma": self.sigma}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Trees":
        """What `to_json` gave."""
        parts = tuple(
            Components(np.asarray(part["mean"], np.float32), np.asarray(part["directions"], np.float32))
            for part in record["components"]
        )
        return cls(str(record["model"]), parts, float(record["sigma"]))


@dataclass(frozen=True)
class Boost(BoostOptions):
    """Gradient-boosted trees that correct the plain mean, or AdaBoost over the members.

    Args:
        sigma: Of the trees' probabilities; set by `tune`.
    """

    sigma: float | None = None

    @property
    def decision(self) -> str | None:
        """AdaBoost's members vote; the trees' score is decided as one likes."""
        return "argmax" if self.learner == "adaboost" else None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Boost":
        """Choose the number of trees by the squared error of held-out scores; none is the plain mean."""
        if self.learner == "adaboost":
            return self
        if len(np.unique(folds)) < 2:
            return replace(self, rounds=CAUTIOUS_ROUNDS if self.rounds is None else self.rounds)
        candidates = ROUNDS if self.rounds is None else (self.rounds,)
        errors = np.zeros(len(candidates))
        for number in np.unique(folds):
            held, others = folds == number, folds != number
            errors += self._held_out_errors(features, truth, held, others, candidates, seed)
        best = int(errors.argmin())
        return replace(self, rounds=candidates[best], sigma=float(np.sqrt(errors[best] / len(truth))))

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Combiner:
        """Grow the trees, or weigh the members."""
        if self.learner == "adaboost":
            return Blend(weigh_by_adaboost(features.grades, truth, rounds=self.rounds or 50), "hard")
        rounds = CAUTIOUS_ROUNDS if self.rounds is None else self.rounds
        components = self._components(features, seed)
        model = _grow(_columns(features, components), _residual(features, truth), rounds, seed)
        text = model.model_to_string() if model else ""
        if self.sigma is not None:
            return Trees(text, components, self.sigma)
        fitted = Trees(text, components, 1.0).predict(features).score
        return Trees(text, components, float(np.sqrt(np.mean((fitted - truth.reference) ** 2))))

    def _held_out_errors(
        self,
        features: Features,
        truth: ReferenceGrades,
        held: NDArray[np.bool_],
        others: NDArray[np.bool_],
        candidates: tuple[int, ...],
        seed: int,
    ) -> FloatArray:
        """Summed squared error of the held-out scores after each number of rounds: one growth serves all."""
        seen, unseen = features.take(others), features.take(held)
        components = self._components(seen, seed)
        model = _grow(_columns(seen, components), _residual(seen, truth.take(others)), max(candidates), seed)
        columns, mean, reference = _columns(unseen, components), unseen.scores.mean(1), truth.reference[held]
        errors = []
        for rounds in candidates:
            correction = (
                model.predict(columns, num_iteration=rounds, num_threads=_num_threads(columns))
                if model and rounds
                else 0.0
            )
            errors.append(np.sum((np.clip(mean + correction, 0, MAX_GRADE) - reference) ** 2))
        return np.array(errors)

    def _components(self, features: Features, seed: int) -> tuple[Components, ...]:
        if not self.use_embeddings:
            return ()
        return tuple(_find_components(embedding, seed) for embedding in features.embeddings)


def weigh_by_adaboost(grades: Rows, truth: ReferenceGrades, *, rounds: int) -> tuple[float, ...]:
    """Weights of the members as AdaBoost's weak learners, patients instead of photographs being weighted.

    Each round takes the member that errs least on the weighted patients, and gives more weight to the patients it
    errs on: a patient errs by the share of wrong photographs.

    Args:
        grades: (n, M).
        truth: n reference grades.
        rounds: At most so many; earlier where no member errs less than chance.

    Returns:
        (M,) summing to one; equal ones where no member errs less than chance at all.

    Source: Zhu, Zou, Rosset and Hastie 2009, Statistics and Its Interface 2, Algorithm 2 (SAMME).
    """
    _, patient = np.unique(truth.patients, return_inverse=True)
    counts = [np.bincount(patient, column != truth.reference) for column in grades.T]
    wrong = np.stack(counts, 1) / np.bincount(patient)[:, None]  # (P, M)
    patients, members = np.full(len(wrong), 1 / len(wrong)), np.zeros(grades.shape[1])
    chance = 1 - 1 / NUM_GRADES
    for _ in range(rounds):
        errors = patients @ wrong
        best = int(errors.argmin())
        if errors[best] >= chance - 1e-9:
            break
        error = max(float(errors[best]), 1e-3)  # a perfect member counts much, not without end
        gain = np.log((1 - error) / error) + np.log(NUM_GRADES - 1)
        members[best] += gain
        patients = patients * np.exp(gain * wrong[:, best])
        patients /= patients.sum()
    weights = members / members.sum() if members.any() else np.full(len(members), 1 / len(members))
    return tuple(weights.tolist())


def _grow(columns: FloatArray, residual: FloatArray, rounds: int, seed: int) -> "lightgbm.Booster | None":
    import lightgbm  # seconds, which no other method should pay

    if not rounds:
        return None
    table = lightgbm.Dataset(columns, residual, params={"verbosity": -1})
    return lightgbm.train(
        {**SETTINGS, "seed": seed, "num_threads": _num_threads(columns)}, table, num_boost_round=rounds
    )


def _num_threads(columns: FloatArray) -> int:
    """Threads cost more than they bring where there is little to do."""
    return 2 if columns.size > MANY_CELLS else 1


def _residual(features: Features, truth: ReferenceGrades) -> FloatArray:
    return truth.reference - features.scores.mean(1)


def _columns(features: Features, components: tuple[Components, ...]) -> FloatArray:
    """(N, P): mean score, scores, probabilities, and the embeddings' components."""
    reduced = [part.apply(embedding) for part, embedding in zip(components, features.embeddings, strict=False)]
    shares = features.probabilities.reshape(len(features), -1)
    return np.hstack([features.scores.mean(1, keepdims=True), features.scores, shares, *reduced])


def _find_components(embedding: NDArray[np.float32], seed: int) -> Components:
    from sklearn.decomposition import PCA

    count = min(NUM_COMPONENTS, *embedding.shape)
    components = PCA(count, random_state=seed).fit(embedding)
    return Components(components.mean_.astype(np.float32), components.components_.astype(np.float32))
