"""The Lightning callback in real Trainers: same weights, whole studies, resumed fits."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import vaescope
from vaescope.adapters.shell import Shell
from vaescope.errors import UsageError
from vaescope.stats.live.answer import Answer

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:::lightning", "ignore:::pytorch_lightning"
)
IMAGES = torch.from_numpy(np.random.default_rng([6, 1]).random((24, 1, 8, 8)).astype("float32"))
PROBE = IMAGES[:16]
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(scope="module")
def lightning():
    import lightning.pytorch

    return lightning.pytorch


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1))
        self.mean, self.log_var = nn.Linear(12, 3), nn.Linear(12, 3)

    def forward(self, x):
        x = self.body(x)
        return self.mean(x), self.log_var(x)


def module(framework, optimisers=1):
    """A VAE with dropout, batch norm and noise, seeded, in a LightningModule."""

    class VAE(framework.LightningModule):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = optimisers == 1
            self.encoder = Encoder()
            self.decoder = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 64), nn.Unflatten(1, (1, 8, 8)))

        def forward(self, x):
            mean, log_var = self.encoder(x)
            return self.decoder(mean + torch.randn_like(mean) * (0.5 * log_var).exp()), mean, log_var

        def training_step(self, batch, number):
            decoded, mean, log_var = self(batch)
            kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
            loss = ((decoded - batch) ** 2).sum((1, 2, 3)).mean() + kl
            self.log("kl", kl)
            self.log("step", float(number))
            if optimisers > 1:
                for optimiser in self.optimizers():
                    optimiser.zero_grad()
                self.manual_backward(loss)
                for optimiser in self.optimizers():
                    optimiser.step()
                return None
            return loss

        def validation_step(self, batch, number):
            self.log("validation", self(batch)[0].mean())

        def configure_optimizers(self):
            if optimisers == 1:
                return torch.optim.Adam(self.parameters(), lr=1e-2)
            return [torch.optim.Adam(part.parameters(), lr=1e-2) for part in (self.encoder, self.decoder)]

    framework.seed_everything(3, verbose=False)
    return VAE()


def loader(shuffle=True):
    return DataLoader(IMAGES, batch_size=4, shuffle=shuffle)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Trainers write checkpoints of their own into the folder they are started in."""
    monkeypatch.chdir(tmp_path)


def callback(folder, **options):
    from vaescope.adapters.lightning import RecorderCallback

    return RecorderCallback(folder, **{"probe": PROBE, "tell": lambda text: None, "max_overhead": None, **options})


def manifest(folder):
    """The state and the steps of the one run of a folder, as others see them."""
    results = vaescope.open(folder)
    (steps,) = results.snapshot_steps.values()
    return results.runs["state"].tolist(), list(steps)


def test_weights_are_the_same_to_the_bit_and_the_folder_is_a_study(lightning, tmp_path):
    weights = []
    for callbacks in ([], [callback(tmp_path / "study", log_every=1, setting={"beta": 1.0}, objective="beta_vae")]):
        vae = module(lightning)
        trainer = lightning.Trainer(
            max_steps=9, accumulate_grad_batches=2, num_sanity_val_steps=1, callbacks=callbacks, **QUIET
        )
        trainer.fit(vae, loader(), loader(shuffle=False))
        weights.append({name: value.clone() for name, value in vae.state_dict().items()})
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert manifest(tmp_path / "study") == (["done"], [0, 1, 2, 4, 8, 9])
    results = vaescope.open(tmp_path / "study")
    assert set(results.layers["part"]) >= {"encoder", "decoder"}
    losses = results.losses.set_index("step")
    assert losses["loss"].dropna().index.tolist() == losses["kl"].dropna().index.tolist() == list(range(1, 10))
    assert results.notes["note"].eq("logged_step").any()


