"""Other people's training loops run with our optimizers unchanged (skipped where a library is not installed)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest.optim as optim
from steepest.rng import stream, torch_stream

each_optimizer = pytest.mark.parametrize("name", ["SGD", "AdamW", "Quickprop", "ScheduleFreeAdamW"])
# What these libraries warn of by themselves is theirs to mend: loggers, workers and versions that they miss.
pytestmark = pytest.mark.filterwarnings("ignore")
MISSING = "not installed: pip install .[loops]"
RATES = {"SGD": 0.1, "AdamW": 0.02, "Quickprop": 0.02, "ScheduleFreeAdamW": 0.05}


def table(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return two blobs and which of the two each row is from."""
    draw = stream(0, "data", 11)
    labels = draw.integers(0, 2, rows)
    return (draw.standard_normal((rows, 3)) + 2.0 * labels[:, None]).astype(np.float32), labels.astype(
        np.int64
    )


def network() -> torch.nn.Module:
    with torch_stream(0, "init"):
        return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def accuracy(net: torch.nn.Module) -> float:
    inputs, labels = table()
    with torch.no_grad():
        return float((net(torch.from_numpy(inputs)).argmax(1).numpy() == labels).mean())


@each_optimizer
def test_a_plain_torch_loop(name: str) -> None:
    inputs, labels = (torch.from_numpy(each) for each in table())
    net = network()
    optimizer = getattr(optim, name)(net.parameters(), lr=RATES[name])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), labels).backward()
        optimizer.step()
        scheduler.step()
    with optimizer.evaluating():
        assert accuracy(net) > 0.9


@each_optimizer
def test_mixed_precision_with_a_gradient_scaler(name: str) -> None:
    """torch's scaler unscales the gradients that it finds in the groups, and steps if they are finite."""
    net = network()
    optimizer = getattr(optim, name)(net.parameters(), lr=RATES[name])
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    inputs, labels = (torch.from_numpy(each) for each in table())
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(net(inputs), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    with optimizer.evaluating():
        assert accuracy(net) > 0.9


@each_optimizer
def test_skorch(name: str) -> None:
    skorch = pytest.importorskip("skorch", reason=MISSING)
    inputs, labels = table()
    classifier = skorch.NeuralNetClassifier(
        network(),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=getattr(optim, name),
        optimizer__lr=RATES[name],
        max_epochs=15,
        train_split=None,
        verbose=0,
    )
    classifier.fit(inputs, labels)
    assert classifier.score(inputs, labels) > 0.9


@each_optimizer
def test_lightning(name: str, tmp_path) -> None:
    lightning = pytest.importorskip("lightning", reason=MISSING)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch, _):
            return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            optimizer = getattr(optim, name)(self.parameters(), lr=RATES[name])
            scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
            return {"optimizer": optimizer, "lr_scheduler": scheduler}

    data = torch.utils.data.TensorDataset(*(torch.from_numpy(each) for each in table()))
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=15,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=50))
    assert accuracy(module.net) > 0.9


@each_optimizer
def test_hugging_face_trainer(name: str, tmp_path) -> None:
    transformers = pytest.importorskip("transformers", reason=MISSING)
    pytest.importorskip("accelerate", reason=MISSING)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, inputs, labels=None):
            logits = self.net(inputs)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    inputs, labels = table()
    rows = [{"inputs": torch.from_numpy(x), "labels": int(y)} for x, y in zip(inputs, labels, strict=True)]
    model = Model()
    optimizer = getattr(optim, name)(model.parameters(), lr=RATES[name])
    options = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=15,
        per_device_train_batch_size=50,
        report_to=[],
        use_cpu=True,
        save_strategy="epoch",
        save_total_limit=1,
        disable_tqdm=True,
    )
    transformers.Trainer(model, options, train_dataset=rows, optimizers=(optimizer, None)).train()
    assert accuracy(model.net) > 0.9
    assert optimizer.state
