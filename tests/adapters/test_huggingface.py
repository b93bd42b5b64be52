"""The callback in a real `transformers.Trainer`: same weights, whole studies, resumed trainings."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import vaescope
from vaescope.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
PIXELS = torch.from_numpy(np.random.default_rng([6, 2]).random((24, 1, 8, 8)).astype("float32"))
EXAMPLES = [{"pixel_values": image, "labels": number % 3} for number, image in enumerate(PIXELS)]
AGES = itertools.count()
PROBE = [{**example, "name": f"image {number}"} for number, example in enumerate(EXAMPLES)]


@pytest.fixture(scope="module")
def transformers():
    import transformers

    return transformers


def transformer(transformers):
    """A vision transformer of two layers, with dropout, seeded."""
    transformers.set_seed(5)
    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
        num_channels=1,
        num_labels=3,
        hidden_dropout_prob=0.1,
    )
    return transformers.ViTForImageClassification(config)


def trainer(transformers, folder, callbacks, **options):
    arguments = transformers.TrainingArguments(
        str(folder),
        **{
            "use_cpu": True,
            "max_steps": 9,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "logging_steps": 2,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            **options,
        },
    )
    return transformers.Trainer(
        transformer(transformers),
        arguments,
        train_dataset=EXAMPLES,
        eval_dataset=EXAMPLES[:4],
        compute_metrics=lambda predictions: {"age": next(AGES)},
        callbacks=callbacks,
    )


def callback(folder, **options):
    from vaescope.adapters.huggingface import RecorderCallback

    return RecorderCallback(folder, **{"probe": PROBE, "n": 16, "max_overhead": None, "log_every": 1, **options})


def manifest(folder):
    """The state and the steps of the one run of a folder, as others see them."""
    results = vaescope.open(folder)
    (steps,) = results.snapshot_steps.values()
    return results.runs["state"].tolist(), list(steps)


def test_weights_are_the_same_to_the_bit_and_the_folder_is_a_study(transformers, tmp_path):
    weights, said = [], []
    for callbacks in ([], [callback(tmp_path / "study", layers="*.layernorm_before", tell=said.append)]):
        training = trainer(transformers, tmp_path / "out", callbacks)
        training.train()
        weights.append({name: value.clone() for name, value in training.model.state_dict().items()})
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert manifest(tmp_path / "study") == (["done"], [0, 1, 2, 4, 8, 9])
    results = vaescope.open(tmp_path / "study")
    looked = results.layers.query("part != 'input'")["layer"]
    assert looked.tolist() == [f"vit.layers.{i}.layernorm_before" for i in range(2)]
    assert results.losses.set_index("step")["loss"].dropna().index.tolist() == [2, 4, 6, 8]
    assert callbacks[0].answers is not None


def test_a_training_that_stopped_goes_on_and_the_best_weights_are_not_taken_for_the_last(transformers, tmp_path):
    class Stop(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 7:
                raise RuntimeError("the power is gone")

    options = {"save_strategy": "steps", "save_steps": 3, "eval_strategy": "steps", "eval_steps": 3}
    options |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_age", "greater_is_better": False}
    study = callback(tmp_path / "study", at=[0, 2, 5, 6], layers="classifier", weights=True)
    with pytest.raises(RuntimeError, match="the power is gone"):
        trainer(transformers, tmp_path / "out", [study, Stop()], **options).train()
    assert manifest(tmp_path / "study") == (["recording"], [0, 2, 5, 6])
    study = callback(tmp_path / "study", at=[0, 2, 4, 5, 6, 8], layers="classifier", weights=True)
    training = trainer(transformers, tmp_path / "out", [study], **options)
    training.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    assert manifest(tmp_path / "study") == (["done"], [0, 2, 3, 4, 5, 6, 8, 9])  # 3: as it was taken up
    from safetensors.torch import load_file

    last = load_file(tmp_path / "study" / "runs" / "run" / "weights" / "step-000000009.safetensors")
    best, final = (load_file(tmp_path / "out" / f"checkpoint-{step}" / "model.safetensors") for step in (3, 9))
    assert training.state.best_model_checkpoint.endswith("checkpoint-3")
    assert torch.equal(last["classifier.weight"], final["classifier.weight"])
    assert not torch.equal(last["classifier.weight"], best["classifier.weight"])


def test_spread_weights_and_other_ranks_are_left_alone(transformers, tmp_path):
    class Arguments:
        fsdp, deepspeed_plugin = ["full_shard"], None

    study = callback(tmp_path / "study")
    with pytest.raises(UsageError, match="spread each layer over processes"):
        study.on_train_begin(Arguments(), None, None)
    Arguments.fsdp = []
    state = transformers.TrainerState(is_world_process_zero=False)
    study.on_train_begin(Arguments(), state, None, model=nn.Linear(1, 1))
    study.on_step_end(Arguments(), state, None)
    study.on_train_end(Arguments(), state, None)
    assert not (tmp_path / "study").exists()


def test_answers_are_shown_by_the_log_of_transformers_unless_told_otherwise(transformers):
    from vaescope.adapters.huggingface import LOG

    assert LOG.isEnabledFor(30)
    assert LOG.name.startswith("transformers.")
