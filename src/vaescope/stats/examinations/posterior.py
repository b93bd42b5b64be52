"""What the latents of a run do together at each snapshot."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.examination import EXAMINATIONS, Examination
from vaescope.stats.latents.tables import POSTERIOR_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject


@EXAMINATIONS.register
@final
class Posterior(Examination):
    """How many latents are in use, what the codes know of the images, and how alike mean and sampled codes are.

    References:
        Hoffman & Johnson (2016), ELBO surgery. http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "posterior"
    columns: ClassVar[tuple[str, ...]] = ("step", *POSTERIOR_COLUMNS)

    def of(self, subject: "Subject") -> "pd.DataFrame":
        """One row a snapshot."""
        import pandas as pd

        from vaescope.stats.latents.tables import posterior_row

        examples, noise = subject.examples, subject.noise
        rows = [{"step": c.step, **posterior_row(c.mean, c.log_var, noise, examples)} for c in subject.codes]
        return pd.DataFrame(rows, columns=list(self.columns))
