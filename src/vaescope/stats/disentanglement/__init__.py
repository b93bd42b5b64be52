"""The disentanglement scores: one file each; being here is being found."""
