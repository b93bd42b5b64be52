# %% [markdown]
# # A vision transformer in Hugging Face's Trainer
#
# A small ViT learns to tell squares, discs and triangles apart. The callback looks at its blocks as it learns; the
# model is no VAE, so there is no part about latents: which layers move, when, and which stay what they were at random.
# It runs in under a minute on one core and downloads nothing.
#
# ```console
# pip install vaescope transformers accelerate
# ```

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

import vaescope
from vaescope.adapters.huggingface import RecorderCallback

# %% [markdown]
# ## Data
#
# The Trainer takes a list of dicts, and so does the probe: batches are handed to the model as keywords, as the Trainer
# hands them.

# %%
shapes = vaescope.load_dataset("shapes")
order = np.random.default_rng([2022]).permutation(len(shapes))
images = torch.from_numpy(shapes.images(order))
labels = shapes.factors(order)[:, 0].tolist()
examples = [{"pixel_values": image, "labels": label} for image, label in zip(images, labels, strict=True)]
training, held_out = examples[:-256], examples[-256:]
probe = [{"pixel_values": example["pixel_values"]} for example in held_out]

# %% [markdown]
# ## The model and its training, with the one line

# %%
set_seed(1)
model = ViTForImageClassification(
    ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        num_labels=3,
    )
)
work = Path(tempfile.mkdtemp())
recorder = RecorderCallback(work / "vit", probe=probe, n=256, layers=["vit.layers.[0-9]", "classifier"], tell=print)
trainer = Trainer(
    model,
    TrainingArguments(
        str(work / "checkpoints"),
        use_cpu=True,
        max_steps=300,
        per_device_train_batch_size=32,
        learning_rate=1e-3,
        logging_steps=50,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    ),
    train_dataset=training,
    callbacks=[recorder],  # the one line
)
trainer.train()

# %% [markdown]
# ## What was seen

# %%
results = recorder.results()
print(results.layers[["layer", "part", "features"]].to_string(index=False))
curves = results.curves.dropna(subset="corrected")
print(curves.pivot(index="layer", columns="step", values="corrected").round(2).to_string())

# %%
subprocess.run([sys.executable, "-m", "vaescope", "report", str(work / "vit")], check=True)
print(f"Open {work / 'vit' / 'report.html'}")
