# %% [markdown]
# # A Lightning VAE, looked at while it learns
#
# A small β-VAE on dSprites, trained by Lightning. One line, the callback, keeps what every layer represents at steps
# 0, 1, 2, 4, …, and says in words what it sees: which part has settled, which latents have collapsed. The training
# takes the same steps with it as without. It runs in under a minute on one core.
#
# ```console
# pip install 'vaescope[lightning]'
# ```

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

import vaescope
from vaescope.adapters.lightning import RecorderCallback

# %% [markdown]
# ## Data
#
# dSprites is drawn, not downloaded. The *probe* are examples that every look at the model uses: they make layers
# comparable from step to step, so they stay the same, and the training need not see them.

# %%
dsprites = vaescope.load_dataset("dsprites")
chosen = np.random.default_rng([2022]).choice(len(dsprites), 4352, replace=False)
images = torch.from_numpy(dsprites.images(np.sort(chosen)))
images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
training, probe = images[:-256], images[-256:]

# %% [markdown]
# ## The model
#
# Nothing here knows of vaescope. It has the attributes `encoder` and `decoder`, and the encoder returns means and log
# variances; so both parts and the posterior are found. A model of another shape names them: `encoder="net.down"`,
# `posterior=("net.mu", "net.logvar")`.


# %%
class Encoder(nn.Module):
    def __init__(self, latents: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * 8 * 8, 128), nn.ReLU()),
        )
        self.mean, self.log_var = nn.Linear(128, latents), nn.Linear(128, latents)

    def forward(self, x):
        hidden = self.conv(x)
        return self.mean(hidden), self.log_var(hidden)


class BetaVAE(L.LightningModule):
    def __init__(self, latents: int = 10, beta: float = 4.0) -> None:
        super().__init__()
        self.beta = beta
        self.encoder = Encoder(latents)
        self.decoder = nn.Sequential(
            *(nn.Linear(latents, 128), nn.ReLU(), nn.Linear(128, 32 * 8 * 8), nn.ReLU(), nn.Unflatten(1, (32, 8, 8))),
            *(nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.ConvTranspose2d(16, 16, 4, stride=2, padding=1), nn.ReLU()),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )

    def forward(self, x):
        mean, log_var = self.encoder(x)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(z), mean, log_var

    def training_step(self, batch, batch_idx):
        logits, mean, log_var = self(batch)
        reconstruction = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum") / len(batch)
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        self.log_dict({"reconstruction": reconstruction, "kl": kl})
        return reconstruction + self.beta * kl

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## Training, with the one line
#
# What is logged (`reconstruction`, `kl`) and the loss are noted too. `tell=print` shows the sentences here; without it
# they go to Lightning's log. A fit that is interrupted goes on with `trainer.fit(..., ckpt_path=...)` and the same
# folder.

# %%
folder = Path(tempfile.mkdtemp()) / "lightning_vae"
L.seed_everything(1, verbose=False)
model = BetaVAE()
recorder = RecorderCallback(folder, probe=probe, objective="beta_vae", setting={"beta": model.beta}, tell=print)
trainer = L.Trainer(
    max_steps=600,
    accelerator="cpu",
    callbacks=[recorder],  # the one line
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(training, batch_size=32, shuffle=True))

# %% [markdown]
# ## What was seen
#
# The folder is a study like any other, also while the training goes on.

# %%
results = recorder.results()
print(results.runs[["run", "objective", "state", "step", "snapshots"]])
print(results.losses[["step", "loss", "reconstruction", "kl"]].tail(3).round(1).to_string(index=False))

# %% [markdown]
# How similar each layer is at each step to itself at the end, by CKA, less what it was before training: 0 is no nearer
# than the first weights, 1 is the end. A layer that was more than 0.95 similar before training is left out.

# %%
curves = results.curves.query("part in ['encoder', 'latent', 'decoder']").dropna(subset="corrected")
print(curves.pivot(index="layer", columns="step", values="corrected").round(2).to_string())

# %% [markdown]
# The report has that as charts, with the latents, the losses and what each answer rests on. Open it in a browser.

# %%
subprocess.run([sys.executable, "-m", "vaescope", "report", str(folder)], check=True)
print(f"Open {folder / 'report.html'}")
