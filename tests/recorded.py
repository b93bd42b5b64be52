"""Small VAEs and trainings for the tests of the recorder."""

import torch
from torch import nn

X = torch.rand(96, 1, 8, 8, generator=torch.Generator().manual_seed(7))


class SmallVAE(nn.Module):
    """With dropout and batch normalisation, which a careless look would change."""

    def __init__(self, latents=3, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(32, 16),
        )
        self.fc_mu, self.fc_var = nn.Linear(16, latents), nn.Linear(16, latents)
        self.decoder = nn.Sequential(nn.Linear(latents, 32), nn.ReLU(), nn.Linear(32, 64), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, x):
        h = self.encoder(x)
        mean, log_var = self.fc_mu(h), self.fc_var(h)
        return self.decoder(mean + torch.randn_like(mean) * (0.5 * log_var).exp()), mean, log_var


def trained(model, steps, record=None, start=0, optimiser=None, batches=None):
    """A plain loop; all its draws are from torch's global state."""
    optimiser = optimiser or torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(start, steps):
        images = X[torch.randint(0, len(X), (16,))]
        made, mean, log_var = model(images)
        pixels = nn.functional.binary_cross_entropy_with_logits(made, images, reduction="sum") / 16
        kl = (0.5 * (mean**2 + log_var.exp() - 1 - log_var)).sum(1).mean()
        loss = pixels + kl
        if record is not None:
            record(step, loss=loss, reconstruction=pixels, kl=kl)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return optimiser
