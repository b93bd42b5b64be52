"""The callback in pythae's own trainer and pipeline: same weights, whole studies."""

import numpy as np
import pytest
import torch

import vaescope

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
IMAGES = torch.from_numpy(np.random.default_rng([6, 3]).random((24, 1, 8, 8)).astype("float32"))


@pytest.fixture(scope="module")
def pythae():
    import pythae.models
    import pythae.pipelines
    import pythae.trainers

    return pythae


def model(pythae):
    torch.manual_seed(4)
    return pythae.models.BetaVAE(pythae.models.BetaVAEConfig(input_dim=(1, 8, 8), latent_dim=3, beta=2.0))


def config(pythae, folder):
    return pythae.trainers.BaseTrainerConfig(
        output_dir=str(folder), num_epochs=2, per_device_train_batch_size=8, learning_rate=1e-3, no_cuda=True, seed=7
    )


def test_weights_are_the_same_to_the_bit_and_the_folder_is_a_study(pythae, tmp_path):
    from pythae.data.datasets import BaseDataset

    from vaescope.adapters.pythae import RecorderCallback

    weights, said = [], []
    study = RecorderCallback(tmp_path / "study", probe=IMAGES[:16], max_overhead=None, log_every=1, tell=said.append)
    for callbacks in ([], [study]):
        vae = model(pythae)
        data = BaseDataset(IMAGES, torch.zeros(24))
        training = pythae.trainers.BaseTrainer(
            vae, data, data, training_config=config(pythae, tmp_path / "out"), callbacks=callbacks
        )
        training.train()
        weights.append({name: value.clone() for name, value in vae.state_dict().items()})
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    results = vaescope.open(tmp_path / "study")
    assert list(results.snapshot_steps.values()) == [(0, 1, 2, 4, 6)]
    assert results.runs[["state", "seed"]].to_numpy().tolist() == [["done", 7]]
    assert {"mean", "log_var"} <= set(results.layers["layer"])
    assert set(results.latents["latent"]) == {0, 1, 2}
    assert results.notes["note"].eq("train_epoch_loss").any()
    assert study.answers == [] or said


def test_the_pipeline_takes_it_too(pythae, tmp_path):
    from vaescope.adapters.pythae import RecorderCallback

    study = RecorderCallback(tmp_path / "study", probe={"data": IMAGES[:16]}, at=[0, 6])
    pipeline = pythae.pipelines.TrainingPipeline(model=model(pythae), training_config=config(pythae, tmp_path / "out"))
    pipeline(train_data=IMAGES, callbacks=[study])
    assert list(vaescope.open(tmp_path / "study").snapshot_steps.values()) == [(0, 6)]
