"""What each latent of a run does at each snapshot."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.examination import EXAMINATIONS, Examination
from vaescope.stats.latents.tables import LATENT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Latents(Examination):
    """The kind of each latent, the variances behind it, its KL, and how its aggregate posterior fits the prior.

    References:
        Bonheme & Grzes (2021), Be more active! https://arxiv.org/abs/2109.12679
        Burda, Grosse & Salakhutdinov (2016), Importance weighted autoencoders. https://arxiv.org/abs/1509.00519
    """

    name: ClassVar[str] = "latents"
    columns: ClassVar[tuple[str, ...]] = ("step", *LATENT_COLUMNS)

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a snapshot and latent."""
        import pandas as pd

        from vaescope.stats.latents.tables import latent_table

        tables = [latent_table(c.mean, c.log_var).assign(step=c.step) for c in subject.codes]
        found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(self.columns))
        return found[list(self.columns)]
