"""The baseline of classified images: logistic regression on pixels, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from steepest.data.sources.opening import open_source
from steepest.evaluate.baselines import baseline_names, pixel_logistic, restore, run_baselines
from steepest.evaluate.outputs import predict

NAMES = ["circle", "line", "noise"]


def drawn(count: int, size: int = 6, channels: int = 1):
    draw = np.random.default_rng(0)
    labels = np.resize(NAMES, count)
    images = draw.integers(0, 160, (count, size, size, channels), dtype=np.uint8)
    images[labels == "line", size // 2] += 40
    images[labels == "circle", 1:-1, 1:-1] += 25
    return images[..., 0] if channels == 1 else images, labels


def opened(count: int = 300, **options):
    images, labels = drawn(count, **options)
    return open_source((images, labels), reader="images").make(0)[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_scikit_learns_on_standardised_pixels(channels):
    data = opened(channels=channels)
    assert baseline_names(data) == ["majority", "pixel-logistic"]
    majority, found = run_baselines(data, seed=0)
    assert found.test["log_loss"] < 0.8 * majority.test["log_loss"]
    c = float(found.settings.removeprefix("C = ").split(",")[0])
    field = data.shape.fields[0]
    mean, sd = (torch.tensor(each).view(1, -1, 1, 1) for each in (field.mean, field.sd))

    def of(part):
        return ((part.inputs[0].double() - mean) / sd).flatten(1).numpy()

    there = LogisticRegression(C=c, max_iter=10_000, tol=1e-8).fit(of(data.train), data.train.target.numpy())
    here = predict(found.model, data.test.inputs).exp().numpy()
    assert np.allclose(here, there.predict_proba(of(data.test)), atol=0.01)
    kept = restore("pixel-logistic", data.shape, found.model.state_dict())
    assert torch.equal(predict(kept, data.test.inputs), predict(found.model, data.test.inputs))


def test_large_data_is_made_smaller_and_says_so(monkeypatch):
    data = opened(size=8)
    monkeypatch.setattr(pixel_logistic, "MOST_IMAGES", 150)
    monkeypatch.setattr(pixel_logistic, "MOST_NUMBERS", 1000)
    monkeypatch.setattr(pixel_logistic, "COMPONENTS_KEPT", 20)
    [found] = run_baselines(data, names=["pixel-logistic"], seed=0)
    assert "on 20 principal components of the pixels" in found.settings
    assert "of 150 training images, drawn at random" in found.settings
    assert found.test["log_loss"] < 0.9 * np.log(3)
    [other] = run_baselines(data, names=["pixel-logistic"], seed=1)
    assert other.test["log_loss"] != found.test["log_loss"]


def test_a_class_without_a_training_image_has_a_probability():
    data = opened()
    kept = data.train.take((data.train.target != 1).nonzero().flatten())
    from dataclasses import replace

    [found] = run_baselines(replace(data, train=kept), names=["pixel-logistic"], seed=0)
    likely = predict(found.model, data.test.inputs).exp()
    assert torch.allclose(likely[:, 1], torch.full((len(likely),), 1 / (len(kept) + 3), dtype=torch.float64))
    assert torch.allclose(likely.sum(1), torch.ones(len(likely), dtype=torch.float64))


def test_tables_and_reconstructions_have_none():
    table = open_source({"x": [1.0, 2.0] * 20, "y": ["a", "b"] * 20}, target="y").make(0)[0]
    assert "pixel-logistic" not in baseline_names(table)
    images, labels = drawn(60)
    made = open_source((images, labels), reader="images", task="reconstruction").make(0)[0]
    assert "pixel-logistic" not in baseline_names(made)