def test_a_fit_that_stopped_goes_on_from_its_checkpoint(lightning, tmp_path):
    class Stop(lightning.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 9:
                raise RuntimeError("the power is gone")

    folder = tmp_path / "study"
    saves = lightning.callbacks.ModelCheckpoint(tmp_path / "saved", save_top_k=-1, filename="{epoch}")
    first = callback(folder, at=[0, 1, 3, 7, 8, 12])
    options = QUIET | {"enable_checkpointing": True}
    with pytest.raises(RuntimeError, match="the power is gone"):
        lightning.Trainer(max_steps=12, callbacks=[first, Stop(), saves], **options).fit(module(lightning), loader())
    assert manifest(folder) == (["recording"], [0, 1, 3, 7, 8])
    said = []
    second = callback(folder, at=[0, 1, 3, 7, 8, 12], tell=said.append)
    lightning.Trainer(max_steps=12, callbacks=[second], **options).fit(
        module(lightning), loader(), ckpt_path=tmp_path / "saved" / "epoch=0.ckpt"
    )
    assert manifest(folder) == (["done"], [0, 1, 3, 6, 7, 8, 12])  # 6: as it was taken up
    elsewhere = callback(tmp_path / "other", tell=said.append)
    lightning.Trainer(max_steps=7, callbacks=[elsewhere], **options).fit(
        module(lightning), loader(), ckpt_path=tmp_path / "saved" / "epoch=0.ckpt"
    )
    assert f"The checkpoint is of a training recorded in {folder.resolve()}" in " ".join(said)


def test_several_optimisers_count_each_and_numbers_reach_the_loggers(lightning, tmp_path):
    class Kept(lightning.loggers.logger.Logger):
        name, version, rows = "kept", 0, []

        def log_hyperparams(self, params):
            pass

        def log_metrics(self, metrics, step=None):
            self.rows.append((step, metrics))

    options = QUIET | {"logger": Kept()}
    trainer = lightning.Trainer(
        max_epochs=1, log_every_n_steps=100, callbacks=[callback(tmp_path / "study", trackers="jsonl")], **options
    )
    trainer.fit(module(lightning, optimisers=2), loader())
    assert manifest(tmp_path / "study") == (["done"], [0, 2, 4, 8, 12])
    ours = [(step, row) for step, row in Kept.rows if any(name.startswith("vaescope/") for name in row)]
    assert [step for step, _ in ours] == [0, 2, 4, 8, 12]
    assert any(name.startswith("vaescope/similarity_to_start/") for name in ours[1][1])
    assert (tmp_path / "study" / "runs" / "run" / "answers.jsonl").read_text().count("\n") == 5


def test_a_submodule_is_looked_at_under_its_own_names_by_the_other_import_name(tmp_path):
    import pytorch_lightning

    from vaescope.adapters.pytorch_lightning import RecorderCallback

    folder = tmp_path / "study"
    recorder = RecorderCallback(folder, submodule="encoder", probe=PROBE, tell=lambda text: None)
    pytorch_lightning.Trainer(max_steps=1, callbacks=[recorder], **QUIET).fit(module(pytorch_lightning), loader())
    assert manifest(folder) == (["done"], [0, 1])
    assert "body.1" in set(vaescope.open(folder).layers["layer"])


def test_what_cannot_be_recorded_is_said_before_the_first_step(lightning, tmp_path):
    trainer = lightning.Trainer(max_steps=1, callbacks=[callback(tmp_path, submodule="encodr")], **QUIET)
    with pytest.raises(UsageError, match=r"no such module\. Did you mean 'encoder'"):
        trainer.fit(module(lightning), loader())
    with pytest.raises(UsageError, match="leave model= out"):
        callback(tmp_path, model=nn.Linear(1, 1))

    class Trainer:
        strategy = type("FSDPStrategy", (), {})()

    with pytest.raises(UsageError, match="spreads each layer over processes"):
        callback(tmp_path).on_train_start(Trainer(), nn.Linear(1, 1))


def test_an_action_given_as_a_class_is_made_of_the_trainers_optimisers(lightning, tmp_path):
    class Held:
        def __init__(self, optimisers, word):
            self.held = {id(p) for optimiser in optimisers for group in optimiser.param_groups for p in group["params"]}
            self.word = word

        def __call__(self, model, live, step):
            assert self.held == {id(p) for p in model.parameters()}
            return [Answer("frozen", step, self.word)]

    recorder = callback(tmp_path / "study", actions=partial(Held, word="Held all."), at=[0])
    lightning.Trainer(max_steps=1, callbacks=[recorder], **QUIET).fit(module(lightning, optimisers=2), loader())
    assert [answer.step for answer in recorder.answers if answer.text == "Held all."] == [0]  # not at the last look
    with pytest.raises(UsageError, match="Held needs the optimiser, which this trainer does not show"):
        Shell(tmp_path / "other", "", {"actions": [Held]}).begin(nn.Linear(1, 1))


def test_other_ranks_than_the_first_record_nothing(lightning, tmp_path):
    class Trainer:
        strategy, is_global_zero, global_step = None, False, 0

    other = callback(tmp_path / "study")
    other.on_train_start(Trainer(), nn.Linear(1, 1))
    other.on_train_batch_end(Trainer(), nn.Linear(1, 1), None, None, 0)
    other.on_train_end(Trainer(), nn.Linear(1, 1))
    assert not (tmp_path / "study").exists()


def test_without_lightning_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch.callbacks", None)
    monkeypatch.delitem(sys.modules, "vaescope.adapters.lightning", raising=False)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        import vaescope.adapters.lightning  # noqa: F401
