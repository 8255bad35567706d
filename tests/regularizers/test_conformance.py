"""Every regularizer of the package passes the suite that is shipped for those of strangers, and faults do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.regularizers import registry
from steepest.testing import RegularizerConformance


class TestInputNoise(RegularizerConformance):
    regularizers = ("input-noise", "input-noise(0.4)")
    refused = ("input-noise(0)",)


class TestL2(RegularizerConformance):
    regularizers = ("l2(0.1)", "l2(0.2, on=(weights, embeddings))", "l2(0.1, on=all)")
    refused = ("l2(-1)", "l2(0.1, on=())", "l2(0.1, on=layers)")
    penalty = staticmethod(
        lambda l2, weights: l2.strength * sum(float(w) ** 2 for each in weights for w in each.flat)
    )


class TestL1(RegularizerConformance):
    regularizers = ("l1(0.1)", "l1(0.2, on=biases)")
    refused = ("l1(-1)", "l1(inf)")
    penalty = staticmethod(
        lambda l1, weights: l1.strength * sum(abs(float(w)) for each in weights for w in each.flat)
    )


class TestProximalL1(RegularizerConformance):
    regularizers = ("l1(0.5, proximal=true)",)

    @staticmethod
    def updated(of, weight):
        return np.where(np.abs(weight) < 0.05, 0.0, weight - np.copysign(0.05, weight))


class TestElasticNet(RegularizerConformance):
    regularizers = (
        "elastic-net(0.1)",
        "elastic-net(0.2, 0.3, on=biases)",
        "elastic-net(0.1, 1)",
        "elastic-net(0.1, 0)",
    )
    refused = ("elastic-net(-1)", "elastic-net(0.1, 1.1)", "elastic-net(0.1, -0.1)")

    @staticmethod
    def penalty(of, weights):
        numbers = [float(w) for each in weights for w in each.flat]
        return of.strength * sum(of.share * abs(w) + (1 - of.share) * w**2 for w in numbers)


class TestWeightDecay(RegularizerConformance):
    regularizers = ("weight-decay(0.5)", "weight-decay(0.5, on=all)")
    refused = ("weight-decay(-1)", "weight-decay(inf)")
    decayed = staticmethod(lambda of, weight, rate: weight - rate * of.strength * weight)


class TestSWA(RegularizerConformance):
    regularizers = ("swa", "swa(0)", "swa(0.5, on=weights)")
    refused = ("swa(1)", "swa(-0.1)")

    @staticmethod
    def averaged(of, weights):
        counted = weights[int(of.start * 4) :] or weights[-1:]
        return sum(counted) / len(counted)


class TestDropout(RegularizerConformance):
    regularizers = ("dropout(0.5)", "dropout((0.4,), inputs=0.2, embeddings=0.3)")
    refused = (
        "dropout(1)",
        "dropout(-0.1)",
        "dropout(())",
        "dropout(0.5, inputs=1)",
        "dropout(0.5, embeddings=-1)",
    )


class TestLabelSmoothing(RegularizerConformance):
    regularizers = ("label-smoothing(0.1)",)
    refused = ("label-smoothing(1)", "label-smoothing(-0.1)")


class TestLabelNoise(RegularizerConformance):
    regularizers = ("label-noise(0.3)",)
    refused = ("label-noise(0)", "label-noise(inf)")


class TestMixup(RegularizerConformance):
    regularizers = ("mixup(0.4)",)
    refused = ("mixup(0)", "mixup(inf)")


class TestGradientNoise(RegularizerConformance):
    regularizers = ("gradient-noise", "gradient-noise(0.3, gamma=0)", "gradient-noise(0.3, on=weights)")
    refused = ("gradient-noise(0)", "gradient-noise(0.1, gamma=-1)")

    @staticmethod
    def gradient(of, gradient, weight, noise, step):
        return gradient + np.sqrt(of.eta * (1 + step) ** -of.gamma) * noise


class TestMaxNorm(RegularizerConformance):
    regularizers = ("max-norm", "max-norm(0.6)", "max-norm(0.01, on=all)")
    refused = ("max-norm(0)",)

    @staticmethod
    def updated(of, weight):
        return np.stack([row * min(1.0, of.norm / np.sqrt((row * row).sum())) for row in weight])


class TestEMA(RegularizerConformance):
    regularizers = ("ema", "ema(0.5)", "ema(0)", "ema(0.9, on=weights)")
    refused = ("ema(1)", "ema(-0.1)")

    @staticmethod
    def averaged(of, weights):
        shares = of.decay ** np.arange(len(weights))[::-1]
        return sum(share * each for share, each in zip(shares, weights, strict=True)) / shares.sum()


class TestEarlyStopping(RegularizerConformance):
    regularizers = ("early-stopping", "early-stopping(2)")
    refused = ("early-stopping(0)",)


class TestAugment(RegularizerConformance):
    """The suite's rows have no images: what is checked of it is its text."""

    regularizers = ("augment(flip=0.5, crop=4, rotation=10, colour=0.2, vertical=0.3)",)
    refused = (
        "augment(flip=1.1)",
        "augment(vertical=-0.1)",
        "augment(crop=-1)",
        "augment(rotation=181)",
        "augment(colour=2)",
        "augment(crop=0.5)",
    )
    test_does_something = None


def test_every_regularizer_is_here():
    suites = RegularizerConformance.__subclasses__()
    here = {
        text.partition("(")[0]
        for suite in suites
        if suite.__module__ == __name__
        for text in suite.regularizers
    }
    assert here >= set(registry.names())


FAULTY = """
import torch
from steepest.regularizers import Regularizer


class InPlace(Regularizer):
    name = "in-place"

    def updated(self, weight, c):
        return weight.mul_(0.5)


class Branch(Regularizer):
    name = "branch"

    def updated(self, weight, c):
        return weight * 0.5 if weight.norm() > 1 else weight


class Global(Regularizer):
    name = "global"

    def gradient(self, gradient, weight, noise, c):
        return gradient + torch.randn_like(gradient)


class Wrong(Regularizer):
    name = "wrong"

    def penalty(self, weights):
        return sum(each.square().sum() for each in weights.values())


class Idle(Regularizer):
    name = "idle"

    def updated(self, weight, c):
        return weight + 0.0
"""

FOUND = {
    "InPlace": "test_does_something",
    "Branch": "test_a_traced_step_is_the_eager_step",
    "Global": "test_draws_from_its_own_stream_only",
    "Wrong": "test_is_the_textbook",
    "Idle": "test_does_something",
}


@pytest.mark.parametrize("name", FOUND)
def test_faults_are_found(tmp_path, monkeypatch, name):
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.chdir(tmp_path)

    class Suite(RegularizerConformance):
        regularizers = (f"faulty.py:{name}",)
        penalty = (
            staticmethod(lambda of, weights: sum(abs(each).sum() for each in weights))
            if name == "Wrong"
            else None
        )

    with torch.random.fork_rng(), pytest.raises(Exception, match=r"\w"):
        getattr(Suite(), FOUND[name])()
